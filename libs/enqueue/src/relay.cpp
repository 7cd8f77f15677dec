#include "umbel/enqueue/relay.hpp"

#include <utility>

namespace umbel {

Relay::Relay(Enqueuer& enqueuer, Log log, std::chrono::milliseconds period)
    : enqueuer_{enqueuer},
      log_{std::move(log)},
      period_{period},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Relay::run(const std::stop_token& stop) {
  bool failing = false;
  while (!stop.stop_requested()) {
    const auto relayed = enqueuer_.relay();
    // The broker's outages are logged by the Enqueuer, whoever meets them first.
    const bool fails = relayed.has_error() && !enqueuer_.publishing_fails();
    if (fails && !failing) {
      log_.error("the outbox cannot be relayed", {{"error", relayed.error().what}});
    } else if (failing && relayed.has_value()) {
      log_.info("the outbox is relayed again");
    }
    failing = fails || (failing && relayed.has_error());
    if (relayed && *relayed > 0) {
      log_.info("tasks published from the outbox", {{"tasks", *relayed}});
    }
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, period_, [] { return false; });
  }
}

}  // namespace umbel
