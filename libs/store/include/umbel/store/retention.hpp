// Forgetting what is past its time, in steps so short that nobody waits behind them.
//
// What is still needed is never forgotten, however old: a task without a final result, and of each
// subreddit the newest sightings, which a listing could show again as if they were new.
#pragma once

#include <cstddef>
#include <cstdint>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

struct RetentionLimits {
  WallTime finished_before{};  // tasks whose result is older; their ids are unknown afterwards
  WallTime sighted_before{};   // sightings that are older
  std::size_t sightings_kept = 2000;  // of each subreddit, the newest; Reddit lists about 1,000
  WallTime expired_before{};          // shared values and leases that ended before
};

struct Forgotten {
  std::uint64_t tasks = 0;
  std::uint64_t outbox = 0;  // messages of tasks that ended without them
  std::uint64_t sightings = 0;
  std::uint64_t shared_values = 0;
  bool more = false;  // a further step may find something

  friend bool operator==(const Forgotten&, const Forgotten&) = default;
};

struct StoreSize {
  std::uint64_t bytes = 0;
  std::uint64_t free_bytes = 0;  // within `bytes`; reused before the store grows
};

// Thread-safe. Any process may do it; two at a time do no harm.
class StoreRetention {
 public:
  virtual ~StoreRetention() = default;
  // One step: at most `most` rows of each kind, in one transaction. Call it again while `more`.
  [[nodiscard]] virtual Result<Forgotten> forget(const RetentionLimits& limits,
                                                 std::size_t most) = 0;
  [[nodiscard]] virtual Result<StoreSize> size() = 0;
};

}  // namespace umbel
