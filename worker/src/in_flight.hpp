// The ids in this worker's hands: a second copy of one waits until the first is done with, so that
// a task never runs twice at the same time in one worker.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "job.hpp"

namespace umbel {

// Thread-safe.
class InFlight {
 public:
  // The job, now in flight; nothing if its id is in flight already: then it is kept here.
  [[nodiscard]] std::optional<Job> claim(Job job);
  // The id is done with; answers the copies that waited for it.
  [[nodiscard]] std::vector<Job> leave(const TaskId& id);
  // All copies that wait.
  [[nodiscard]] std::vector<Job> take_waiting();

 private:
  std::mutex mutex_;
  std::map<TaskId, std::vector<Job>> waiting_;
};

}  // namespace umbel
