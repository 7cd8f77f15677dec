// The last fifteen minutes, second by second, and which of those seconds the monitor really saw.
//
// A second nobody watched is not a second in which nothing happened: it has no values, and charts
// draw a gap. Plain values, no I/O.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/clock.hpp"

namespace umbel::collector {

enum class Count { Succeeded, Failed, Retried, Received };
inline constexpr std::size_t kCounts = 4;

struct Second {
  std::int64_t t = 0;  // Unix time
  bool seen = false;   // the counts are known
  std::array<std::uint64_t, kCounts> counts{};
  std::optional<std::uint64_t> running, ready;
};

class Series {
 public:
  static constexpr std::int64_t kKept = 900;       // seconds
  static constexpr const char* kKind = "seconds";  // of the rows that keep it, one for a minute

  // One more, that happened at `at` by the sender's clock. What is taken in late belongs to its own
  // second, and so does what happened while nobody looked; the rest to `now`, as its own second may
  // have been shown by then. Answers the second it was put into, however long ago that is.
  std::int64_t count(Count what, WallTime at, WallTime now);
  // Everything that happened between the two instants has been counted.
  void observe(WallTime from, WallTime to);
  void measure(WallTime now, std::uint64_t running, std::optional<std::uint64_t> ready);

  [[nodiscard]] Second at(std::int64_t t) const;  // not seen: too old, or not reached
  // The `kKept` seconds up to and including `last`.
  [[nodiscard]] std::vector<Second> until(std::int64_t last) const;
  // The sum over the `seconds` before the one of `now`.
  [[nodiscard]] std::uint64_t sum(Count what, WallTime now, std::int64_t seconds) const;
  [[nodiscard]] std::int64_t seen(WallTime now, std::int64_t seconds) const;  // how many of them
  // Whether seconds that were given out before have changed since the last call.
  [[nodiscard]] bool take_amended();

  // --- to be kept over a restart
  // The minutes (their first second) that changed since the last call.
  [[nodiscard]] std::set<std::int64_t> take_changed();
  void changed_again(std::int64_t minute) { changed_.insert(minute); }
  [[nodiscard]] std::string minute(std::int64_t start) const;
  void restore(std::int64_t start, std::string_view data);  // damaged data: up to the damage
  // Nothing was counted and nothing observed; what was measured stays.
  void forget_counts();

 private:
  Second& slot(std::int64_t t);

  std::array<Second, static_cast<std::size_t>(kKept) + 60> ring_{};
  std::int64_t newest_ = 0;
  WallTime observed_{};  // everything up to here has been counted
  bool amended_ = false;
  std::set<std::int64_t> changed_;
};

[[nodiscard]] constexpr std::int64_t unix_second(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace umbel::collector
