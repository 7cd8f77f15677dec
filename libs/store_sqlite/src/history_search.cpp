#include "history_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "day_files.hpp"
#include "history_rows.hpp"

namespace umbel::store_sqlite {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr std::size_t kFirstStretch = 500;
constexpr std::size_t kLongestStretch = 50'000;
// More tasks than these are placed by what is known of them alone.
constexpr std::size_t kMostPlaced = 2000;

template <class T>
std::optional<T> number_before_comma(std::string_view& text) {
  const auto comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  T value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + comma, value);
  if (fault != std::errc{} || end != text.data() + comma) return std::nullopt;
  text.remove_prefix(comma + 1);
  return value;
}

}  // namespace

HistorySearch::HistorySearch(const TaskQuery& query, const SearchOptions& options,
                             const Clock& clock, LookThrough look)
    : query_{query},
      options_{options},
      clock_{clock},
      look_{std::move(look)},
      sql_{query},
      begun_{clock.steady()},
      by_time_{is_by_time(query.order)},
      stretch_{std::max(kFirstStretch, 2 * options.limit)} {
  for (const auto& task : options.newer) newer_ids_.emplace(task.uuid.str(), &task);
}

// `2026-11-22,<value>,<first seen, microseconds>,<id>`; not by time, the day means nothing.
std::string HistorySearch::text_of_place(const Place& place) const {
  return fmt::format("{},{},{},{}", text_of(by_time_ ? place.day : Day{}), place.key.value,
                     place.key.first_seen, place.key.id);
}

std::optional<HistorySearch::Place> HistorySearch::place_from(std::string_view text) const {
  const auto day = day_from(text.substr(0, 10));
  if (!day || text.size() < 12 || text[10] != ',') return std::nullopt;
  text.remove_prefix(11);
  const auto value = number_before_comma<double>(text);
  if (!value || std::isnan(*value)) return std::nullopt;
  const auto first_seen = number_before_comma<std::int64_t>(text);
  if (!first_seen || by_time_ != (*day != Day{})) return std::nullopt;
  return Place{*day, {.value = *value, .first_seen = *first_seen, .id = std::string{text}}};
}

// Where the newer tasks stand: there where the history has them, or will have them.
Result<void> HistorySearch::place_newer(const std::vector<Day>& all) {
  std::map<Day, std::vector<std::size_t>> to_look_for;
  for (const auto& task : options_.newer) {
    if (newer_ids_.at(task.uuid.str()) != &task) continue;
    if (!order_value(task, query_.order) || !terms_hold(task, query_)) continue;
    const auto seen = plausible(first_sight(task), clock_.wall());
    newer_.push_back({&task, floor<days>(seen), key_of(task, seen, query_.order)});
    if (newer_.size() > kMostPlaced) continue;
    const auto span = possible_days(task);
    for (const auto day : all) {
      if (day >= span.first && day <= span.last) to_look_for[day].push_back(newer_.size() - 1);
    }
  }
  for (const auto& [day, places] : to_look_for) {
    auto looked = look_({day}, [&, the_day = day, &which = places](Connection& connection, Day) {
      for (const auto place : which) {
        auto& newer = newer_[place];
        const auto seen = first_seen_of(connection, newer.task->uuid);
        if (!seen) continue;
        newer.day = the_day;
        newer.key.first_seen = to_micros(*seen);
      }
      return true;
    });
    if (!looked) return looked;
  }
  std::erase_if(newer_, [&](const Newer& newer) {
    const auto seen = from_micros(newer.key.first_seen);
    return (query_.after && seen < *query_.after) || (query_.before && seen >= *query_.before);
  });
  return {};
}

std::vector<std::vector<Day>> HistorySearch::groups(std::vector<Day> all) const {
  for (const auto& newer : newer_) all.push_back(newer.day);
  std::ranges::sort(all, std::greater{});
  all.erase(std::unique(all.begin(), all.end()), all.end());
  // A task that a moment has announced may lie in the file of the day beside its own.
  std::erase_if(all, [&](Day day) {
    return (query_.after && day < floor<days>(*query_.after) - days{1}) ||
           (query_.before && day > floor<days>(*query_.before) + days{1});
  });
  if (!by_time_) return {std::move(all)};
  if (query_.order == TaskOrder::Oldest) std::ranges::reverse(all);
  std::vector<std::vector<Day>> each;
  for (const auto day : all) each.push_back({day});
  return each;
}

Result<std::optional<OrderKey>> HistorySearch::end_of_stretch(const std::vector<Day>& group,
                                                              const OrderKey& from) {
  std::optional<OrderKey> end;
  auto looked = look_(group, [&](Connection& connection, Day) {
    for (const auto& stream : sql_.streams(connection)) {
      auto its_end = sql_.end_of_walk(connection, stream, from, stretch_);
      if (its_end && (!end || comes_before(*its_end, *end, query_.order))) end = std::move(its_end);
    }
    return false;
  });
  if (!looked) return looked.error();
  return end;
}

Result<std::vector<FoundTask>> HistorySearch::read(const std::vector<Day>& group,
                                                   const OrderKey& from,
                                                   const std::optional<OrderKey>& to,
                                                   std::size_t enough) {
  std::vector<FoundTask> found;
  auto looked = look_(group, [&](Connection& connection, Day) {
    for (const auto& stream : sql_.streams(connection)) {
      std::size_t of_stream = 0;
      sql_.read(connection, stream, from, to, [&](FoundTask&& each) {
        if (newer_ids_.contains(each.key.id)) return true;
        found.push_back(std::move(each));
        return ++of_stream < enough;
      });
    }
    return false;
  });
  if (!looked) return looked.error();
  return found;
}

void HistorySearch::add_newer(const std::vector<Day>& group, const OrderKey& from,
                              const std::optional<OrderKey>& to,
                              std::vector<FoundTask>& found) const {
  for (const auto& newer : newer_) {
    if (std::ranges::find(group, newer.day) == group.end()) continue;
    if (!comes_before(from, newer.key, query_.order)) continue;
    // Everything at the end but for its id belongs to the stretch.
    const OrderKey without_id{
        .value = newer.key.value, .first_seen = newer.key.first_seen, .id = {}};
    if (to && comes_before(*to, without_id, query_.order)) continue;
    found.push_back({newer.key, *newer.task});
  }
}

void HistorySearch::stop_at(Day day, const OrderKey& key) {
  page_.next = text_of_place({day, key});
}

Result<bool> HistorySearch::walk(const std::vector<Day>& group, OrderKey from, bool last) {
  for (;;) {
    const auto begun = clock_.steady();
    auto end = end_of_stretch(group, from);
    if (!end) return end.error();
    const auto room = options_.limit - page_.tasks.size();
    auto found = read(group, from, *end, room + 1);
    if (!found) return found.error();
    add_newer(group, from, *end, *found);
    std::ranges::sort(*found, [&](const FoundTask& a, const FoundTask& b) {
      return comes_before(a.key, b.key, query_.order);
    });
    const auto twice = std::ranges::unique(
        *found, [](const FoundTask& a, const FoundTask& b) { return a.key.id == b.key.id; });
    found->erase(twice.begin(), twice.end());

    const bool more = found->size() > room;
    const auto taken = std::min(room, found->size());
    for (std::size_t i = 0; i < taken; ++i) page_.tasks.push_back(std::move((*found)[i].task));
    if (page_.tasks.size() == options_.limit) {
      if (more || *end || !last) stop_at(group.front(), (*found)[taken - 1].key);
      return Result<bool>{true};
    }
    if (!*end) return Result<bool>{false};
    from = sql_.behind(**end);
    if (late()) {
      page_.complete = false;
      if (query_.order == TaskOrder::Newest) page_.searched_back_to = from_micros(from.first_seen);
      stop_at(group.front(), from);
      return Result<bool>{true};
    }
    const auto took = clock_.steady() - begun;
    if (took * 8 < options_.budget) {
      stretch_ = std::min(stretch_ * 2, kLongestStretch);
    } else if (took * 3 > options_.budget) {
      stretch_ = std::max(stretch_ / 2, kFirstStretch);
    }
  }
}

Result<SearchPage> HistorySearch::run(std::vector<Day> all) {
  std::optional<Place> place;
  if (options_.from) {
    place = place_from(*options_.from);
    if (!place) {
      return invalid("`" + *options_.from +
                     "` is no place in this search: pass on what a page gave as its next one");
    }
  }
  if (options_.limit == 0) return invalid("a search needs a limit of at least 1");
  if (auto placed = place_newer(all); !placed) return placed.error();
  auto each = groups(std::move(all));
  if (place && by_time_) {
    std::erase_if(each, [&](const std::vector<Day>& group) {
      return query_.order == TaskOrder::Newest ? group.front() > place->day
                                               : group.front() < place->day;
    });
  }
  for (std::size_t i = 0; i < each.size(); ++i) {
    if (each[i].empty()) continue;
    const bool goes_on = place && (!by_time_ || each[i].front() == place->day);
    auto done = walk(each[i], goes_on ? place->key : sql_.beginning(), i + 1 == each.size());
    if (!done) return done.error();
    if (*done) return std::move(page_);
    if (i + 1 < each.size() && late()) {
      page_.complete = false;
      if (query_.order == TaskOrder::Newest) page_.searched_back_to = each[i].front();
      stop_at(each[i + 1].front(), sql_.beginning());
      return std::move(page_);
    }
  }
  return std::move(page_);
}

}  // namespace umbel::store_sqlite
