// Says that this worker is there, how busy it is, and where its metrics are.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "umbel/model/event.hpp"

namespace umbel {

// Thread-safe.
class Heartbeat {
 public:
  // `describe` fills in a worker event of this type; `send` takes it. Both are called from the
  // heartbeat's thread as well.
  Heartbeat(std::chrono::milliseconds period, std::function<WorkerEvent(WorkerEventType)> describe,
            std::function<void(Event)> send);
  void beat() { send_(describe_(WorkerEventType::Heartbeat)); }  // one now, beside the others
  // Ends the heartbeats and says goodbye; without it there is no goodbye, as after a crash.
  void leave();

 private:
  void run(const std::stop_token& stop);

  std::chrono::milliseconds period_;
  std::function<WorkerEvent(WorkerEventType)> describe_;
  std::function<void(Event)> send_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

// The machine's load over 1, 5 and 15 minutes, rounded up to two decimals as Celery does.
[[nodiscard]] std::array<double, 3> load_average();

}  // namespace umbel
