#include "series.hpp"

#include <algorithm>
#include <utility>

namespace umbel::collector {
namespace {

constexpr std::int64_t kLate = 5;  // seconds; what comes later is put where it happened

Second unseen(std::int64_t t) {
  Second second;
  second.t = t;
  return second;
}

}  // namespace

Second& Series::slot(std::int64_t t) {
  Second& second = ring_[static_cast<std::size_t>(t) % ring_.size()];
  if (second.t != t) second = unseen(t);
  newest_ = std::max(newest_, t);
  return second;
}

void Series::count(Count what, WallTime at, WallTime now) {
  const std::int64_t current = unix_second(now);
  std::int64_t t = unix_second(at);
  if (t > current || current - t < kLate) t = current;
  if (current - t >= kKept) return;
  if (t != current) amended_ = true;
  ++slot(t).counts[static_cast<std::size_t>(what)];
}

void Series::observe(WallTime from, WallTime to) {
  const std::int64_t last = unix_second(to);
  const std::int64_t first = std::max(unix_second(from), last - kKept + 1);
  if (last - first > 2) amended_ = true;
  for (std::int64_t t = first; t <= last; ++t) slot(t).seen = true;
}

void Series::measure(WallTime now, std::uint64_t running, std::optional<std::uint64_t> ready) {
  Second& second = slot(unix_second(now));
  second.running = running;
  second.ready = ready;
}

Second Series::at(std::int64_t t) const {
  const Second& second = ring_[static_cast<std::size_t>(t) % ring_.size()];
  return second.t == t ? second : unseen(t);
}

std::vector<Second> Series::until(std::int64_t last) const {
  std::vector<Second> seconds;
  seconds.reserve(static_cast<std::size_t>(kKept));
  for (std::int64_t t = last - kKept + 1; t <= last; ++t) seconds.push_back(at(t));
  return seconds;
}

std::uint64_t Series::sum(Count what, WallTime now, std::int64_t seconds) const {
  std::uint64_t total = 0;
  const std::int64_t current = unix_second(now);
  for (std::int64_t t = current - seconds; t < current; ++t) {
    total += at(t).counts[static_cast<std::size_t>(what)];
  }
  return total;
}

std::int64_t Series::seen(WallTime now, std::int64_t seconds) const {
  std::int64_t count = 0;
  const std::int64_t current = unix_second(now);
  for (std::int64_t t = current - seconds; t < current; ++t) count += at(t).seen ? 1 : 0;
  return count;
}

bool Series::take_amended() { return std::exchange(amended_, false); }

}  // namespace umbel::collector
