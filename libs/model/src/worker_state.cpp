#include "umbel/model/worker_state.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace umbel {
namespace {

// A worker that claims to beat once a month would never be missed.
constexpr double kLongestFreq = 3600.0;

template <class T>
void take(T& field, const std::optional<T>& from) {
  if (from) field = *from;
}

}  // namespace

WorkerStatus WorkerState::status(WallTime now) const {
  if (said_goodbye) return WorkerStatus::Left;
  if (!last_seen) return WorkerStatus::Lost;
  const auto patience = std::chrono::duration<double>{2 * std::clamp(freq, 0.0, kLongestFreq)};
  const auto expires = *last_seen + std::chrono::duration_cast<std::chrono::microseconds>(patience);
  return now < expires ? WorkerStatus::Online : WorkerStatus::Lost;
}

void apply(WorkerState& worker, const WorkerEvent& event, WallTime received) {
  if (worker.name.empty()) worker.name = WorkerName{event.origin.hostname};
  if (!worker.first_seen) worker.first_seen = received;
  worker.last_seen = worker.last_seen ? std::max(*worker.last_seen, received) : received;
  worker.said_goodbye = event.type == WorkerEventType::Offline;
  if (event.origin.pid > 0) worker.pid = event.origin.pid;
  if (event.origin.clock) worker.clock = event.origin.clock;
  if (event.freq && std::isfinite(*event.freq) && *event.freq > 0) {
    worker.freq = std::min(*event.freq, kLongestFreq);
  }
  take(worker.active, event.active);
  take(worker.processed, event.processed);
  take(worker.loadavg, event.loadavg);
  take(worker.sw_ident, event.sw_ident);
  take(worker.sw_ver, event.sw_ver);
  take(worker.sw_sys, event.sw_sys);
  take(worker.metrics_address, event.metrics_address);
  take(worker.slots, event.slots);
  take(worker.queues, event.queues);
  take(worker.stuck, event.stuck);
}

}  // namespace umbel
