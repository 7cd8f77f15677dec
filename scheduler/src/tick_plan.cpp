#include "umbel/scheduler/tick_plan.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace umbel {

std::vector<std::string> TickPlan::replace(std::vector<ScheduleEntry> entries, WallTime since) {
  std::unordered_map<std::string_view, std::size_t> before;
  for (std::size_t i = 0; i < entries_.size(); ++i) before.emplace(entries_[i].name, i);
  std::vector<Progress> progress(entries.size());
  std::vector<std::string> ended;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& entry = entries[i];
    progress[i].since = since;
    if (!entry.enabled) ended.push_back(entry.name);
    const auto known = before.find(entry.name);
    if (known == before.end()) continue;
    const auto& old = entries_[known->second];
    if (old.enabled && entry.enabled && old.schedule_text == entry.schedule_text) {
      progress[i] = progress_[known->second];
    }
    progress[i].paused = progress_[known->second].paused;
    before.erase(known);
  }
  for (const auto& [name, index] : before) ended.emplace_back(name);
  entries_ = std::move(entries);
  progress_ = std::move(progress);
  return ended;
}

void TickPlan::resume(std::size_t entry, WallTime since) {
  progress_[entry] = Progress{.since = since, .settled = {}, .next = {}, .paused = false};
}

std::vector<std::size_t> TickPlan::unsettled() const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].enabled && !progress_[i].paused && !progress_[i].settled) found.push_back(i);
  }
  return found;
}

void TickPlan::set(std::size_t entry, WallTime settled) {
  auto& progress = progress_[entry];
  progress.settled = settled;
  progress.next = next_after(entries_[entry].schedule, settled);
}

void TickPlan::settle(std::size_t entry, WallTime up_to) {
  const auto& settled = progress_[entry].settled;
  if (!settled || *settled < up_to) set(entry, up_to);
}

std::optional<DueTick> TickPlan::due(std::size_t entry, WallTime now) {
  if (!entries_[entry].enabled || progress_[entry].paused || !progress_[entry].settled) {
    return std::nullopt;
  }
  if (*progress_[entry].settled > now + kClockTolerance) set(entry, now);
  const auto& progress = progress_[entry];
  if (!progress.next || *progress.next > now) return std::nullopt;
  const auto& schedule = entries_[entry].schedule;
  const auto settled = *progress.settled;
  const auto open = due_between(schedule, settled, now);
  if (!open) return std::nullopt;
  DueTick tick{entry, open->latest, std::nullopt};
  if (open->missed > 0) {
    const auto before = due_between(schedule, settled, tick.due - std::chrono::microseconds{1});
    if (before) tick.missed = MissedTicks{settled, before->latest, open->missed};
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
  return entries_[entry].enabled && !progress_[entry].paused ? progress_[entry].next : std::nullopt;
}

std::chrono::microseconds TickPlan::sleep_from(WallTime now) const {
  std::chrono::microseconds sleep{kLongestSleep};
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (const auto at = next(i)) sleep = std::min(sleep, *at - now);
  }
  return std::max(sleep, std::chrono::microseconds{0});
}

}  // namespace umbel
