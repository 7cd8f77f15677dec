// The scheduler as a running part of a program: a thread that wakes when something is due.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "umbel/runtime/service.hpp"
#include "umbel/scheduler/ticker.hpp"

namespace umbel {

// Wakes for each tick, and at least once a second, because the wall clock may jump. start() and
// stop() belong to one thread; replace() may be called from any.
class Scheduler final : public Service {
 public:
  // `ticker` outlives the Scheduler, which is the only one to call its pass().
  Scheduler(Ticker& ticker, Log log);

  [[nodiscard]] Result<void> start() override;
  void stop() override;
  // Puts other entries in force at once.
  void replace(std::vector<ScheduleEntry> entries);

 private:
  void run(const std::stop_token& stop);

  Ticker& ticker_;
  Log log_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool changed_ = false;  // guarded by mutex_
  std::optional<std::jthread> thread_;
};

}  // namespace umbel
