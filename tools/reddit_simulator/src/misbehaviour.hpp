// How an answer looks when something goes wrong with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dice.hpp"
#include "faults.hpp"
#include "pauses.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/http/message.hpp"

namespace umbel::reddit_simulator {

struct MisbehaviourOptions {
  std::chrono::milliseconds slow{20'000};    // how long Hang and Drip last
  std::chrono::seconds retry_after{2};       // what RateLimited asks for
  std::size_t oversized = 64 * 1024 * 1024;  // bytes of Oversized, and of Bomb when unpacked
};

// Immutable but for the pauses, hence thread-safe.
class Misbehaviour {
 public:
  // Makes the bomb now if `table` has one. `pauses` outlives every answer.
  Misbehaviour(const FaultTable& table, MisbehaviourOptions options, Pauses& pauses);

  // The answer that `fault` makes of `good`, which is what would have been answered; `good` itself
  // for a fault that is none (Gzip) or does not concern answers (the lasting ones).
  [[nodiscard]] http::Response answer(Fault fault, http::Response good,
                                      const http::Request& request, Dice dice, WallTime now) const;

 private:
  [[nodiscard]] http::Response slowly(bool with_head) const;
  [[nodiscard]] http::Response too_much() const;
  MisbehaviourOptions options_;
  Pauses& pauses_;
  std::shared_ptr<const std::string> bomb_;
};

// Whether the client has the good answer in the end, as itself or packed.
[[nodiscard]] bool tells(Fault fault);

// 403 or 404 as Reddit refuses what is private, banned, quarantined or deleted for good.
[[nodiscard]] http::Response refused_for_good(Fault fault);

}  // namespace umbel::reddit_simulator
