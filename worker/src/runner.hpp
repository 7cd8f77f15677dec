// Runs one job on the calling thread, from its start to what is to be stored.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include "caller.hpp"
#include "control/revocations.hpp"
#include "ended.hpp"
#include "event_sender.hpp"
#include "instruments.hpp"
#include "run_context.hpp"
#include "soft_limits.hpp"
#include "time_limits.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/model/caller_result.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel {

// A run that was told to stop by its soft limit and did not return within the grace that followed.
struct Overdue {
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
    const TimeLimits& time_limits;
    const Revocations& revocations;
    const Clock& clock;
    std::function<void(Overdue)> overdue;            // called from the thread of `limits`
    std::function<void(CallerResult)> tell_state{};  // to callers outside; empty: nobody
  };
  struct Ways {
    std::chrono::milliseconds grace{};  // to return in, for one that was told to stop
    bool can_kill = false;              // so that hard limits hold
    bool track_started = false;         // callers are told of every start
  };
  Runner(Parts parts, Ways ways, EndedBy by, Log log);

  // `ended.job` is the job to run; the rest is filled in. Nothing thrown by the task gets out.
  // `tools` are the slot's own.
  void run(Ended& ended, const std::shared_ptr<RunControl>& control, SlotTools& tools);

  // Tells the store that these are about to start; if it does not answer, run() does it for each.
  void begin(std::span<Job> jobs);

 private:
  enum class Start { Go, Final, Interrupted };
  Start begin_one(Job& job, const RunControl& control);
  Result<RunState> tell_begin(const Job& job);
  void run_anything(Ended& ended, const std::shared_ptr<RunControl>& control, SlotTools& tools);
  [[nodiscard]] TimeLimitPair limits_of(const Job& job);
  [[nodiscard]] Ending ending_of(const Raised& raised, const Job& job, SlotTools& tools) const;
  // Nothing: the job goes back to its queue, as `ended` says.
  [[nodiscard]] std::optional<Ending> ending_of(const Lost& lost, Ended& ended,
                                                const RunControl& control,
                                                const TimeLimitPair& limits);
  [[nodiscard]] SoftLimits::Key watch(double limit, const std::shared_ptr<RunControl>& control);
  void call(Ended& ended, const std::shared_ptr<RunControl>& control, SlotTools& tools);

  Parts parts_;
  const Ways ways_;
  EndedBy by_;
  Log log_;
  Outage store_outage_;
  std::once_flag hard_limit_told_;
};

}  // namespace umbel
