// One firing of a schedule, as it is accepted: together with its task, once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "umbel/base/clock.hpp"

namespace umbel {

// Ticks that did not happen, as a scheduler that catches up has counted them.
struct MissedTicks {
  WallTime after{};         // all up to here was settled when they were counted
  WallTime latest{};        // the newest of them
  std::uint64_t count = 0;  // from 1
};

struct Tick {
  std::string schedule;  // its name in schedule.yaml
  WallTime due{};        // the instant in UTC; unique together with the schedule
  // Recorded in the transaction that takes the tick, and only if the ledger holds nothing of the
  // schedule in (missed->after, due]: of two schedulers that catch up at once, one counts.
  std::optional<MissedTicks> missed{};
};

}  // namespace umbel
