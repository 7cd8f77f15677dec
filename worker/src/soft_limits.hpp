// Calls something at a given time unless it is forgotten before: how a soft time limit reaches a
// running task.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "umbel/base/clock.hpp"

namespace umbel {

// Thread-safe. An action may still be running, or about to, when forget() returns: it must own what
// it touches.
class SoftLimits {
 public:
  using Key = std::pair<Steady::time_point, std::uint64_t>;

  SoftLimits();
  [[nodiscard]] Key after(std::chrono::microseconds delay, std::function<void()> action);
  void forget(const Key& key);
  // Nothing is called any more once this returns.
  void close();

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Key, std::function<void()>> actions_;
  std::uint64_t next_ = 0;
  std::jthread thread_;
};

}  // namespace umbel
