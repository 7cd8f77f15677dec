#include "series.hpp"

#include <algorithm>
#include <utility>

#include "bytes.hpp"

namespace umbel::collector {
namespace {

constexpr std::int64_t kLate = 5;        // seconds; what comes later is put where it happened
constexpr std::int64_t kStandstill = 2;  // seconds without a look at the end of the stream

constexpr std::uint64_t kSeen = 1, kRunning = 2, kReady = 4, kCounted = 8;

std::int64_t minute_of(std::int64_t t) { return t - (t % 60 + 60) % 60; }

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
  changed_.insert(minute_of(t));
  return second;
}

std::int64_t Series::count(Count what, WallTime at, WallTime now) {
  const std::int64_t current = unix_second(now);
  std::int64_t t = unix_second(at);
  const bool stood_still = current - unix_second(observed_) >= kStandstill;
  const bool not_shown = stood_still && at > observed_;
  if (t > current || (current - t < kLate && !not_shown)) t = current;
  if (current - t >= kKept) return t;
  if (t != current) amended_ = true;
  ++slot(t).counts[static_cast<std::size_t>(what)];
  return t;
}

void Series::observe(WallTime from, WallTime to) {
  const std::int64_t last = unix_second(to);
  const std::int64_t first = std::max(unix_second(from), last - kKept + 1);
  if (last - first > 2) amended_ = true;
  for (std::int64_t t = first; t <= last; ++t) slot(t).seen = true;
  observed_ = to;
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

std::set<std::int64_t> Series::take_changed() { return std::exchange(changed_, {}); }

std::string Series::minute(std::int64_t start) const {
  ByteWriter out;
  std::int64_t before = -1;
  for (std::int64_t i = 0; i < 60; ++i) {
    const Second second = at(start + i);
    const bool counted = std::any_of(second.counts.begin(), second.counts.end(),
                                     [](std::uint64_t count) { return count > 0; });
    const std::uint64_t has = (second.seen ? kSeen : 0) | (second.running ? kRunning : 0) |
                              (second.ready ? kReady : 0) | (counted ? kCounted : 0);
    if (has == 0) continue;
    out.number(static_cast<std::uint64_t>(i - before - 1));
    out.number(has);
    if (counted) {
      for (const std::uint64_t count : second.counts) out.number(count);
    }
    if (second.running) out.number(*second.running);
    if (second.ready) out.number(*second.ready);
    before = i;
  }
  return out.take();
}

void Series::restore(std::int64_t start, std::string_view data) {
  ByteReader in{data};
  std::int64_t offset = -1;
  while (!in.empty()) {
    const auto skipped = in.number();
    const auto has = in.number();
    if (!skipped || !has || *skipped > 59) return;
    offset += static_cast<std::int64_t>(*skipped) + 1;
    if (offset > 59) return;
    Second restored = unseen(start + offset);
    restored.seen = (*has & kSeen) != 0;
    if ((*has & kCounted) != 0) {
      for (std::uint64_t& count : restored.counts) {
        const auto value = in.number();
        if (!value) return;
        count = *value;
      }
    }
    if ((*has & kRunning) != 0) {
      restored.running = in.number();
      if (!restored.running) return;
    }
    if ((*has & kReady) != 0) {
      restored.ready = in.number();
      if (!restored.ready) return;
    }
    slot(restored.t) = restored;
  }
  amended_ = true;
}

void Series::forget_counts() {
  for (Second& second : ring_) {
    second.seen = false;
    second.counts = {};
  }
  observed_ = {};
  amended_ = true;
}

bool Series::take_amended() { return std::exchange(amended_, false); }

}  // namespace umbel::collector
