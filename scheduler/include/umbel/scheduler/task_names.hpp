// Warns of schedules whose task no worker has ever registered: a typing mistake, most of the time,
// which otherwise shows only as tasks that fail.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/scheduler/schedule_file.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel {

// Not thread-safe.
class TaskNames {
 public:
  // Workers that start together with the scheduler have this long to register their tasks.
  static constexpr std::chrono::seconds kPatience{10};
  static constexpr std::chrono::minutes kLookEvery{1};

  // References outlive the TaskNames.
  TaskNames(TaskCatalogue& catalogue, const Clock& clock, Log log);

  // The tasks of the enabled entries are asked about from now on.
  void expect(const std::vector<ScheduleEntry>& entries);
  // Asks the catalogue if it is time to. One warning for each name, and one line when it is there.
  void look();

 private:
  TaskCatalogue& catalogue_;
  const Clock& clock_;
  Log log_;
  std::set<std::string> expected_, unknown_;
  Steady::time_point next_look_{};
};

}  // namespace umbel
