#include "umbel/scheduler/task_names.hpp"

#include <algorithm>
#include <utility>

#include "umbel/base/text.hpp"

namespace umbel {

TaskNames::TaskNames(TaskCatalogue& catalogue, const Clock& clock, Log log)
    : catalogue_{catalogue}, clock_{clock}, log_{std::move(log)} {}

void TaskNames::expect(const std::vector<ScheduleEntry>& entries) {
  expected_.clear();
  for (const auto& entry : entries) {
    if (entry.enabled) expected_.insert(entry.task);
  }
  std::erase_if(unknown_, [this](const std::string& name) { return !expected_.contains(name); });
  next_look_ = clock_.steady() + kPatience;
}

void TaskNames::look() {
  if (expected_.empty() || clock_.steady() < next_look_) return;
  next_look_ = clock_.steady() + kLookEvery;
  const auto registered = catalogue_.all();
  if (!registered) return;  // whoever fires ticks says so
  std::vector<std::string> names;
  for (const auto& entry : *registered) names.push_back(entry.name);
  for (const auto& task : expected_) {
    const bool known = std::ranges::find(names, task) != names.end();
    if (known && unknown_.erase(task) > 0) {
      log_.info("a scheduled task is registered now", {{"task", task}});
    } else if (!known && unknown_.insert(task).second) {
      const auto near = nearest(task, names);
      (near ? log_.with({"did_you_mean", *near}) : log_)
          .warn("no worker has registered a scheduled task; until one does its runs fail",
                {{"task", task}});
    }
  }
}

}  // namespace umbel
