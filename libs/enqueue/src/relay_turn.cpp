#include "relay_turn.hpp"

#include "umbel/base/ids.hpp"

namespace umbel::enqueue {
namespace {

constexpr const char* kName = "outbox relay";
constexpr std::chrono::seconds kTurn{5};
constexpr std::chrono::seconds kPatience{6};

}  // namespace

RelayTurn::RelayTurn(Leases& leases, const Clock& clock)
    : leases_{leases}, clock_{clock}, owner_{random_uuid()} {}

bool RelayTurn::take(OutboxId oldest) {
  const auto now = clock_.steady();
  const auto got = leases_.acquire(kName, owner_, kTurn, clock_.wall());
  const std::lock_guard lock{mutex_};
  if (!got || *got) {
    held_ = held_ || got.has_value();
    wait_.reset();
    return true;
  }
  if (!wait_ || wait_->oldest != oldest) wait_ = Wait{oldest, now};
  return now - wait_->since >= kPatience;
}

void RelayTurn::over() {
  {
    const std::lock_guard lock{mutex_};
    wait_.reset();
    if (!held_) return;
    held_ = false;
  }
  (void)leases_.release(kName, owner_);  // else it runs out
}

}  // namespace umbel::enqueue
