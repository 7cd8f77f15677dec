// The queues that this worker takes from, which remote control may change.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "umbel/base/ids.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel {

struct ConsumedQueue {
  QueueName name;
  std::optional<QueueBinding> binding{};  // nothing: as queues are declared by their names
};

// Thread-safe.
class ConsumedQueues {
 public:
  explicit ConsumedQueues(const std::vector<QueueName>& queues) {
    for (const auto& queue : queues) queues_.push_back({queue});
  }

  // False: it is there already.
  bool add(ConsumedQueue queue) {
    const std::lock_guard lock{mutex_};
    if (std::ranges::find(queues_, queue.name, &ConsumedQueue::name) != queues_.end()) return false;
    queues_.push_back(std::move(queue));
    return true;
  }
  // Nothing: it was not there.
  std::optional<ConsumedQueue> remove(const QueueName& queue) {
    const std::lock_guard lock{mutex_};
    const auto found = std::ranges::find(queues_, queue, &ConsumedQueue::name);
    if (found == queues_.end()) return std::nullopt;
    auto removed = std::move(*found);
    queues_.erase(found);
    return removed;
  }
  [[nodiscard]] std::vector<ConsumedQueue> list() const {
    const std::lock_guard lock{mutex_};
    return queues_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<ConsumedQueue> queues_;
};

}  // namespace umbel
