// Runs one job on the calling thread, from its start to what is to be stored.
#pragma once

#include <functional>
#include <memory>
#include <random>

#include "ended.hpp"
#include "event_sender.hpp"
#include "instruments.hpp"
#include "run_context.hpp"
#include "soft_limits.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel {

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
  };
  Runner(Parts parts, EndedBy by, bool task_events, Log log);

  // `ended.job` is the job to run; the rest is filled in. Nothing thrown by the task gets out.
  // `random` is the calling thread's own.
  void run(Ended& ended, const std::shared_ptr<RunControl>& control, std::mt19937_64& random);

 private:
  enum class Start { Go, Final, Interrupted };
  Start begin(Job& job, const RunControl& control);
  void call(Ended& ended, const std::shared_ptr<RunControl>& control, std::mt19937_64& random);

  Parts parts_;
  EndedBy by_;
  bool task_events_;
  Log log_;
  Outage store_outage_;
};

}  // namespace umbel
