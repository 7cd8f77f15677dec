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

}  // namespace umbel
