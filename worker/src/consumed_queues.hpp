// The queues that this worker takes from, which remote control may change.
#pragma once

#include <algorithm>
#include <mutex>
#include <vector>

#include "umbel/base/ids.hpp"

namespace umbel {

// Thread-safe.
class ConsumedQueues {
 public:
  explicit ConsumedQueues(std::vector<QueueName> queues) : queues_{std::move(queues)} {}

  // False: it is there already.
  bool add(const QueueName& queue) {
    const std::lock_guard lock{mutex_};
    if (std::ranges::find(queues_, queue) != queues_.end()) return false;
    queues_.push_back(queue);
    return true;
  }
  // False: it was not there.
  bool remove(const QueueName& queue) {
    const std::lock_guard lock{mutex_};
    return std::erase(queues_, queue) > 0;
  }
  [[nodiscard]] std::vector<QueueName> list() const {
    const std::lock_guard lock{mutex_};
    return queues_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<QueueName> queues_;
};

}  // namespace umbel
