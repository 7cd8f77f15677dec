// How often something happened in each of the last seconds, for rates over a short while.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

#include "series.hpp"
#include "umbel/base/clock.hpp"

namespace umbel::collector {

// Not thread-safe.
class RecentCounts {
 public:
  explicit RecentCounts(std::chrono::seconds kept) : kept_{kept.count()} {}

  void add(WallTime now, std::uint64_t by) {
    const std::int64_t second = unix_second(now);
    if (counts_.empty() || counts_.back().first != second) counts_.emplace_back(second, 0);
    counts_.back().second += by;
    while (counts_.front().first + kept_ < second) counts_.pop_front();
  }
  // Over all that is kept.
  [[nodiscard]] std::uint64_t sum(WallTime now) const {
    std::uint64_t total = 0;
    for (const auto& [second, count] : counts_) {
      if (second + kept_ >= unix_second(now)) total += count;
    }
    return total;
  }
  void clock_stepped(std::chrono::microseconds by) {
    for (auto& [second, count] : counts_)
      second += std::chrono::floor<std::chrono::seconds>(by).count();
  }

 private:
  std::int64_t kept_;
  std::deque<std::pair<std::int64_t, std::uint64_t>> counts_;
};

}  // namespace umbel::collector
