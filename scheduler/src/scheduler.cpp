#include "umbel/scheduler/scheduler.hpp"

#include <exception>
#include <utility>

namespace umbel {

Scheduler::Scheduler(Ticker& ticker, Log log) : ticker_{ticker}, log_{std::move(log)} {}

Result<void> Scheduler::start() {
  if (!thread_) thread_.emplace([this](std::stop_token stop) { run(stop); });
  return {};
}

void Scheduler::stop() { thread_.reset(); }

void Scheduler::replace(std::vector<ScheduleEntry> entries) {
  ticker_.replace(std::move(entries));
  const std::lock_guard lock{mutex_};
  changed_ = true;
  wake_.notify_all();
}

void Scheduler::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::chrono::microseconds sleep{TickPlan::kLongestSleep};
    try {
      sleep = ticker_.pass(stop);
    } catch (const std::exception& error) {
      log_.error("scheduling pass ended in an exception; next in a second",
                 {{"what", error.what()}});
    }
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, sleep, [this] { return std::exchange(changed_, false); });
  }
}

}  // namespace umbel
