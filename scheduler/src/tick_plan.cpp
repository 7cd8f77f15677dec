#include "umbel/scheduler/tick_plan.hpp"

#include <algorithm>
#include <utility>

namespace umbel {

void TickPlan::replace(std::vector<ScheduleEntry> entries) {
  std::vector<Progress> progress(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto same = std::ranges::find_if(entries_, [&](const ScheduleEntry& old) {
      return old.name == entries[i].name && old.schedule_text == entries[i].schedule_text &&
             old.enabled && entries[i].enabled;
    });
    if (same != entries_.end()) {
      progress[i] = progress_[static_cast<std::size_t>(same - entries_.begin())];
    }
  }
  entries_ = std::move(entries);
  progress_ = std::move(progress);
}

std::vector<std::size_t> TickPlan::unsettled() const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].enabled && !progress_[i].settled) found.push_back(i);
  }
  return found;
}

void TickPlan::set(std::size_t entry, WallTime settled) {
  progress_[entry] = {settled, next_after(entries_[entry].schedule, settled)};
}

void TickPlan::settle(std::size_t entry, WallTime up_to) {
  const auto& settled = progress_[entry].settled;
  if (!settled || *settled < up_to) set(entry, up_to);
}

std::optional<DueTick> TickPlan::due(std::size_t entry, WallTime now) {
  if (!entries_[entry].enabled || !progress_[entry].settled) return std::nullopt;
  if (*progress_[entry].settled > now + kClockTolerance) set(entry, now);
  const auto& [settled, next] = progress_[entry];
  if (!next || *next > now) return std::nullopt;
  const auto& schedule = entries_[entry].schedule;
  const auto open = due_between(schedule, *settled, now);
  if (!open) return std::nullopt;
  DueTick tick{entry, open->latest, open->missed, {}};
  if (tick.missed > 0) {
    const auto before = due_between(schedule, *settled, tick.due - std::chrono::microseconds{1});
    tick.last_missed = before ? before->latest : tick.due;
  }
  return tick;
}

std::vector<DueTick> TickPlan::due(WallTime now) {
  std::vector<DueTick> ticks;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (const auto tick = due(i, now)) ticks.push_back(*tick);
  }
  std::ranges::stable_sort(ticks, {}, &DueTick::due);
  return ticks;
}

std::optional<WallTime> TickPlan::next(std::size_t entry) const {
  return entries_[entry].enabled ? progress_[entry].next : std::nullopt;
}

std::chrono::microseconds TickPlan::sleep_from(WallTime now) const {
  std::chrono::microseconds sleep{kLongestSleep};
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (const auto at = next(i)) sleep = std::min(sleep, *at - now);
  }
  return std::max(sleep, std::chrono::microseconds{0});
}

}  // namespace umbel
