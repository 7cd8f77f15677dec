// Carries out the plan: asks the ledger where an entry stands, enqueues what is due, counts.
//
// Each tick is enqueued once, however many schedulers run over one store and however they end: its
// task's id follows from schedule and instant, and the store accepts (schedule, instant) once. A
// store that is away delays ticks; it does not lose them, unless a newer one comes due meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/model/retry_policy.hpp"
#include "umbel/scheduler/schedule_file.hpp"
#include "umbel/scheduler/tick_plan.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel {

// The id of the task that a tick enqueues.
[[nodiscard]] TaskId tick_task_id(std::string_view schedule, WallTime due);

// Accepts one task together with its tick: Enqueuer::submit, or a test's own.
using SubmitTick = std::function<Result<void>(const TaskRequest&, const Tick&)>;
[[nodiscard]] SubmitTick submit_through(Enqueuer& enqueuer);  // outlives what is returned

// pass() belongs to one thread; replace() may be called from any.
class Ticker {
 public:
  // References outlive the Ticker.
  Ticker(SubmitTick submit, TickLedger& ledger, const Clock& clock, metrics::Metrics& metrics,
         Log log);

  // The entries in force from the next pass on.
  void replace(std::vector<ScheduleEntry> entries);

  // Does what is due now. Answers after how long to come again: at most a second. Ends early when
  // stop is requested.
  std::chrono::microseconds pass(const std::stop_token& stop = {});

 private:
  void take_replacement();
  Result<void> learn(std::size_t entry);
  Result<void> fire(DueTick tick);
  Result<void> refuse(const ScheduleEntry& entry, const DueTick& tick, const Error& why);
  void count(const ScheduleEntry& entry, const char* outcome, std::uint64_t ticks = 1);
  void show_next(std::size_t entry);
  std::chrono::microseconds back_off(const Error& error);

  SubmitTick submit_;
  TickLedger& ledger_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  Log log_;
  TickPlan plan_;
  RetryPolicy retry_;
  std::mt19937 random_;
  std::int64_t failures_ = 0;  // in a row; 0: the store answers
  Steady::time_point retry_at_{};
  std::mutex mutex_;
  std::optional<std::vector<ScheduleEntry>> replacement_;  // guarded by mutex_
};

}  // namespace umbel
