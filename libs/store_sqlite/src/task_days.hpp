// Which day's file a task lies in, as far as one remembers.
//
// A task stays in the file of the day on which it was first seen, so a task that runs over midnight
// must be found again before it is written. Looking into every file for every new task would cost
// more than writing it; remembering the unfinished tasks is enough, because only they change. What
// is remembered is a hint: a wrong one costs a task that is listed twice, never one that is lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "umbel/base/ids.hpp"
#include "umbel/model/task.hpp"

namespace umbel::store_sqlite {

using Day = std::chrono::sys_days;  // in UTC

struct DaySpan {
  Day first, last;
};

// `seen`, unless a sender's clock is so wrong (more than a year behind, a day ahead) that it would
// make files far away; then `now`.
[[nodiscard]] WallTime plausible(WallTime seen, WallTime now);

// The days whose files may hold the task: all days on which anything is known to have happened to
// it, and one more on either side.
[[nodiscard]] DaySpan possible_days(const Task& task);

// A bounded map from unfinished tasks to their days; beyond the bound the oldest entry goes. Not
// thread-safe.
class TaskDays {
 public:
  explicit TaskDays(std::size_t most) : most_{most} {}

  [[nodiscard]] std::optional<Day> of(const TaskId& id) const;
  void remember(const TaskId& id, Day day);
  void forget(const TaskId& id);
  // Every unfinished task is remembered: one that is not here is new, or finished.
  [[nodiscard]] bool complete() const { return complete_; }
  void incomplete() { complete_ = false; }

 private:
  struct Entry {
    std::size_t hash;
    Day day;
  };
  std::size_t most_;
  bool complete_ = true;
  std::list<Entry> oldest_first_;
  std::unordered_map<std::size_t, std::list<Entry>::iterator> by_hash_;
};

}  // namespace umbel::store_sqlite
