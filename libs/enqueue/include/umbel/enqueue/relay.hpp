// Runs Enqueuer::relay once a second, on a thread of its own, until destroyed. An outage is one log
// line, and one at its end.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "umbel/enqueue/enqueuer.hpp"

namespace umbel {

class Relay {
 public:
  Relay(Enqueuer& enqueuer, Log log, std::chrono::milliseconds period = std::chrono::seconds{1});

 private:
  void run(const std::stop_token& stop);
  Enqueuer& enqueuer_;
  Log log_;
  std::chrono::milliseconds period_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel
