// Messages on their way back to their queues. One that the broker did not take back stays in our
// hold, out of everybody's reach, for as long as we live: so it is tried until it does.
#pragma once

#include <mutex>
#include <vector>

#include "instruments.hpp"
#include "job.hpp"
#include "umbel/base/log.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class Returns {
 public:
  Returns(Instruments& instruments, Log log) : instruments_{instruments}, log_{std::move(log)} {}

  // Gives jobs back, each to the consumer it came from, now or at a later again().
  void give(std::vector<Job> jobs);
  // For the next again(): does not wait for the broker now.
  void later(std::vector<Job> jobs);
  // Tries what is left.
  void again();
  [[nodiscard]] std::size_t left() const;

 private:
  Instruments& instruments_;
  Log log_;
  mutable std::mutex mutex_;
  std::vector<Job> left_;
};

}  // namespace umbel
