// A schedule book in memory for tests of the scheduler, which can be away. Of pauses it knows what
// the ledger beside it has to be told.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "umbel/store/schedule_book.hpp"

namespace umbel::testing {

class MemoryBook final : public ScheduleBook {
 public:
  Result<void> publish(const std::string& scheduler, std::span<const ScheduleCard> entries,
                       WallTime) override {
    const std::lock_guard lock{mutex_};
    ++calls_;
    if (failure_) return *failure_;
    cards_[scheduler].assign(entries.begin(), entries.end());
    left_.erase(scheduler);
    return {};
  }
  Result<bool> still_alive(const std::string& scheduler, WallTime) override {
    const std::lock_guard lock{mutex_};
    ++calls_;
    if (failure_) return *failure_;
    return Result<bool>{cards_.contains(scheduler)};
  }
  Result<void> leave(const std::string& scheduler) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    left_.insert(scheduler);
    return {};
  }
  Result<ScheduleBookPage> read(WallTime) override { return unavailable("not in this book"); }
  Result<bool> pause(const std::string& name, const std::string& reason, WallTime now) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    const bool fresh = !pauses_.contains(name);
    auto& pause = pauses_[name];
    pause = {name, fresh ? now : pause.since, reason};
    return Result<bool>{fresh};
  }
  Result<bool> resume(const std::string& name, WallTime) override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    return Result<bool>{pauses_.erase(name) > 0};
  }
  Result<std::vector<SchedulePause>> pauses() override {
    const std::lock_guard lock{mutex_};
    if (failure_) return *failure_;
    std::vector<SchedulePause> all;
    for (const auto& [name, pause] : pauses_) all.push_back(pause);
    return all;
  }

  void fail_with(std::optional<Error> failure) {
    const std::lock_guard lock{mutex_};
    failure_ = std::move(failure);
  }
  void sweep() {
    const std::lock_guard lock{mutex_};
    cards_.clear();
  }
  [[nodiscard]] int calls() const {
    const std::lock_guard lock{mutex_};
    return calls_;
  }
  [[nodiscard]] bool left(const std::string& scheduler) const {
    const std::lock_guard lock{mutex_};
    return left_.contains(scheduler);
  }
  [[nodiscard]] std::vector<std::string> names(const std::string& scheduler) const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> found;
    if (const auto cards = cards_.find(scheduler); cards != cards_.end()) {
      for (const auto& card : cards->second) found.push_back(card.name);
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<ScheduleCard>> cards_;
  std::map<std::string, SchedulePause> pauses_;
  std::set<std::string> left_;
  std::optional<Error> failure_;
  int calls_ = 0;
};

}  // namespace umbel::testing
