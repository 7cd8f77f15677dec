// How many of a worker's tasks no event told of.
//
// A worker of Celery numbers no events, but its heartbeats carry how many tasks it began since its
// start. What it counted between two heartbeats and was not told is lost, was not sent because its
// events were off, or is of tasks that send none. Never more is said than is sure: events that are
// on their way count as told. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "umbel/base/clock.hpp"

namespace umbel::collector {

class ToldRuns {
 public:
  struct State {              // what has to be kept over a restart
    std::int64_t pid = 0;     // 0: no heartbeat yet
    std::int64_t offset = 0;  // `processed` less what had been told, at the first heartbeat
    std::int64_t told = 0;
    std::int64_t processed = 0;  // of the last heartbeat
    WallTime stamped{};          // the last heartbeat, by the worker's clock
    WallTime since{};            // of the first heartbeat, by our clock

    friend bool operator==(const State&, const State&) = default;
  };

  // A run of which an event told: its start, or its end if the start was not told.
  void told() { ++state_.told; }
  // `stamped`: by the worker's clock.
  void heartbeat(std::int64_t pid, std::int64_t processed, WallTime stamped, WallTime now);

  // Since `since()`; 0: all were told, or it cannot be known. Of a busy worker a few dozen more
  // than none are not noticed until it is less busy.
  [[nodiscard]] std::int64_t untold() const { return untold_; }
  [[nodiscard]] std::optional<WallTime> since() const {
    return state_.pid == 0 ? std::nullopt : std::optional{state_.since};
  }

  [[nodiscard]] const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  struct Mark {  // a heartbeat
    WallTime stamped{};
    std::int64_t processed = 0;
    std::int64_t behind = 0;  // of what was told by then
  };

  State state_;
  std::deque<Mark> marks_;
  std::int64_t untold_ = 0;
};

}  // namespace umbel::collector
