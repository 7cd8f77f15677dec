// Waits that end when the simulator does.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace umbel::reddit_simulator {

// Thread-safe.
class Pauses {
 public:
  // True: that long has passed. False: cut short by end().
  bool wait(std::chrono::milliseconds duration) {
    std::unique_lock lock{mutex_};
    return !wake_.wait_for(lock, duration, [this] { return ended_; });
  }
  // Ends every wait, now and later.
  void end() {
    {
      const std::lock_guard lock{mutex_};
      ended_ = true;
    }
    wake_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
};

}  // namespace umbel::reddit_simulator
