// What is due when: the decisions of the scheduler, without I/O.
//
// Each entry has a point up to which everything is settled (enqueued, counted as missed, or not
// ours to care about). Of the ticks between it and now the latest is to be fired and the ones
// before it have been missed; so a late start, a stalled process and a store that was away are one
// and the same case. The latest tick is always younger than the gap to its next one, or that one
// would be the latest.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/scheduler/schedule_file.hpp"
#include "umbel/store/tick.hpp"

namespace umbel {

struct DueTick {
  std::size_t entry = 0;  // index into entries()
  WallTime due{};
  std::optional<MissedTicks> missed;  // between what is settled and `due`
};

// An entry that is paused has nothing due and nothing missed. When it goes on, where it stands is
// asked for anew: the ledger knows since when it goes on.
//
// Not thread-safe.
class TickPlan {
 public:
  // A wall clock that was ahead by more than this and was put right is believed: what was settled
  // in its future is open again (the ledger knows which of it was fired).
  static constexpr std::chrono::seconds kClockTolerance{5};
  // A wall clock may jump: nobody sleeps longer than this.
  static constexpr std::chrono::seconds kLongestSleep{1};

  // Puts other entries in force from `since` on (exclusive): what was due up to it is the business
  // of those before. Entries that were there with the same schedule keep what is settled; disabled
  // ones stay in entries() and are never due. Answers the names that are in force no longer: those
  // that are gone, and those that are disabled.
  std::vector<std::string> replace(std::vector<ScheduleEntry> entries, WallTime since);
  [[nodiscard]] const std::vector<ScheduleEntry>& entries() const { return entries_; }

  void pause(std::size_t entry) { progress_[entry].paused = true; }
  // From `since` on (exclusive), unless the ledger knows better.
  void resume(std::size_t entry, WallTime since);
  [[nodiscard]] bool paused(std::size_t entry) const { return progress_[entry].paused; }

  // Enabled entries, not paused, of which nothing is settled yet: nothing of theirs is due until
  // settle().
  [[nodiscard]] std::vector<std::size_t> unsettled() const;
  // Since when an entry is in force here; for those of unsettled().
  [[nodiscard]] WallTime since(std::size_t entry) const { return progress_[entry].since; }
  // Everything up to and including `up_to` is done with. Never moves back.
  void settle(std::size_t entry, WallTime up_to);

  // Enabled and settled entries that have a tick due at `now`, by instant, then in file order.
  [[nodiscard]] std::vector<DueTick> due(WallTime now);

  // The next tick of an entry after what is settled; nothing if there is none.
  [[nodiscard]] std::optional<WallTime> next(std::size_t entry) const;
  // How long there is nothing to do; at most kLongestSleep.
  [[nodiscard]] std::chrono::microseconds sleep_from(WallTime now) const;

 private:
  struct Progress {
    WallTime since{};
    std::optional<WallTime> settled;
    std::optional<WallTime> next;
    bool paused = false;
  };
  void set(std::size_t entry, WallTime settled);
  [[nodiscard]] std::optional<DueTick> due(std::size_t entry, WallTime now);

  std::vector<ScheduleEntry> entries_;
  std::vector<Progress> progress_;  // one for each entry
};

}  // namespace umbel
