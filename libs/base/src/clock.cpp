#include "umbel/base/clock.hpp"

#include <cmath>

namespace umbel {

WallTime SystemClock::wall() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Steady::time_point SystemClock::steady() const { return Steady::now(); }

WallTime from_unix_seconds(double seconds) {
  constexpr double kLimit = 9.0e12;  // microseconds beyond this do not fit 63 bits
  if (!std::isfinite(seconds) || std::abs(seconds) > kLimit) return WallTime{};
  return from_micros(std::llround(seconds * 1e6));
}

}  // namespace umbel
