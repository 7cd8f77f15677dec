#include "umbel/model/retry_policy.hpp"

#include <algorithm>
#include <cmath>

namespace umbel {

std::optional<std::chrono::milliseconds> RetryPolicy::delay_after(std::int64_t retries,
                                                                  double random) const {
  if (retries >= max_retries) return std::nullopt;
  const auto past = static_cast<double>(std::max<std::int64_t>(retries, 0));
  const auto grown = static_cast<double>(first_delay.count()) * std::pow(factor, past);
  const auto most = static_cast<double>(max_delay.count());
  const auto full = grown < most ? grown : most;  // also for an overflow to infinity
  const auto wait = full * (1.0 - std::clamp(jitter, 0.0, 1.0) * std::clamp(random, 0.0, 1.0));
  return std::chrono::milliseconds{std::max<std::int64_t>(std::llround(wait), 0)};
}

std::chrono::milliseconds postponed_by(std::chrono::milliseconds asked, double random) {
  using std::chrono::milliseconds;
  constexpr milliseconds kMostSpread{30'000};
  const auto wait = std::clamp(asked, milliseconds{0}, kLongestPostponement);
  const auto spread = static_cast<double>(std::min(wait / 10, kMostSpread).count());
  return wait + milliseconds{std::llround(spread * std::clamp(random, 0.0, 1.0))};
}

}  // namespace umbel
