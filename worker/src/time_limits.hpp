// How long a task may run: what came with its message, else what was set for it while the worker
// ran, else what it declares, else the worker's own.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>

#include "umbel/celery/task_message.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

// Seconds. Soft: the task is told to stop, and fails. Hard: it is killed.
struct TimeLimitPair {
  std::optional<double> soft, hard;

  friend bool operator==(const TimeLimitPair&, const TimeLimitPair&) = default;
};

// Thread-safe.
class TimeLimits {
 public:
  // `own`: of the worker, for tasks without.
  explicit TimeLimits(TimeLimitPair own) : own_{own} {}

  // Each of the two by itself. What is no number above 0 and below 1e7 is no limit.
  [[nodiscard]] TimeLimitPair of(const celery::TaskMessage& task, const TaskOptions& options) const;
  // Those of a task without a message and without the worker's.
  [[nodiscard]] TimeLimitPair declared(const std::string& task, const TaskOptions& options) const;
  // From now on instead of what the task declares, for runs that start later.
  void set(const std::string& task, TimeLimitPair limits);
  [[nodiscard]] TimeLimitPair own() const { return own_; }

 private:
  const TimeLimitPair own_;
  std::atomic<bool> any_set_{false};
  mutable std::shared_mutex mutex_;
  std::map<std::string, TimeLimitPair> set_;
};

}  // namespace umbel
