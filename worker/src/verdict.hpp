// What is to be done with a message that was just delivered: a pure function of what is known about
// it.
#pragma once

#include <chrono>
#include <optional>

#include "umbel/base/clock.hpp"

namespace umbel {

enum class Verdict {
  Run,
  Hold,     // until its eta
  SendOn,   // its eta is too far away to hold it: back to the broker as a delayed message
  Drop,     // the task has its result, or a newer attempt: only acknowledge
  Unfit,    // not a task message
  Unknown,  // no such task here
  Expired,
  Revoked,     // by remote control
  WorkerLost,  // it took too many workers with it
};

struct Delivered {
  bool decoded = true;
  bool registered = true;
  bool redelivered = false;
  bool final = false;
  bool revoked = false;
  std::int64_t run = 0, lost_starts = 0, lost_workers = 0;  // as the store has them
  std::int64_t retries = 0, postponed = 0;                  // as the message has them
  std::optional<WallTime> eta, expires;
};

inline constexpr std::chrono::minutes kLongestHold{15};
inline constexpr std::int64_t kMostLostWorkers = 3;

[[nodiscard]] constexpr bool has_expired(const std::optional<WallTime>& expires, WallTime now) {
  return expires && *expires <= now;
}

// The run number counts retries, postponements and redelivered starts, so run - lost_starts is the
// number of attempts that ended in another one: a message that had fewer is one of those.
[[nodiscard]] constexpr Verdict judge(const Delivered& it, WallTime now) {
  if (it.final) return Verdict::Drop;
  if (!it.decoded) return Verdict::Unfit;
  if (it.retries < it.run - it.lost_starts - it.postponed) return Verdict::Drop;
  if (it.redelivered && it.lost_workers >= kMostLostWorkers) return Verdict::WorkerLost;
  if (!it.registered) return Verdict::Unknown;
  if (has_expired(it.expires, now)) return Verdict::Expired;
  if (it.revoked) return Verdict::Revoked;
  if (it.eta && *it.eta > now + kLongestHold) return Verdict::SendOn;
  if (it.eta && *it.eta > now) return Verdict::Hold;
  return Verdict::Run;
}

}  // namespace umbel
