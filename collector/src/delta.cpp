#include "delta.hpp"

#include <utility>
#include <vector>

namespace umbel::collector {
namespace {

namespace json = boost::json;

// Puts the rows that differ from `given` into `change`, and the keys that are gone under
// `<section>_gone` if the section has that.
void rows_of(const char* section, const char* gone_section,
             std::vector<std::pair<std::string, json::object>> rows,
             std::map<std::string, std::string>& given, json::object& change) {
  json::array changed;
  std::map<std::string, std::string> now;
  for (auto& [key, row] : rows) {
    std::string text = json::serialize(row);
    const auto before = given.find(key);
    if (before == given.end() || before->second != text) changed.push_back(std::move(row));
    now.emplace(key, std::move(text));
  }
  json::array gone;
  for (const auto& [key, text] : given) {
    if (!now.contains(key)) gone.emplace_back(key);
  }
  given = std::move(now);
  if (!changed.empty()) change[section] = std::move(changed);
  if (gone_section != nullptr && !gone.empty()) change[gone_section] = std::move(gone);
}

}  // namespace

json::object Delta::next(LiveState& state, WallTime now) {
  json::object change;
  tasks(state, change);
  replace("totals", totals_section(state, about_, now), change);
  if (looked_at_ != unix_second(now)) {
    looked_at_ = unix_second(now);
    once_a_second(state, now, change);
  }
  return change;
}

void Delta::tasks(const LiveState& state, json::object& change) {
  json::array rows;
  state.each_task([&](const Task& task, std::uint64_t version) {
    if (version <= version_ || rows.size() >= kShownTasks) return false;
    rows.push_back(task_row(task));
    return true;
  });
  version_ = state.version();
  if (!rows.empty()) change["tasks"] = std::move(rows);
}

void Delta::seconds(LiveState& state, WallTime now, json::object& change) {
  const std::int64_t complete = unix_second(now) - 1;
  const bool amended = state.series().take_amended();
  if (amended || complete < last_second_ || complete > last_second_ + 1) {
    last_second_ = complete;
    change["series"] = series_section(state.series(), complete);
  } else if (complete == last_second_ + 1) {
    last_second_ = complete;
    change["point"] = point(state.series().at(complete));
  }
}

void Delta::once_a_second(LiveState& state, WallTime now, json::object& change) {
  replace("truth", truth_section(state.truth(now)), change);
  replace("data_source", json::string{data_source(state)}, change);
  replace("monitor", monitor_section(state, about_, now), change);
  std::vector<std::pair<std::string, json::object>> rows;
  for (const auto& [name, worker] : state.workers())
    rows.emplace_back(name, worker_row(worker, state.heard_until(now)));
  rows_of("workers", "workers_gone", std::exchange(rows, {}), workers_, change);
  for (const auto& [name, queue] : state.queues()) rows.emplace_back(name, queue_row(queue, now));
  rows_of("queues", "queues_gone", std::exchange(rows, {}), queues_, change);
  for (const Submission& each : state.submissions())
    rows.emplace_back(each.fullname, submission_row(each));
  rows_of("submissions", nullptr, std::exchange(rows, {}), submissions_, change);
  for (const ScheduleRow& each : state.schedule())
    rows.emplace_back(each.name, schedule_row(each, state));
  rows_of("schedule", nullptr, std::exchange(rows, {}), schedule_, change);
  seconds(state, now, change);
}

void Delta::replace(const char* section, json::value value, json::object& change) {
  std::string text = json::serialize(value);
  std::string& given = sections_[section];
  if (given == text) return;
  given = std::move(text);
  change[section] = std::move(value);
}

}  // namespace umbel::collector
