#include "time_limits.hpp"

#include <mutex>

namespace umbel {
namespace {

constexpr double kMostSeconds = 1e7;  // more is no limit, and would not fit a duration

std::optional<double> first_of(const std::optional<double>& a, const std::optional<double>& b,
                               const std::optional<double>& c) {
  const auto limit = a ? a : b ? b : c;
  if (limit && !(*limit > 0 && *limit < kMostSeconds)) return std::nullopt;
  return limit;
}

}  // namespace

TimeLimitPair TimeLimits::declared(const std::string& task, const TaskOptions& options) const {
  if (any_set_.load(std::memory_order_acquire)) {
    const std::shared_lock lock{mutex_};
    if (const auto found = set_.find(task); found != set_.end()) return found->second;
  }
  return {options.soft_time_limit, options.time_limit};
}

TimeLimitPair TimeLimits::of(const celery::TaskMessage& task, const TaskOptions& options) const {
  const auto its = declared(task.task, options);
  return {first_of(task.soft_time_limit, its.soft, own_.soft),
          first_of(task.time_limit, its.hard, own_.hard)};
}

void TimeLimits::set(const std::string& task, TimeLimitPair limits) {
  const std::lock_guard lock{mutex_};
  set_[task] = limits;
  any_set_.store(true, std::memory_order_release);
}

}  // namespace umbel
