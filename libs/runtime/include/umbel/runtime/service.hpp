// Parts of a program that run: started in order, stopped in reverse.
#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// start() may fail and then has left nothing running; stop() is fine unstarted and fine twice.
class Service {
 public:
  virtual ~Service() = default;
  [[nodiscard]] virtual Result<void> start() = 0;
  virtual void stop() = 0;
};

// Starts all, waits for SIGINT or SIGTERM, stops all in reverse. `on_hangup`, if given, is called
// for each SIGHUP. A second SIGINT or SIGTERM ends the process at once with status 130 or 143.
// Answers the exit status: 0, or 1 with the error logged.
//
// Call block_signals() first thing in main, before any thread exists, so that every thread inherits
// the mask.
void block_signals();
[[nodiscard]] int run_until_signal(const std::vector<Service*>& services, const Log& log,
                                   const std::function<void()>& on_hangup = {});
// As if SIGTERM had come: run_until_signal() begins the stop.
void request_stop();

}  // namespace umbel
