// Keeps the schedule in force equal to its file while the program runs, and says when it cannot.
//
// A file with a mistake changes nothing: the schedule before it stays in force, the mistakes are
// logged once; /readyz, a gauge and the store (for the page) tell of them until the file is good
// again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/runtime/readiness.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/scheduler/schedule_source.hpp"
#include "umbel/scheduler/task_names.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/store/schedule_error.hpp"

namespace umbel {

// start() and stop() belong to one thread; reload() may be called from any.
class ScheduleReloader final : public Service {
 public:
  using PutInForce = std::function<void(std::vector<ScheduleEntry>)>;

  // References outlive the reloader. `put_in_force` is called by load() and by the thread.
  ScheduleReloader(ScheduleSource source, PutInForce put_in_force, TaskNames names,
                   Readiness& readiness, SharedValues& shared, const Clock& clock,
                   metrics::Metrics& metrics, Log log,
                   std::chrono::milliseconds look_every = std::chrono::milliseconds{500});

  // The first look, before start(). An error: there is no schedule to run on.
  [[nodiscard]] Result<void> load();

  [[nodiscard]] Result<void> start() override;
  void stop() override;

  // Reads the file now, changed or not (SIGHUP). Answers at once.
  void reload();

 private:
  void run(const std::stop_token& stop);
  void look(ScheduleSource::Ask ask);
  void took(std::vector<ScheduleEntry> entries);
  void refused(const Error& why);
  // Lays what is wrong now, or that nothing is, down in the store, as often as it has to be. A
  // store that does not answer is tried again at the next look; readiness tells of it.
  void tell();

  ScheduleSource source_;
  PutInForce put_in_force_;
  TaskNames names_;
  Readiness& readiness_;
  SharedValues& shared_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  Log log_;
  std::chrono::milliseconds look_every_;
  std::optional<ScheduleError> wrong_;
  std::optional<Steady::time_point> told_;  // when `wrong_` was laid down; nothing: not yet
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool asked_ = false;  // guarded by mutex_
  std::optional<std::jthread> thread_;
};

}  // namespace umbel
