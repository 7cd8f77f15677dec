#include "gossip.hpp"

#include <utility>
#include <variant>
#include <vector>

#include "pause.hpp"
#include "umbel/celery/events.hpp"

namespace umbel {
namespace {

constexpr std::size_t kMostAtOnce = 100;
constexpr std::chrono::seconds kLongestWait{10};

}  // namespace

void follow_clocks(std::string_view body, std::string_view node, LamportClock& clock) {
  std::vector<Event> events;
  if (!celery::decode_events(body, events)) return;
  for (const auto& event : events) {
    const auto* const worker = std::get_if<WorkerEvent>(&event);
    if (worker == nullptr || worker->type == WorkerEventType::Other) continue;
    if (worker->origin.hostname == node || !worker->origin.clock) continue;
    (void)clock.adjust(*worker->origin.clock);
  }
}

Gossip::Gossip(Broker& broker, std::string node, LamportClock& lamport, const Clock& time, Log log)
    : broker_{broker},
      node_{std::move(node)},
      lamport_{lamport},
      log_{std::move(log)},
      outage_{"broker, for what other workers say", time, log_},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Gossip::run(const std::stop_token& stop) {
  while (!stop.stop_requested() && listen(stop)) {
  }
  events_.reset();
}

bool Gossip::listen(const std::stop_token& stop) {
  if (!events_) {
    auto opened = broker_.worker_events();
    if (!opened) {
      if (opened.error().code == Errc::Invalid) return false;
      (void)pause_for(stop, outage_.failed(opened.error()));
      return true;
    }
    outage_.over();
    events_ = std::move(*opened);
  }
  const auto bodies = events_->next(kMostAtOnce, kLongestWait, stop);
  if (!bodies) {
    (void)pause_for(stop, outage_.failed(bodies.error()));
    return true;
  }
  outage_.over();
  for (const auto& body : *bodies) follow_clocks(body, node_, lamport_);
  return true;
}

}  // namespace umbel
