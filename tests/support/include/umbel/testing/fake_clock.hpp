// A clock that stands still until told to move. Thread-safe.
#pragma once

#include <atomic>

#include "umbel/base/clock.hpp"

namespace umbel::testing {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(WallTime start = from_micros(1'795'350'738'000'000))
      : wall_{to_micros(start)} {}

  [[nodiscard]] WallTime wall() const override { return from_micros(wall_.load()); }
  [[nodiscard]] Steady::time_point steady() const override {
    return Steady::time_point{std::chrono::microseconds{steady_.load()}};
  }
  void advance(std::chrono::microseconds by) {
    wall_ += by.count();
    steady_ += by.count();
  }
  void set_wall(WallTime time) { wall_ = to_micros(time); }  // as an administrator might

 private:
  std::atomic<std::int64_t> wall_;
  std::atomic<std::int64_t> steady_{1'000'000};
};

}  // namespace umbel::testing
