// A ledger in memory for tests of the ticker, which can be away, and the acceptance that belongs to
// it.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/scheduler/ticker.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel::testing {

class MemoryLedger final : public TickLedger {
 public:
  using Key = std::pair<std::string, WallTime>;

  Result<std::vector<ScheduleStanding>> take_up(std::span<const ScheduleInForce> schedules,
                                                WallTime now) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    std::vector<ScheduleStanding> standings;
    for (const auto& schedule : schedules) {
      auto& [definition, since] =
          in_force_.try_emplace(schedule.name, schedule.definition, schedule.since).first->second;
      if (definition != schedule.definition) {
        definition = schedule.definition;
        since = schedule.since;
      }
      standings.push_back({since, newest(schedule.name, now)});
    }
    return standings;
  }
  Result<void> lay_down(std::span<const std::string> schedules) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    for (const auto& schedule : schedules) in_force_.erase(schedule);
    return {};
  }
  Result<std::optional<TickRecord>> latest(const std::string& schedule) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    return newest(schedule, WallTime::max());
  }
  Result<bool> record_missed(const std::string& schedule, const MissedTicks& missed,
                             WallTime now) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    return Result<bool>{note_missed(schedule, missed, missed.latest, now)};
  }
  Result<std::vector<TickFate>> fates(const std::string& schedule, std::size_t limit) override {
    const std::lock_guard lock{mutex_};
    std::vector<TickFate> found;
    for (auto at = rows_.rbegin(); at != rows_.rend() && found.size() < limit; ++at) {
      if (at->first.first == schedule) found.push_back({.tick = at->second});
    }
    return found;
  }
  Result<std::optional<TickRecord>> of_task(const TaskId& task, WallTime from,
                                            WallTime to) override {
    const std::lock_guard lock{mutex_};
    for (const auto& [key, record] : rows_) {
      if (record.task == task && key.second >= from && key.second <= to)
        return std::optional{record};
    }
    return std::optional<TickRecord>{};
  }
  Result<TickCounts> count(const std::string& schedule, WallTime from, WallTime to) override {
    const std::lock_guard lock{mutex_};
    TickCounts counts;
    for (const auto& [key, record] : rows_) {
      if (key.first != schedule || key.second < from || key.second >= to) continue;
      counts.missed += record.missed;
      counts.unknown += record.outcome == TickOutcome::Enqueued ? 1U : 0U;
    }
    return counts;
  }
  Result<std::vector<TickRecord>> recent(std::size_t limit) override {
    const std::lock_guard lock{mutex_};
    std::vector<TickRecord> all;
    for (const auto& [key, record] : rows_) all.push_back(record);
    std::ranges::sort(all, std::ranges::greater{}, &TickRecord::due);
    all.resize(std::min(limit, all.size()));
    return all;
  }
  Result<std::vector<ScheduleTicks>> newest_of_each() override {
    const std::lock_guard lock{mutex_};
    std::vector<ScheduleTicks> each;
    for (const auto& [key, record] : rows_) {  // by schedule, then by time
      if (each.empty() || each.back().newest.schedule != record.schedule) each.emplace_back();
      each.back().newest = record;
      each.back().missed += record.missed;
      if (record.outcome == TickOutcome::Enqueued) each.back().last_task = record.task;
    }
    return each;
  }
  Result<std::size_t> forget(WallTime before, std::size_t limit) override {
    const std::lock_guard lock{mutex_};
    ++attempts_;
    if (failure_) return *failure_;
    std::size_t gone = 0;
    for (auto at = rows_.begin(); at != rows_.end() && gone < limit;) {
      const auto next = std::next(at);
      const bool newer = next != rows_.end() && next->first.first == at->first.first &&
                         next->first.second < before;
      if (newer) ++gone;
      at = newer ? rows_.erase(at) : next;
    }
    return gone;
  }

  Result<void> accept(const TaskRequest& request, const Tick& tick) {
    const std::lock_guard lock{mutex_};
    ++attempts_;
    if (failure_) return *failure_;
    const TickRecord record{tick.schedule, tick.due, TickOutcome::Enqueued, *request.id, {}, 0};
    const bool taken =
        rows_.contains(Key{tick.schedule, tick.due}) ||
        (tick.missed && !note_missed(tick.schedule, *tick.missed, tick.due, WallTime{}));
    if (taken) return Error{Errc::Conflict, "tick taken"};
    rows_.emplace(Key{tick.schedule, tick.due}, record);
    requests_.push_back(request);
    return {};
  }
  // As Enqueuer::submit_ticks would. An `Unavailable` or `OutcomeUnknown` is one of the whole.
  SubmitTicks submit() {
    return [this](std::span<const TickedTask> ticks) -> Result<std::vector<Result<void>>> {
      std::vector<Result<void>> answers;
      for (const auto& tick : ticks) {
        answers.push_back(accept(tick.request, tick.tick));
        const auto& answer = answers.back();
        if (!answer && answer.error().code != Errc::Conflict) return answer.error();
      }
      return answers;
    };
  }

  // As ScheduleBook::resume of a store does it.
  void in_force_from(const std::string& schedule, WallTime since) {
    const std::lock_guard lock{mutex_};
    if (const auto known = in_force_.find(schedule); known != in_force_.end()) {
      known->second.second = std::max(known->second.second, since);
    }
  }
  void fail_with(std::optional<Error> failure) {
    const std::lock_guard lock{mutex_};
    failure_ = std::move(failure);
  }
  [[nodiscard]] std::map<Key, TickRecord> rows() const {
    const std::lock_guard lock{mutex_};
    return rows_;
  }
  [[nodiscard]] std::vector<TaskRequest> requests() const {
    const std::lock_guard lock{mutex_};
    return requests_;
  }
  [[nodiscard]] int attempts() const {
    const std::lock_guard lock{mutex_};
    return attempts_;
  }
  [[nodiscard]] bool in_force(const std::string& schedule) const {
    const std::lock_guard lock{mutex_};
    return in_force_.contains(schedule);
  }

 private:
  std::optional<TickRecord> newest(const std::string& schedule, WallTime now) const {
    std::optional<TickRecord> found;
    for (const auto& [key, record] : rows_) {
      if (key.first == schedule && key.second <= now) found = record;
    }
    return found;
  }
  bool note_missed(const std::string& schedule, const MissedTicks& missed, WallTime up_to,
                   WallTime now) {
    const auto known = rows_.upper_bound(Key{schedule, missed.after});
    if (known != rows_.end() && known->first <= Key{schedule, up_to}) return false;
    const TickRecord record{schedule, missed.latest, TickOutcome::Missed,
                            TaskId{}, now,           missed.count};
    return rows_.emplace(Key{schedule, missed.latest}, record).second;
  }

  mutable std::mutex mutex_;
  std::map<Key, TickRecord> rows_;
  std::map<std::string, std::pair<std::string, WallTime>> in_force_;
  std::vector<TaskRequest> requests_;
  std::optional<Error> failure_;
  int attempts_ = 0;
};

}  // namespace umbel::testing
