// A time during which something we need does not answer: one log line at its beginning, one at its
// end, and longer waits in between.
//
// A broker's engine says itself when it cannot reach its server; the many that use it are then out
// for the same reason, and say so at level debug alone.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// Thread-safe.
class Outage {
 public:
  // `what` is what is out, as people say it: "broker", "reading events".
  Outage(std::string what, const Clock& clock, Log log);

  // It did not answer. How long to wait before the next try: 50 ms, doubled each time, at most 5 s;
  // wait() says the same again.
  std::chrono::milliseconds failed(const Error& error);
  // It answered.
  void over();
  [[nodiscard]] bool failing() const;
  [[nodiscard]] std::chrono::milliseconds wait() const;
  [[nodiscard]] std::optional<Error> current() const;  // the last error, while it lasts
  [[nodiscard]] std::chrono::microseconds lasted() const;

 private:
  static constexpr std::chrono::milliseconds kFirst{50}, kCap{5000};
  const std::string what_;
  const Clock& clock_;
  Log log_;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
  bool said_elsewhere_ = false;  // why it began
  Steady::time_point since_{};
  std::chrono::milliseconds wait_{kFirst}, next_{kFirst};
};

}  // namespace umbel
