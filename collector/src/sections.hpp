// The sections of the live stream as JSON, as docs/api.md describes them. Pure.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "live_state.hpp"

namespace umbel::collector {

struct About {
  std::string version;
  std::optional<WallTime> since;  // when the history began
};

[[nodiscard]] boost::json::object truth_section(const Truth& truth);
[[nodiscard]] std::string_view data_source(
    const LiveState& state);  // `simulated`, `reddit` or `none`
[[nodiscard]] boost::json::object totals_section(const LiveState& state, const About& about,
                                                 WallTime now);
[[nodiscard]] boost::json::object monitor_section(const LiveState& state, const About& about,
                                                  WallTime now);
[[nodiscard]] boost::json::object worker_row(const LiveWorker& worker, WallTime now);
[[nodiscard]] boost::json::object queue_row(const LiveQueue& queue, WallTime now);
[[nodiscard]] boost::json::object task_row(const Task& task);
[[nodiscard]] boost::json::object submission_row(const Submission& submission);
[[nodiscard]] boost::json::object schedule_row(const ScheduleRow& row, const LiveState& state);
[[nodiscard]] boost::json::object series_section(const Series& series, std::int64_t last);
[[nodiscard]] boost::json::object point(const Second& second);

// Every section. The series ends at `last_second`.
[[nodiscard]] boost::json::object all_sections(const LiveState& state, const About& about,
                                               WallTime now, std::int64_t last_second);

inline constexpr std::size_t kShownTasks = 100;

// Comma separated, as workers say their queues.
[[nodiscard]] boost::json::array split(std::string_view list);
[[nodiscard]] const char* to_text(WorkerStatus status);

}  // namespace umbel::collector
