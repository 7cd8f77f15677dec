#include "errors.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "umbel/base/text.hpp"
#include "umbel/model/fingerprint.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestSample = 500;
constexpr std::int64_t kWeek = 7 * 86'400;

std::int64_t begin_of(std::int64_t second, std::int64_t step) {
  return (second >= 0 ? second : second - step + 1) / step * step;
}

void count(std::map<std::string, std::uint64_t>& counts, const std::string& what,
           std::uint64_t more) {
  if (counts.size() < ErrorBook::kMostNames || counts.contains(what)) counts[what] += more;
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

std::int64_t number_at(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  boost::system::error_code error;
  return value == nullptr ? 0 : value->to_number<std::int64_t>(error);
}

std::uint64_t count_from(const json::value& value) {
  boost::system::error_code error;
  return value.to_number<std::uint64_t>(error);
}

json::object counts_object(const std::map<std::string, std::uint64_t>& counts) {
  json::object object;
  for (const auto& [what, number] : counts) object[what] = number;
  return object;
}

void counts_from(const json::object& object, std::string_view key,
                 std::map<std::string, std::uint64_t>& counts) {
  const json::value* const given = object.if_contains(key);
  if (given == nullptr || !given->is_object()) return;
  for (const auto& [what, number] : given->get_object())
    count(counts, std::string{what}, count_from(number));
}

}  // namespace

ErrorBook::Group* ErrorBook::group_of(const std::string& fingerprint, std::int64_t second) {
  const auto known = groups_.find(fingerprint);
  if (known != groups_.end()) return &known->second;
  if (groups_.size() >= kMostGroups) {
    std::erase_if(groups_,
                  [&](const auto& each) { return each.second.last_seen < second - kWeek; });
  }
  if (groups_.size() >= kMostGroups) return nullptr;
  return &groups_[fingerprint];
}

void ErrorBook::note(const Task& failed, std::int64_t second) {
  const auto print = error_fingerprint(failed);
  if (!print) return;
  Group* const group = group_of(*print, second);
  if (group == nullptr) {
    ++folded_;
    return;
  }
  if (group->first_seen == 0) {
    const auto told = exception_text(*failed.exception);
    group->type = shortened(told.type, 200);
    group->message = normalised_message(told.message);
    group->first_seen = second;
  }
  group->first_seen = std::min(group->first_seen, second);
  if (second >= group->last_seen) {
    group->last_seen = second;
    group->sample_task = failed.uuid;
    group->sample_message = shortened(*failed.exception, kLongestSample);
  }
  const std::int64_t half_hour = begin_of(second, kHalfHour);
  Slot& slot = group->slots[half_hour];
  ++slot.count;
  const auto cell = static_cast<std::size_t>((second - half_hour) / kErrorWindows[0].cell);
  ++slot.fine[cell];
  count(slot.names, failed.name.value_or(""), 1);
  count(slot.workers, failed.worker.value_or(""), 1);
  group->slots.erase(group->slots.begin(),
                     group->slots.lower_bound(group->last_seen - kWeek - kHalfHour));
  changed_.insert(half_hour);
}

ErrorGroup ErrorBook::view(const std::string& fingerprint, const Group& group,
                           const ErrorWindow& window, std::int64_t now) const {
  ErrorGroup seen{.fingerprint = fingerprint,
                  .type = group.type,
                  .message = group.message,
                  .sample_message = group.sample_message,
                  .sample_task = group.sample_task,
                  .count = 0,
                  .first_seen = group.first_seen,
                  .last_seen = group.last_seen,
                  .names = {},
                  .workers = {},
                  .spark = std::vector<std::uint64_t>(kErrorCells)};
  // The last cell is the one that `now` lies in.
  const auto cells = static_cast<std::int64_t>(kErrorCells);
  const std::int64_t first = begin_of(now, window.cell) - (cells - 1) * window.cell;
  for (auto at = group.slots.lower_bound(begin_of(first, kHalfHour)); at != group.slots.end();
       ++at) {
    const auto& [half_hour, slot] = *at;
    bool within = false;
    for (std::size_t i = 0; i < kFine; ++i) {
      const std::int64_t second = half_hour + static_cast<std::int64_t>(i) * kErrorWindows[0].cell;
      if (slot.fine[i] == 0 || second < first) continue;
      const auto cell = std::min((second - first) / window.cell, cells - 1);
      seen.spark[static_cast<std::size_t>(cell)] += slot.fine[i];
      seen.count += slot.fine[i];
      within = true;
    }
    if (!within) continue;
    for (const auto& [name, number] : slot.names) count(seen.names, name, number);
    for (const auto& [worker, number] : slot.workers) count(seen.workers, worker, number);
  }
  return seen;
}

std::vector<ErrorGroup> ErrorBook::groups(const ErrorWindow& window, std::int64_t now) const {
  std::vector<ErrorGroup> seen;
  for (const auto& [fingerprint, group] : groups_) {
    if (group.last_seen < now - window.minutes * 60 - window.cell) continue;
    auto each = view(fingerprint, group, window, now);
    if (each.count > 0) seen.push_back(std::move(each));
  }
  std::ranges::stable_sort(seen, std::ranges::greater{}, &ErrorGroup::last_seen);
  return seen;
}

std::optional<ErrorGroup> ErrorBook::find(const std::string& fingerprint, const ErrorWindow& window,
                                          std::int64_t now) const {
  const auto known = groups_.find(fingerprint);
  if (known == groups_.end()) return std::nullopt;
  return view(fingerprint, known->second, window, now);
}

std::string ErrorBook::data_of(std::int64_t half_hour) const {
  json::object row;
  for (const auto& [fingerprint, group] : groups_) {
    const auto slot = group.slots.find(half_hour);
    if (slot == group.slots.end()) continue;
    json::array fine;
    for (const auto number : slot->second.fine) fine.emplace_back(number);
    row[fingerprint] = json::object{{"type", group.type},
                                    {"message", group.message},
                                    {"sample", group.sample_message},
                                    {"task", group.sample_task.str()},
                                    {"first", group.first_seen},
                                    {"last", group.last_seen},
                                    {"fine", std::move(fine)},
                                    {"names", counts_object(slot->second.names)},
                                    {"workers", counts_object(slot->second.workers)}};
  }
  return json::serialize(row);
}

std::vector<KeptRow> ErrorBook::take_changed() {
  std::vector<KeptRow> rows;
  for (const std::int64_t half_hour : changed_)
    rows.push_back({.kind = kKind, .at = half_hour, .data = data_of(half_hour)});
  changed_.clear();
  return rows;
}

void ErrorBook::changed_again(const KeptRow& row) {
  if (row.kind == kKind) changed_.insert(row.at);
}

void ErrorBook::restore(const KeptRow& row) {
  boost::system::error_code error;
  const json::value parsed = json::parse(row.data, error);
  if (error || !parsed.is_object() || row.at != begin_of(row.at, kHalfHour)) return;
  for (const auto& [fingerprint, value] : parsed.get_object()) {
    if (!value.is_object()) continue;
    const json::object& kept = value.get_object();
    Group* const group = group_of(std::string{fingerprint}, number_at(kept, "last"));
    if (group == nullptr) continue;
    if (group->first_seen == 0) {
      group->type = text_at(kept, "type");
      group->message = text_at(kept, "message");
      group->first_seen = number_at(kept, "first");
    }
    group->first_seen = std::min(group->first_seen, number_at(kept, "first"));
    if (number_at(kept, "last") >= group->last_seen) {
      group->last_seen = number_at(kept, "last");
      group->sample_task = TaskId{text_at(kept, "task")};
      group->sample_message = text_at(kept, "sample");
    }
    Slot slot;
    if (const json::value* const fine = kept.if_contains("fine");
        fine != nullptr && fine->is_array()) {
      for (std::size_t i = 0; i < std::min(kFine, fine->get_array().size()); ++i) {
        slot.fine[i] = static_cast<std::uint32_t>(count_from(fine->get_array()[i]));
        slot.count += slot.fine[i];
      }
    }
    counts_from(kept, "names", slot.names);
    counts_from(kept, "workers", slot.workers);
    group->slots[row.at] = std::move(slot);
    group->slots.erase(group->slots.begin(),
                       group->slots.lower_bound(group->last_seen - kWeek - kHalfHour));
  }
}

}  // namespace umbel::collector
