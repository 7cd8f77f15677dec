// What workers say of themselves, for other workers: that they came, that they live, that they go.
//
// A part of the event stream, heard live. Nothing is kept for anybody who is not there, and who is
// slow loses the oldest; whoever needs every event subscribes to the stream instead.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel {

// Closed when destroyed. Thread-safe, though one thread reads.
class WorkerEvents {
 public:
  virtual ~WorkerEvents() = default;

  // Waits up to `limit` for events of any worker, the reader's own included, oldest first, at most
  // `max`, each as it was published; empty when the limit passed or stop was requested. After
  // Unavailable the next call tries again.
  [[nodiscard]] virtual Result<std::vector<std::string>> next(std::size_t max,
                                                              std::chrono::milliseconds limit,
                                                              std::stop_token stop) = 0;
};

}  // namespace umbel
