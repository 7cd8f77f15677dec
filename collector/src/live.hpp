// The live state as several threads share it: one lock, held briefly, never while anything waits.
#pragma once

#include <mutex>
#include <utility>

#include "clock_watch.hpp"
#include "live_state.hpp"

namespace umbel::collector {

class Live {
 public:
  // With a clock, steps of the machine's wall clock are noticed and told to the state. It outlives
  // this.
  Live(std::size_t most_tasks, WallTime started, const Clock* clock = nullptr)
      : clock_{clock}, state_{most_tasks, started} {
    look_at_the_clock();
  }

  // Runs `act` with the state; what it answers must not refer into the state.
  template <class Act>
  auto with(Act&& act) {
    const std::lock_guard lock{mutex_};
    look_at_the_clock();
    return std::forward<Act>(act)(state_);
  }

 private:
  void look_at_the_clock() {
    if (clock_ == nullptr) return;
    const auto before = clock_->steady();
    const auto wall = clock_->wall();
    const auto after = clock_->steady();
    if (after - before > std::chrono::milliseconds{100}) return;  // we were held up in between
    const auto step = watch_.stepped(wall, after);
    if (step != step.zero()) state_.clock_stepped(step);
  }

  std::mutex mutex_;
  const Clock* const clock_;
  ClockWatch watch_;
  LiveState state_;
};

}  // namespace umbel::collector
