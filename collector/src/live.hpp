// The live state as several threads share it: one lock, held briefly, never while anything waits.
#pragma once

#include <mutex>
#include <utility>

#include "live_state.hpp"

namespace umbel::collector {

class Live {
 public:
  Live(std::size_t most_tasks, WallTime started) : state_{most_tasks, started} {}

  // Runs `act` with the state; what it answers must not refer into the state.
  template <class Act>
  auto with(Act&& act) {
    const std::lock_guard lock{mutex_};
    return std::forward<Act>(act)(state_);
  }

 private:
  std::mutex mutex_;
  LiveState state_;
};

}  // namespace umbel::collector
