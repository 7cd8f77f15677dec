// What the monitor keeps beside its position in the history, so that a restart neither forgets a
// count nor a worker. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "live_state.hpp"
#include "umbel/base/result.hpp"

namespace umbel::collector {

struct Kept {
  Totals totals;
  std::optional<WallTime> since;        // when the history began
  std::optional<WallTime> events_read;  // when the event stream was last read to its end
  std::vector<LiveWorker> workers;
};

// JSON. Reading empty text gives an empty Kept; other text that cannot be read is Errc::Invalid.
[[nodiscard]] std::string to_note(const LiveState& state, std::optional<WallTime> since);
[[nodiscard]] Result<Kept> from_note(const std::string& note);

}  // namespace umbel::collector
