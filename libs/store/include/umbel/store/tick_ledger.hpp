// Which ticks of which schedule have been taken. A tick is taken by the acceptance that enqueues
// its task (see outbox.hpp); the unique key (schedule, instant) decides between schedulers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/model/task.hpp"
#include "umbel/store/tick.hpp"

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

// What the ledger knows of one schedule, all of its ticks taken together.
struct ScheduleTicks {
  TickRecord newest;         // of any outcome
  TaskId last_task;          // of the newest tick that was enqueued; empty: none is known
  std::uint64_t missed = 0;  // in all
};

// A schedule as a scheduler has it in force. Another definition is another schedule, as far as the
// time before it is concerned.
struct ScheduleInForce {
  std::string name;
  std::string definition;  // when it fires, in words; compared, never read
  WallTime since{};        // in force from here on, if this definition is new to the ledger
};

// Where a schedule stands.
struct ScheduleStanding {
  WallTime since{};                  // when this definition came in force; nothing before is missed
  std::optional<TickRecord> latest;  // the newest tick of any outcome that is not in the future
};

// A tick with what became of its task.
struct TickFate {
  TickRecord tick{};
  std::optional<TaskState> state{};  // of the task's row; nothing: a miss, or the row is forgotten
  bool started = false;              // its current run has started
  std::optional<double> runtime{};   // seconds
};

// How many ticks of a span ended how.
struct TickCounts {
  std::uint64_t succeeded = 0, failed = 0, running = 0, waiting = 0, missed = 0;
  std::uint64_t unknown = 0;  // enqueued, but the store has forgotten the task

  friend bool operator==(const TickCounts&, const TickCounts&) = default;
};

// Thread-safe.
class TickLedger {
 public:
  virtual ~TickLedger() = default;

  // Notes the schedules that nobody had in force with this definition, and answers where each
  // stands at `now`, in the order given. One transaction.
  [[nodiscard]] virtual Result<std::vector<ScheduleStanding>> take_up(
      std::span<const ScheduleInForce> schedules, WallTime now) = 0;
  // These schedules are in force no longer: who takes one up again starts anew. Their ticks stay.
  [[nodiscard]] virtual Result<void> lay_down(std::span<const std::string> schedules) = 0;
  // The newest tick of any outcome.
  [[nodiscard]] virtual Result<std::optional<TickRecord>> latest(const std::string& schedule) = 0;
  // Writes down ticks that did not happen, once: true. False: the ledger holds ticks in
  // (missed.after, missed.latest], so they were counted by somebody who knew less; nothing was
  // changed.
  [[nodiscard]] virtual Result<bool> record_missed(const std::string& schedule,
                                                   const MissedTicks& missed, WallTime now) = 0;
  // One schedule's ticks with their tasks, newest first, at most `limit`.
  [[nodiscard]] virtual Result<std::vector<TickFate>> fates(const std::string& schedule,
                                                            std::size_t limit) = 0;
  // The tick that this task was enqueued by, if it was due in [from, to]. Reads each tick of these.
  [[nodiscard]] virtual Result<std::optional<TickRecord>> of_task(const TaskId& task, WallTime from,
                                                                  WallTime to) = 0;
  // One schedule's ticks that were due in [from, to), counted. Reads each of them.
  [[nodiscard]] virtual Result<TickCounts> count(const std::string& schedule, WallTime from,
                                                 WallTime to) = 0;
  // Newest first.
  [[nodiscard]] virtual Result<std::vector<TickRecord>> recent(std::size_t limit) = 0;
  // One for each schedule that has ticks, by name.
  [[nodiscard]] virtual Result<std::vector<ScheduleTicks>> newest_of_each() = 0;
  // Forgets at most `limit` ticks that were due before `before`, oldest first; the newest of those
  // of each schedule stays for ever, so that a scheduler knows where it stood. Answers how many.
  [[nodiscard]] virtual Result<std::size_t> forget(WallTime before, std::size_t limit) = 0;
};

}  // namespace umbel
