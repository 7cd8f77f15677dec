// Which ticks of which schedule have been taken. A tick is taken by the acceptance that enqueues
// its task (see outbox.hpp); the unique key (schedule, instant) decides between schedulers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

enum class TickOutcome { Enqueued, Missed };

struct TickRecord {
  std::string schedule;
  WallTime due{};
  TickOutcome outcome = TickOutcome::Enqueued;
  TaskId task;  // empty for Missed
  WallTime recorded{};
  std::uint64_t missed = 0;  // for Missed: how many ticks up to and including `due`
};

// Thread-safe.
class TickLedger {
 public:
  virtual ~TickLedger() = default;

  // When this schedule was first seen by any scheduler; `now` if that is now. Nothing before it
  // counts as missed.
  [[nodiscard]] virtual Result<WallTime> first_seen(const std::string& schedule, WallTime now) = 0;
  // The newest tick of any outcome.
  [[nodiscard]] virtual Result<std::optional<TickRecord>> latest(const std::string& schedule) = 0;
  // Writes down that `count` ticks up to and including `due` did not happen. Once: true. Already
  // recorded (also as enqueued): false.
  [[nodiscard]] virtual Result<bool> record_missed(const std::string& schedule, WallTime due,
                                                   std::uint64_t count, WallTime now) = 0;
  // Newest first.
  [[nodiscard]] virtual Result<std::vector<TickRecord>> recent(std::size_t limit) = 0;
};

}  // namespace umbel
