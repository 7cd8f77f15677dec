// When to try a failed task again: exponential back-off with jitter, as a pure function.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace umbel {

struct RetryPolicy {
  int max_retries = 0;  // 0: never
  std::chrono::milliseconds first_delay{1000};
  double factor = 2.0;
  std::chrono::milliseconds max_delay{600'000};  // Celery's retry_backoff_max
  double jitter = 0.5;                           // up to this share of the delay is taken off

  // The wait before the retry that follows attempt number `retries` (0 = the first run), or nothing
  // when retries are used up. `random` is uniform in [0, 1).
  [[nodiscard]] std::optional<std::chrono::milliseconds> delay_after(std::int64_t retries,
                                                                     double random) const;
};

// Waiting for somebody else (a rate limit, a maintenance hour) is no failed attempt: a task may be
// postponed this often without using up its retries, each time by at most so long. Together they
// bound how long a task can be put off: 100 hours.
inline constexpr std::int64_t kMostPostponements = 100;
inline constexpr std::chrono::milliseconds kLongestPostponement{3'600'000};

// The wait for which a postponed task goes away: `asked`, bounded, and up to a tenth of it on top
// (at most 30 s), so that all who were told the same do not come back at the same moment. `random`
// is uniform in [0, 1).
[[nodiscard]] std::chrono::milliseconds postponed_by(std::chrono::milliseconds asked,
                                                     double random);

}  // namespace umbel
