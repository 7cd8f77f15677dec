// Carries out the plan: asks the ledger where an entry stands, enqueues what is due, counts.
//
// Each tick is enqueued once, however many schedulers run over one store and however they end: its
// task's id follows from schedule and instant, and the store accepts (schedule, instant) once. A
// store that is away delays ticks; it does not lose them, unless a newer one comes due meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <span>
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
#include "umbel/store/schedule_book.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel {

// The id of the task that a tick enqueues.
[[nodiscard]] TaskId tick_task_id(std::string_view schedule, WallTime due);

// Accepts ticks, each for itself: Enqueuer::submit_ticks, or a test's own.
using SubmitTicks = std::function<Result<std::vector<Result<void>>>(std::span<const TickedTask>)>;
[[nodiscard]] SubmitTicks submit_through(Enqueuer& enqueuer);  // outlives what is returned

// Which schedules are paused now: ScheduleBook::pauses, or a test's own. Empty: there are no
// pauses.
using AskPauses = std::function<Result<std::vector<SchedulePause>>()>;

// pass() belongs to one thread; replace() may be called from any.
class Ticker {
 public:
  // Ticks that are due together are accepted so many at a time: enough that a transaction costs
  // little for each, few enough that the first does not wait for the last.
  static constexpr std::size_t kBatch = 500;
  // A scheduler that found most of its last ticks taken by another comes this much later next time,
  // so that the two do not contend for the store at every instant. If the other is gone, one tick
  // of each schedule is this late, no more.
  static constexpr std::chrono::milliseconds kBehindAnother{100};
  // The wall clock is said to have moved if it left the steady one by this much.
  static constexpr std::chrono::seconds kClockStep{1};

  // References outlive the Ticker.
  Ticker(SubmitTicks submit, TickLedger& ledger, const Clock& clock, metrics::Metrics& metrics,
         Log log, AskPauses ask_pauses = {});

  // The entries in force as soon as the next pass has fired what the ones before it still owe.
  void replace(std::vector<ScheduleEntry> entries);

  // Does what is due now. Answers after how long to come again: at most a second. Ends early when
  // stop is requested.
  std::chrono::microseconds pass(const std::stop_token& stop = {});

 private:
  enum class Did { Nothing, Something };
  Result<Did> work(const std::stop_token& stop);
  // What is paused is looked up before anything is fired, and at each pass.
  Result<void> heed_pauses();
  Result<Did> fire_due(WallTime now, const std::stop_token& stop);
  Result<Did> take_up_new(const std::stop_token& stop);
  Result<void> fire(std::span<const DueTick> ticks);
  Result<void> settle_by_ledger(std::span<const std::size_t> entries, WallTime now);
  Result<bool> refuse(const DueTick& tick, const Error& why);
  void fired(const DueTick& tick);
  void take_replacement(std::vector<ScheduleEntry> entries, WallTime since);
  void watch_clock();
  void count(const ScheduleEntry& entry, const char* outcome, std::uint64_t ticks = 1);
  void show_last(const ScheduleEntry& entry, WallTime due);
  void show_next(std::size_t entry);
  std::chrono::microseconds back_off(const Error& error);

  SubmitTicks submit_;
  TickLedger& ledger_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  Log log_;
  AskPauses ask_pauses_;
  TickPlan plan_;
  std::vector<std::string> ended_;  // in force no longer, and the ledger does not know it yet
  RetryPolicy retry_;
  std::mt19937 random_;
  std::int64_t failures_ = 0;  // in a row; 0: the store answers
  Steady::time_point retry_at_{};
  int ahead_ = 0;  // of the ticks last fired: those enqueued here less those taken elsewhere
  std::optional<std::chrono::microseconds> clocks_apart_;
  std::mutex mutex_;
  std::optional<std::vector<ScheduleEntry>> replacement_;  // guarded by mutex_
};

}  // namespace umbel
