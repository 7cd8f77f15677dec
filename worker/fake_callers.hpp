// For tests: a place where callers read, which can be told to be out.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "umbel/results/caller_results.hpp"

namespace umbel::testing {

class FakeCallers final : public CallerResults {
 public:
  std::atomic<bool> out{false};  // every call fails
  std::atomic<int> refused{0};   // calls that failed
  std::string never{};           // the id of a result that is never taken
  std::function<Result<ChordReturn>(const ChordPart&)> chord{};

  std::vector<CallerResult> told() const {
    const std::lock_guard lock{mutex_};
    return told_;
  }
  // `id STATE`, in order.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& one : told()) {
      names.push_back(one.id.str() + " " + std::string{to_text(one.state)});
    }
    return names;
  }
  std::vector<ChordPart> parts() const {
    const std::lock_guard lock{mutex_};
    return parts_;
  }
  std::vector<std::string> ended() const {
    const std::lock_guard lock{mutex_};
    return ended_;
  }

  bool reaches(const CallerResult&) const override { return true; }
  Result<void> tell(std::span<const CallerResult> results) override {
    if (auto bad = check()) return *bad;
    for (const auto& result : results) {
      if (!never.empty() && result.id.str() == never) return invalid("refused by the test");
    }
    const std::lock_guard lock{mutex_};
    told_.insert(told_.end(), results.begin(), results.end());
    return {};
  }
  Result<FoundResult> find(const TaskId& id) override { return not_found(id.str()); }
  bool counts_chords() const override { return true; }
  Result<ChordReturn> chord_part(const ChordPart& part) override {
    if (auto bad = check()) return *bad;
    const std::lock_guard lock{mutex_};
    parts_.push_back(part);
    return chord ? chord(part) : ChordReturn{};
  }
  Result<void> chord_ended(const std::string& group) override {
    const std::lock_guard lock{mutex_};
    ended_.push_back(group);
    return {};
  }
  Result<void> set_chord_size(const std::string&, std::uint64_t) override { return {}; }
  Result<void> save_group(const ResultTree&) override { return {}; }
  Result<void> ping() override {
    if (out) return unavailable("out, says the test");
    return {};
  }

 private:
  std::optional<Error> check() {
    if (!out) return std::nullopt;
    ++refused;
    return unavailable("out, says the test");
  }
  mutable std::mutex mutex_;
  std::vector<CallerResult> told_;
  std::vector<ChordPart> parts_;
  std::vector<std::string> ended_;
};

}  // namespace umbel::testing
