// What the monitor keeps beside its position in the history, so that a restart neither forgets a
// count nor a worker. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "live_state.hpp"
#include "umbel/base/result.hpp"

namespace umbel::collector {

// How far the totals have been counted. It can be ahead of the history's position: what was given
// up during an outage has been counted by then, and is only read again.
struct CountedUpTo {
  std::uint64_t events = 0;   // batches of the event stream
  std::uint64_t results = 0;  // ends in the order of the store's results

  friend bool operator==(const CountedUpTo&, const CountedUpTo&) = default;
};

struct Kept {
  Totals totals;
  CountedUpTo counted;
  Unfinished unfinished{};
  std::optional<WallTime> since;        // when the history began
  std::optional<WallTime> events_read;  // when the event stream was last read to its end
  std::vector<LiveWorker> workers;
  std::vector<std::string> queues;  // that somebody named
};

// JSON. Reading empty text gives an empty Kept; other text that cannot be read is Errc::Invalid.
[[nodiscard]] std::string to_note(const LiveState& state, std::optional<WallTime> since,
                                  const CountedUpTo& counted);
[[nodiscard]] Result<Kept> from_note(const std::string& note);

}  // namespace umbel::collector
