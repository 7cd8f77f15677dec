// The past in coarse steps: minutes for a day, five minutes for thirty days, each with its counts,
// how much of it was seen, and the quantiles of waiting and running.
//
// Charts of a day or a month read these few thousand buckets, never the tasks. Buckets add up:
// sketches of wait and run merge without losing their accuracy. Plain values, no I/O.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "series.hpp"
#include "sketch.hpp"
#include "umbel/history/history.hpp"

namespace umbel::collector {

struct Bucket {
  std::array<std::uint64_t, kCounts> counts{};
  std::uint64_t seen = 0;  // seconds of it that were watched
  std::uint64_t most_running = 0, most_ready = 0;
  Sketch wait, run;

  void add(const Bucket& other);  // of another span, or another part of this one
  friend bool operator==(const Bucket&, const Bucket&) = default;
};

[[nodiscard]] std::string to_bytes(const Bucket& bucket);
[[nodiscard]] std::optional<Bucket> bucket_from(std::string_view bytes);  // nothing: damaged

struct RollupStep {
  std::int64_t seconds = 60;
  std::int64_t kept = 86'400;
  const char* kind = "minutes";  // of the rows that keep it
};
inline constexpr std::array kRollupSteps{RollupStep{60, 86'400, "minutes"},
                                         RollupStep{300, 30 * 86'400, "five-minutes"}};

// How long tasks waited and ran, in ten seconds.
struct Durations {
  Sketch wait, run;
};

class Rollup {
 public:
  // `t` is the second in which it happened.
  void count(Count what, std::int64_t t);
  void waited(std::chrono::microseconds time, std::int64_t t);
  void ran(std::chrono::microseconds time, std::int64_t t);
  // The second `t` was watched; asked once for each.
  void watched(std::int64_t t);
  void measure(std::int64_t t, std::uint64_t running, std::optional<std::uint64_t> ready);
  // What is older than its step is kept is forgotten.
  void forget(std::int64_t now);

  // Of the ten seconds that `t` lies in, for the last fifteen minutes since this program started;
  // of what was before, the minute around it. Nothing: no values.
  static constexpr std::int64_t kShortStep = 10;
  [[nodiscard]] const Sketch* wait_around(std::int64_t t) const;
  [[nodiscard]] const Sketch* run_around(std::int64_t t) const;

  // The buckets of the step that begin in [from, to), oldest first; what nobody saw is left out.
  [[nodiscard]] std::vector<std::pair<std::int64_t, Bucket>> between(std::size_t step,
                                                                     std::int64_t from,
                                                                     std::int64_t to) const;
  [[nodiscard]] std::size_t size() const;  // buckets of all steps

  // What changed since the last call, as rows to be kept; and back.
  [[nodiscard]] std::vector<KeptRow> take_changed();
  void changed_again(const KeptRow& row);  // it could not be kept
  void restore(std::size_t step, const KeptRow& row);

 private:
  template <class Change>
  void each(std::int64_t t, Change change);
  [[nodiscard]] const Sketch* around(std::int64_t t, Sketch Durations::*of_ten,
                                     Sketch Bucket::*of_minute) const;

  std::array<std::map<std::int64_t, Bucket>, kRollupSteps.size()> steps_;
  std::set<std::pair<std::size_t, std::int64_t>> changed_;
  std::map<std::int64_t, Durations> short_;  // by their begin; not kept over a restart
};

}  // namespace umbel::collector
