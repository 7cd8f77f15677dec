#include "heartbeat.hpp"

#include <cmath>
#include <cstdlib>
#include <utility>

namespace umbel {

Heartbeat::Heartbeat(std::chrono::milliseconds period,
                     std::function<WorkerEvent(WorkerEventType)> describe,
                     std::function<void(Event)> send)
    : period_{period}, describe_{std::move(describe)}, send_{std::move(send)} {
  send_(describe_(WorkerEventType::Online));
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void Heartbeat::leave() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  send_(describe_(WorkerEventType::Offline));
}

void Heartbeat::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  for (;;) {
    wake_.wait_for(lock, stop, period_, [] { return false; });
    if (stop.stop_requested()) return;
    send_(describe_(WorkerEventType::Heartbeat));
  }
}

std::array<double, 3> load_average() {
  std::array<double, 3> load{};
  if (getloadavg(load.data(), 3) != 3) return {};
  for (double& value : load) value = std::ceil(value * 100) / 100;
  return load;
}

}  // namespace umbel
