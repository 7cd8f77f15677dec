// What waits for the history, bounded.
//
// A history that is slower than the events is written with less: first without the moments of the
// timelines, then without the long texts. What is still too much is given up, and read again from
// the event stream later. Plain object; decides, does no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "umbel/history/history.hpp"

namespace umbel::collector {

// One write to the history.
struct HistoryBatch {
  std::vector<Task> tasks;
  std::vector<Moment> moments;
  HistoryPosition position;
};

struct BacklogLimits {
  std::size_t shed_from = 10'000;  // tasks: from here on no moments are kept; half as many more, no
                                   // texts; until what waits is taken
  std::size_t most = 20'000;       // tasks; then it is over()
};

struct Shed {
  std::uint64_t moments = 0, texts = 0;  // texts: tasks whose arguments, result… were left out
};

class Backlog {
 public:
  explicit Backlog(BacklogLimits limits) : limits_{limits} {}

  void keep(const Task& task, Moment moment);
  void keep_task(const Task& task);
  [[nodiscard]] const Task* find(const TaskId& id) const;  // until the next change
  // While the history cannot be written at all, nothing is shed: all of it can be read again.
  void set_failing(bool failing) { failing_ = failing; }

  // Everything, to be written; `position` is left to the caller.
  [[nodiscard]] HistoryBatch take();
  // It could not be written; what came in the meantime is newer.
  void put_back(HistoryBatch batch);
  void clear();

  [[nodiscard]] bool empty() const { return tasks_.empty() && moments_.empty(); }
  [[nodiscard]] std::size_t tasks() const { return tasks_.size(); }
  [[nodiscard]] std::size_t moments() const { return moments_.size(); }
  [[nodiscard]] bool over() const {
    return tasks_.size() > limits_.most || moments_.size() > kMomentsPerTask * limits_.most;
  }
  [[nodiscard]] bool shedding() const { return shedding_; }
  [[nodiscard]] Shed take_shed();  // since the last call

 private:
  static constexpr std::size_t kMomentsPerTask = 8;
  void press();

  const BacklogLimits limits_;
  std::unordered_map<TaskId, Task> tasks_;
  std::vector<Moment> moments_;
  bool failing_ = false, shedding_ = false;
  Shed shed_;
};

}  // namespace umbel::collector
