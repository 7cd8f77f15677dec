// When a task process is started again, and when it is replaced: plain decisions. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace umbel::prefork {

// How long to wait before a process that did not start is tried again: twice as long each time.
class StartPlan {
 public:
  static constexpr std::chrono::milliseconds kFirst{100}, kLongest{30'000};

  void started() { next_ = kFirst; }
  // Answers the wait.
  [[nodiscard]] std::chrono::milliseconds failed() {
    const auto wait = next_;
    next_ = std::min(next_ * 2, kLongest);
    return wait;
  }

 private:
  std::chrono::milliseconds next_ = kFirst;
};

// How long a process that works is kept.
struct Lifetime {
  std::uint64_t most_tasks = 0;   // 0: no bound
  std::uint64_t most_memory = 0;  // KiB, resident; 0: no bound

  [[nodiscard]] bool over_by_tasks(std::uint64_t tasks) const {
    return most_tasks > 0 && tasks >= most_tasks;
  }
  [[nodiscard]] bool over_by_memory(std::uint64_t resident) const {
    return most_memory > 0 && resident > most_memory;
  }
};

}  // namespace umbel::prefork
