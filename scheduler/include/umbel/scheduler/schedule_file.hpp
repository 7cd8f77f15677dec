// schedule.yaml: which task is due when.
//
//   schedules:
//     - name: front-page            # required, unique
//       every: 15s                  # or cron: "0 9 * * mon-fri", with timezone: Europe/Berlin
//       task: reddit.discover       # required
//       args: [programming]
//       kwargs: {}
//       queue: reddit               # else where the task's workers said it goes
//       enabled: true
//       description: what it is for
//
// A file is taken whole or refused whole: a schedule half in force is worse than an old one.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/model/cron.hpp"

namespace umbel {

struct ScheduleEntry {
  std::string name;
  Schedule schedule = Interval{std::chrono::seconds{1}};
  std::string schedule_text;  // `every 15s`, or `cron 0 9 * * mon-fri (Europe/Berlin)`
  std::string task;
  std::string args = "[]";    // JSON text, an array
  std::string kwargs = "{}";  // JSON text, an object
  std::optional<QueueName> queue;
  bool enabled = true;
  std::string description;
};

// Invalid: a line for each mistake, `FILE:LINE:COLUMN: entry 'name': key: reason`, at most 50.
// `file` is for these. Bounds: 1 MiB, 10,000 entries, 8 MB of arguments once aliases are written
// out.
[[nodiscard]] Result<std::vector<ScheduleEntry>> parse_schedule(std::string_view text,
                                                                std::string_view file);

// The bytes of the file, at most one more than are allowed. NotFound: it cannot be read.
[[nodiscard]] Result<std::string> read_schedule_file(const std::filesystem::path& file);

// Both of the above.
[[nodiscard]] Result<std::vector<ScheduleEntry>> load_schedule(const std::filesystem::path& file);

}  // namespace umbel
