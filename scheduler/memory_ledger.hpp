// A ledger in memory for tests of the ticker, which can be away, and the acceptance that belongs to
// it.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel::testing {

class MemoryLedger final : public TickLedger {
 public:
  using Key = std::pair<std::string, WallTime>;

  Result<WallTime> first_seen(const std::string& schedule, WallTime now) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    return first_seen_.try_emplace(schedule, now).first->second;
  }
  Result<std::optional<TickRecord>> latest(const std::string& schedule) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    std::optional<TickRecord> found;
    for (const auto& [key, record] : rows_) {
      if (key.first == schedule) found = record;
    }
    return found;
  }
  Result<bool> record_missed(const std::string& schedule, WallTime due, std::uint64_t count,
                             WallTime now) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    const TickRecord record{schedule, due, TickOutcome::Missed, TaskId{}, now, count};
    return Result<bool>{rows_.try_emplace(Key{schedule, due}, record).second};
  }
  Result<std::vector<TickRecord>> recent(std::size_t limit) override {
    const std::lock_guard lock{mutex_};
    std::vector<TickRecord> all;
    for (const auto& [key, record] : rows_) all.push_back(record);
    std::ranges::sort(all, std::ranges::greater{}, &TickRecord::due);
    all.resize(std::min(limit, all.size()));
    return all;
  }

  Result<void> accept(const TaskRequest& request, const Tick& tick) {
    const std::lock_guard lock{mutex_};
    ++attempts_;
    if (failure_) return *failure_;
    const TickRecord record{tick.schedule, tick.due, TickOutcome::Enqueued, *request.id, {}, 0};
    if (!rows_.try_emplace(Key{tick.schedule, tick.due}, record).second) {
      return Error{Errc::Conflict, "tick taken"};
    }
    requests_.push_back(request);
    return {};
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

 private:
  mutable std::mutex mutex_;
  std::map<Key, TickRecord> rows_;
  std::map<std::string, WallTime> first_seen_;
  std::vector<TaskRequest> requests_;
  std::optional<Error> failure_;
  int attempts_ = 0;
};

}  // namespace umbel::testing
