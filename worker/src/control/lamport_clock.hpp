// The logical time of one worker: what orders events where wall clocks disagree.
//
// Each event that is sent counts one on; whatever is seen of another worker's time takes ours past
// it. Celery's monitors sort tasks by it and Celery's elections go to the lowest.
#pragma once

#include <atomic>
#include <cstdint>

namespace umbel {

// Thread-safe.
class LamportClock {
 public:
  // A peer's clock beyond this is no clock, and would make ours overflow.
  static constexpr std::int64_t kLast = std::int64_t{1} << 53;

  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }
  // One on; answers the new time.
  std::int64_t forward() { return value_.fetch_add(1, std::memory_order_relaxed) + 1; }
  // Past `seen`; answers the new time. What lies outside 0..kLast only counts one on.
  std::int64_t adjust(std::int64_t seen) {
    if (seen < 0 || seen > kLast) return forward();
    auto now = value();
    while (!value_.compare_exchange_weak(now, (now > seen ? now : seen) + 1,
                                         std::memory_order_relaxed)) {
    }
    return (now > seen ? now : seen) + 1;
  }

 private:
  std::atomic<std::int64_t> value_{0};
};

}  // namespace umbel
