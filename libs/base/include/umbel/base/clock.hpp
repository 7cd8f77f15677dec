// Two kinds of time.
//
// Wall time is stored, sent and shown; it may jump. Steady time measures; it is never stored. Only
// SystemClock asks the machine, so a test owns every instant it speaks of (tests/support has a
// FakeClock).
#pragma once

#include <chrono>
#include <cstdint>

namespace umbel {

using WallTime =
    std::chrono::sys_time<std::chrono::microseconds>;  // UTC; Celery's timestamps have microseconds
using Steady = std::chrono::steady_clock;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall() const = 0;              // thread-safe
  [[nodiscard]] virtual Steady::time_point steady() const = 0;  // thread-safe
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override;
  [[nodiscard]] Steady::time_point steady() const override;
};

// The three shapes of an instant outside this program: integer microseconds (our tables), float
// seconds (Celery's events, Flower's API).
[[nodiscard]] constexpr std::int64_t to_micros(WallTime time) {
  return time.time_since_epoch().count();
}
[[nodiscard]] constexpr WallTime from_micros(std::int64_t micros) {
  return WallTime{std::chrono::microseconds{micros}};
}
[[nodiscard]] constexpr double to_unix_seconds(WallTime time) {
  return static_cast<double>(to_micros(time)) / 1e6;
}
[[nodiscard]] WallTime from_unix_seconds(double seconds);  // out of range or NaN: the epoch

}  // namespace umbel
