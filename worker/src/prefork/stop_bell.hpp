// In a task process: hears that a run is to stop, and that the worker is gone.
#pragma once

#include <cstdint>
#include <mutex>
#include <stop_token>
#include <thread>

namespace umbel::prefork {

// Thread-safe. Its thread waits in the socket until that closes, and then ends the process,
// whatever runs in it.
class StopBell {
 public:
  // `descriptor` stays the caller's, open as long as this.
  explicit StopBell(int descriptor);
  ~StopBell();
  // The run that begins; it may have been told to stop already. The answer is its token.
  [[nodiscard]] std::stop_token begin(std::uint64_t job);

 private:
  void listen(const std::stop_token& stop);

  const int descriptor_;
  std::mutex mutex_;
  std::uint64_t job_ = 0;      // that runs
  std::uint64_t stopped_ = 0;  // the newest that was told to stop
  std::stop_source stop_;      // of the one that runs
  std::jthread thread_;
};

}  // namespace umbel::prefork
