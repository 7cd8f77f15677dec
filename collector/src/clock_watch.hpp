// Tells steps of the wall clock from the passing of time.
//
// An administrator or a time service sets the machine's clock, by hours sometimes. What was noted
// by the old clock (when a worker was last heard of) must move along, or everybody looks lost, or
// alive for hours after death. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "umbel/base/clock.hpp"

namespace umbel::collector {

class ClockWatch {
 public:
  // Less than that is a clock being brought in line, or we were held up between two readings.
  static constexpr std::chrono::seconds kStep{2};

  // How far the wall clock was set since the last call; zero nearly always.
  [[nodiscard]] std::chrono::microseconds stepped(WallTime wall, Steady::time_point steady) {
    if (!wall_) {
      wall_ = wall;
      steady_ = steady;
      return {};
    }
    const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(steady - steady_);
    const std::chrono::microseconds step = wall - *wall_ - passed;
    wall_ = wall;
    steady_ = steady;
    return step < kStep && step > -kStep ? std::chrono::microseconds{} : step;
  }

 private:
  std::optional<WallTime> wall_;
  Steady::time_point steady_{};
};

// How far a sender's clock is behind ours, from what it sends: an event cannot arrive before it
// happened, so the least difference between arrival and its own time is the clocks' difference and
// the shortest way. The least of the last minutes, so that a clock set anew is learnt.
class SenderClock {
 public:
  static constexpr std::chrono::minutes kWindow{2};

  void heard(WallTime stamped, WallTime arrived) {
    const std::chrono::microseconds behind = arrived - stamped;
    if (!since_ || arrived - *since_ > kWindow || arrived < *since_) {
      before_ = since_ ? current_ : std::nullopt;
      current_.reset();
      since_ = arrived;
    }
    current_ = current_ ? std::min(*current_, behind) : behind;
  }
  // What happened at `stamped` by the sender's clock, by ours. A difference of less than a minute
  // is taken for the way, not for the clock.
  [[nodiscard]] WallTime ours(WallTime stamped) const { return stamped + behind(); }
  // How far it is behind ours, negative: ahead; 0 where that is no more than the way may be.
  [[nodiscard]] std::chrono::microseconds behind() const {
    auto least = current_;
    if (before_ && (!least || *before_ < *least)) least = before_;
    if (!least || (*least < std::chrono::minutes{1} && *least > -std::chrono::minutes{1}))
      return {};
    return *least;
  }

 private:
  std::optional<WallTime> since_;
  std::optional<std::chrono::microseconds> current_, before_;
};

}  // namespace umbel::collector
