#include "task_days.hpp"

#include <algorithm>

namespace umbel::store_sqlite {
namespace {

using std::chrono::days;
using std::chrono::floor;

}  // namespace

WallTime plausible(WallTime seen, WallTime now) {
  const bool far = seen < now - days{365} || seen > now + days{1};
  return far ? now : seen;
}

DaySpan possible_days(const Task& task) {
  WallTime first = task.timestamp;
  WallTime last = task.timestamp;
  for (const auto& time : {task.sent, task.received, task.started, task.succeeded, task.failed,
                           task.retried, task.revoked, task.rejected}) {
    if (!time) continue;
    first = std::min(first, *time);
    last = std::max(last, *time);
  }
  return {floor<days>(first) - days{1}, floor<days>(last) + days{1}};
}

std::optional<Day> TaskDays::of(const TaskId& id) const {
  const auto found = by_hash_.find(std::hash<TaskId>{}(id));
  if (found == by_hash_.end()) return std::nullopt;
  return found->second->day;
}

void TaskDays::remember(const TaskId& id, Day day) {
  const auto hash = std::hash<TaskId>{}(id);
  const auto [found, fresh] = by_hash_.try_emplace(hash);
  if (!fresh) {
    found->second->day = day;
    return;
  }
  found->second = oldest_first_.insert(oldest_first_.end(), {hash, day});
  if (by_hash_.size() <= most_) return;
  by_hash_.erase(oldest_first_.front().hash);
  oldest_first_.pop_front();
  complete_ = false;
}

void TaskDays::forget(const TaskId& id) {
  const auto found = by_hash_.find(std::hash<TaskId>{}(id));
  if (found == by_hash_.end()) return;
  oldest_first_.erase(found->second);
  by_hash_.erase(found);
}

}  // namespace umbel::store_sqlite
