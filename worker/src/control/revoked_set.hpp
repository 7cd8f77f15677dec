// The ids that somebody revoked by remote control: what arrives of them is not run.
//
// As Celery's LimitedSet it forgets: at most 50,000 ids, each for three hours. Its times are the
// machine's monotonic clock, because that is what workers exchange when one of them starts.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "umbel/base/clock.hpp"

namespace umbel {

// Thread-safe; `clock` outlives it. Asking an empty set costs one load.
class RevokedSet {
 public:
  static constexpr std::size_t kMost = 50'000;
  static constexpr std::chrono::seconds kLongest{10'800};
  static constexpr std::size_t kLongestId = 512;  // bytes; no longer one is kept

  explicit RevokedSet(const Clock& clock) : clock_{clock} {}

  void add(const std::string& id) { add(id, clock_.steady()); }
  // Revoked at that moment; one to come counts as now, or it would never be forgotten.
  void add(const std::string& id, Steady::time_point when);
  [[nodiscard]] bool contains(const std::string& id) const;

  struct Entry {
    std::string id;
    Steady::time_point when;
  };
  [[nodiscard]] std::vector<Entry> entries();  // oldest first, without what is too old
  // Rises with every change.
  [[nodiscard]] std::uint64_t revision() const { return revision_.load(); }

 private:
  void forget_old(Steady::time_point now);

  const Clock& clock_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Steady::time_point> when_;
  std::set<std::pair<Steady::time_point, std::string>> oldest_;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> revision_{0};
};

// The times as they are exchanged: seconds of the monotonic clock.
[[nodiscard]] double monotonic_seconds(Steady::time_point time);
[[nodiscard]] Steady::time_point from_monotonic_seconds(double seconds);  // no number: the epoch

// Stamps that somebody revoked: a task that bears one of a key's values is not run. Neither kept on
// disk nor exchanged, as in Celery; bounded in values.
class RevokedStamps {
 public:
  static constexpr std::size_t kMost = 10'000;  // values of all keys

  // False: there is no room for them.
  bool add(const std::string& key, const std::vector<std::string>& values);
  [[nodiscard]] bool empty() const { return size_.load(std::memory_order_relaxed) == 0; }
  [[nodiscard]] bool contains(const std::string& key, const std::string& value) const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::set<std::string>> values_;
  std::atomic<std::size_t> size_{0};
};

}  // namespace umbel
