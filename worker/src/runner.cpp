#include "runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pause.hpp"
#include "verdict.hpp"

namespace umbel {
namespace {

constexpr double kMostSoftLimit = 1e7;  // seconds; more is no limit, and would not fit a duration

std::optional<double> soft_limit_of(const Job& job) {
  auto limit =
      job.task.soft_time_limit ? job.task.soft_time_limit : job.registered->options.soft_time_limit;
  if (limit && !(*limit > 0 && *limit < kMostSoftLimit)) limit.reset();
  return limit;
}

}  // namespace

Runner::Runner(Parts parts, EndedBy by, bool task_events, Log log)
    : parts_{parts},
      by_{std::move(by)},
      task_events_{task_events},
      log_{std::move(log)},
      store_outage_{"store, for redelivered tasks", parts.clock, log_} {}

// A redelivered message may have been running on a worker that vanished: its run gets a number of
// its own, so that the older one, should it wake, cannot overwrite it.
Runner::Start Runner::begin(Job& job, const RunControl& control) {
  while (job.redelivered) {
    const auto state = parts_.results.begin_again(job.task.id, job.task.task, job.queue);
    if (state) {
      store_outage_.over();
      job.state = *state;
      return state->final ? Start::Final : Start::Go;
    }
    parts_.instruments.store_failed("begin_again");
    if (!pause_for(control.stop.get_token(), store_outage_.failed(state.error()))) {
      return Start::Interrupted;
    }
  }
  return Start::Go;
}

void Runner::run(Ended& ended, const std::shared_ptr<RunControl>& control,
                 std::mt19937_64& random) {
  Job& job = ended.job;
  const auto now = parts_.clock.wall();
  if (has_expired(job.task.expires, now)) {
    conclude(ended, revoked_as_expired(), by_, now, std::nullopt);
    return;
  }
  switch (begin(job, *control)) {
    case Start::Interrupted:
      ended.hand_back = true;
      return;
    case Start::Final:
      parts_.instruments.duplicates.Increment();
      return;
    case Start::Go:
      call(ended, control, random);
  }
}

void Runner::call(Ended& ended, const std::shared_ptr<RunControl>& control,
                  std::mt19937_64& random) {
  Job& job = ended.job;
  const auto started = parts_.clock.wall();
  const auto deliverable = job.task.eta ? std::max(job.published, *job.task.eta) : job.published;
  parts_.instruments.waited(job.queue,
                            std::max(0.0, to_unix_seconds(started) - to_unix_seconds(deliverable)));
  if (task_events_) {
    TaskEvent event;
    event.type = TaskEventType::Started;
    event.uuid = job.task.id;
    event.origin.timestamp = started;
    parts_.events.send(std::move(event));
  }
  const auto limit = soft_limit_of(job);
  std::optional<SoftLimits::Key> watch;
  if (limit) {
    watch = parts_.limits.after(std::chrono::microseconds{static_cast<std::int64_t>(*limit * 1e6)},
                                [control] {
                                  control->limit_passed = true;
                                  control->stop.request_stop();
                                });
  }
  ended.context = std::make_unique<RunContext>(job.task, control, parts_.enqueuer, parts_.metrics,
                                               parts_.clock, log_);
  job.started = true;
  std::optional<Ending> ending;
  std::optional<Raised> raised;
  const auto begin = parts_.clock.steady();
  try {
    const auto value = job.registered->call(*ended.context, job.task.args, job.task.kwargs);
    ending = succeeded(value, job.registered->options.ignore_result || job.task.ignore_result);
  } catch (...) {
    raised = raised_by(std::current_exception());
  }
  const double runtime = std::chrono::duration<double>(parts_.clock.steady() - begin).count();
  if (watch) parts_.limits.forget(*watch);

  if (control->limit_passed) {
    ending = failed(soft_limit_passed(limit.value_or(0)));
  } else if (raised && control->worker_stops && raised->kind == Raised::Kind::Ordinary) {
    ended.hand_back = true;
    return;
  } else if (raised) {
    const double share = std::uniform_real_distribution<double>{0, 1}(random);
    ending = after(*raised, job.registered->options.retry,
                   {job.task.retries, postponements_of(job.task),
                    fmt::format("{}[{}]", job.task.task, job.task.id.str())},
                   share);
  }
  conclude(ended, *ending, by_, parts_.clock.wall(), runtime);
}

}  // namespace umbel
