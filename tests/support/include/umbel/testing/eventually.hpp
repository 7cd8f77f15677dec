// Waits for something another thread or process does, with a limit. Never sleep for a fixed time
// instead.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace umbel::testing {

// True as soon as `holds` is; false when `limit` has passed without.
inline bool eventually(const std::function<bool()>& holds,
                       std::chrono::milliseconds limit = std::chrono::seconds{10}) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    if (holds()) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});  // between looks, not instead of one
  }
}

}  // namespace umbel::testing
