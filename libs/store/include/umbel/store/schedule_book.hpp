// What the schedulers have in force, for whoever shows it, and which entries people have paused.
//
// Each scheduler lays its whole schedule down under a name of its own and says now and then that it
// lives. An entry is in force as long as one living scheduler has it; if none lives, what the last
// one had is still told, with the time it was last seen, so that a dead scheduler never looks like
// an empty schedule. Pauses belong to nobody: they outlive schedulers, reloads and the entry
// itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// An entry as it is in force.
struct ScheduleCard {
  std::string name;
  std::string task;
  std::string args = "[]";    // JSON text
  std::string kwargs = "{}";  // JSON text
  std::string queue;          // empty: where the task's workers said it goes
  std::string expression;     // as written: `every 15s`, or the five fields or `@hourly` of cron
  std::string zone;           // of a cron expression; empty for an interval
  std::string definition;     // expression and zone, as the tick ledger compares them
  std::string description;
  bool enabled = true;

  friend bool operator==(const ScheduleCard&, const ScheduleCard&) = default;
};

struct SchedulePause {
  std::string name;
  WallTime since{};
  std::string reason;

  friend bool operator==(const SchedulePause&, const SchedulePause&) = default;
};

struct ScheduleBookPage {
  std::vector<ScheduleCard> entries;  // by name, each once
  std::optional<WallTime> last_seen;  // of the scheduler seen last; nothing: there was none
  std::vector<SchedulePause> pauses;  // by name; also of entries that are not in force
};

// How long a scheduler that said that it lives counts as living, and how often it says so.
inline constexpr std::chrono::seconds kSchedulerLives{15};
inline constexpr std::chrono::seconds kSchedulerTellsEvery{3};

// Thread-safe. A failed call changed nothing, save Errc::OutcomeUnknown.
class ScheduleBook {
 public:
  virtual ~ScheduleBook() = default;

  // `scheduler` (a name that no other process has) has exactly these in force, and lives. Of two
  // that have an entry of the same name, the one laid down last is told. What schedulers had that
  // are no longer living is forgotten.
  [[nodiscard]] virtual Result<void> publish(const std::string& scheduler,
                                             std::span<const ScheduleCard> entries,
                                             WallTime now) = 0;
  // False: nothing is known of this scheduler any more; it shall publish again.
  [[nodiscard]] virtual Result<bool> still_alive(const std::string& scheduler, WallTime now) = 0;
  // It ends on purpose: it lives no longer.
  [[nodiscard]] virtual Result<void> leave(const std::string& scheduler) = 0;

  [[nodiscard]] virtual Result<ScheduleBookPage> read(WallTime now) = 0;

  // From the return of pause() to resume() no tick of the schedule can be taken, by whomever. One
  // that is paused already keeps its `since` and gets the new reason. True: it was not paused.
  [[nodiscard]] virtual Result<bool> pause(const std::string& name, const std::string& reason,
                                           WallTime now) = 0;
  // Nothing that was due up to `now` will be enqueued or counted as missed. False: not paused.
  [[nodiscard]] virtual Result<bool> resume(const std::string& name, WallTime now) = 0;
  [[nodiscard]] virtual Result<std::vector<SchedulePause>> pauses() = 0;  // by name
};

}  // namespace umbel
