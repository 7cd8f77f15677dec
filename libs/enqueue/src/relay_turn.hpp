// Of several programs that look into one outbox, whose turn it is to carry.
//
// After an outage of the broker all of them would find the same rows and publish each message as
// often as there are programs. The turn only saves that: nothing is lost without it, so whoever is
// kept waiting by a turn in which nothing happens (its holder died, or has a clock that is ahead)
// carries all the same.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/store/outbox.hpp"

namespace umbel::enqueue {

// Thread-safe.
class RelayTurn {
 public:
  RelayTurn(Leases& leases, const Clock& clock);

  // Whether the caller carries now the rows of which `oldest` is the first; it then says so again
  // before each batch, and at its end over().
  [[nodiscard]] bool take(OutboxId oldest);
  void over();

 private:
  struct Wait {
    OutboxId oldest = 0;
    Steady::time_point since{};
  };
  Leases& leases_;
  const Clock& clock_;
  const std::string owner_;
  std::mutex mutex_;
  bool held_ = false;
  std::optional<Wait> wait_;  // for somebody else
};

}  // namespace umbel::enqueue
