// Where the time of a task went, in seconds for each phase.
#pragma once

#include <array>
#include <boost/json.hpp>
#include <cstddef>
#include <string_view>

#include "umbel/metrics/metrics.hpp"

namespace umbel::reddit {

enum class Phase { RateLimitWait, Token, Dns, Connect, Tls, FirstByte, Transfer, Parse, Store };
inline constexpr std::array<std::string_view, 9> kPhaseNames{
    "rate_limit_wait", "token",    "dns",   "connect", "tls",
    "first_byte",      "transfer", "parse", "store"};

// One task's; not thread-safe.
class Phases {
 public:
  void add(Phase phase, double seconds) { seconds_.at(static_cast<std::size_t>(phase)) += seconds; }
  [[nodiscard]] double of(Phase phase) const {
    return seconds_.at(static_cast<std::size_t>(phase));
  }
  // {"rate_limit_wait": 0.0, "token": …}: every phase, also those that took no time.
  [[nodiscard]] boost::json::object json() const;
  // One observation for each phase.
  void observe(metrics::Metrics& metrics, std::string_view source) const;

 private:
  std::array<double, kPhaseNames.size()> seconds_{};
};

}  // namespace umbel::reddit
