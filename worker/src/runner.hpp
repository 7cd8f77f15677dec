// Runs one job on the calling thread, from its start to what is to be stored.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <span>

#include "ended.hpp"
#include "event_sender.hpp"
#include "instruments.hpp"
#include "run_context.hpp"
#include "soft_limits.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel {

// A run that was told to stop by its soft limit and did not return within the grace that followed:
// what is needed to end it from another thread.
struct Overdue {
  Job job;  // without its slot and its arguments
  std::shared_ptr<RunControl> control;
  double limit = 0;  // seconds
};

// Thread-safe. References outlive it.
class Runner {
 public:
  struct Parts {
    ResultStore& results;
    Enqueuer& enqueuer;
    EventSender& events;
    Instruments& instruments;
    metrics::Metrics& metrics;
    SoftLimits& limits;
    const Clock& clock;
    std::function<void(Overdue)> overdue;  // called from the thread of `limits`
  };
  struct Limits {
    std::optional<double> soft;  // seconds, for tasks that have none of their own
    std::chrono::milliseconds grace;
  };
  Runner(Parts parts, Limits limits, EndedBy by, bool task_events, Log log);

  // `ended.job` is the job to run; the rest is filled in. Nothing thrown by the task gets out.
  // `random` is the calling thread's own.
  void run(Ended& ended, const std::shared_ptr<RunControl>& control, std::mt19937_64& random);

  // Tells the store that these are about to start; if it does not answer, run() does it for each.
  void begin(std::span<Job> jobs);

 private:
  enum class Start { Go, Final, Interrupted };
  Start begin_one(Job& job, const RunControl& control);
  Result<RunState> tell_begin(const Job& job);
  void run_anything(Ended& ended, const std::shared_ptr<RunControl>& control,
                    std::mt19937_64& random);
  [[nodiscard]] std::optional<double> limit_of(const Job& job) const;
  [[nodiscard]] SoftLimits::Key watch(const Job& job, double limit,
                                      const std::shared_ptr<RunControl>& control);
  void call(Ended& ended, const std::shared_ptr<RunControl>& control, std::mt19937_64& random);

  Parts parts_;
  const Limits limits_;
  EndedBy by_;
  bool task_events_;
  Log log_;
  Outage store_outage_;
};

}  // namespace umbel
