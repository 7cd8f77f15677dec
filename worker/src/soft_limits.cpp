#include "soft_limits.hpp"

namespace umbel {

SoftLimits::SoftLimits() : thread_{[this](const std::stop_token& stop) { run(stop); }} {}

SoftLimits::Key SoftLimits::after(std::chrono::microseconds delay, std::function<void()> action) {
  const std::lock_guard lock{mutex_};
  const Key key{Steady::now() + delay, next_++};
  actions_.emplace(key, std::move(action));
  changed_.notify_one();
  return key;
}

void SoftLimits::forget(const Key& key) {
  const std::lock_guard lock{mutex_};
  actions_.erase(key);
}

void SoftLimits::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void SoftLimits::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (!stop.stop_requested()) {
    if (actions_.empty()) {
      changed_.wait(lock, stop, [this] { return !actions_.empty(); });
      continue;
    }
    const auto first = actions_.begin()->first;
    if (Steady::now() < first.first) {
      changed_.wait_until(lock, stop, first.first,
                          [&] { return actions_.empty() || actions_.begin()->first != first; });
      continue;
    }
    const auto action = std::move(actions_.begin()->second);
    actions_.erase(actions_.begin());
    lock.unlock();
    action();
    lock.lock();
  }
}

}  // namespace umbel
