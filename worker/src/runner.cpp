#include "runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pause.hpp"
#include "settled.hpp"
#include "verdict.hpp"

namespace umbel {
namespace {

std::chrono::microseconds in_micros(double seconds) {
  return std::chrono::microseconds{static_cast<std::int64_t>(seconds * 1e6)};
}

// A first delivery runs under the number that it was looked up with: should its task have begun a
// newer run meanwhile, its result is refused.
void note_begin(Job& job, const RunState& state) {
  job.begun = true;
  if (job.redelivered || state.final) job.state = state;
}

}  // namespace

Runner::Runner(Parts parts, Ways ways, EndedBy by, Log log)
    : parts_{std::move(parts)},
      ways_{ways},
      by_{std::move(by)},
      log_{std::move(log)},
      store_outage_{"store, for tasks that start", parts.clock, log_} {}

// A redelivered message may have been running on a worker that vanished: its run gets a number of
// its own, so that the older one, should it wake, cannot overwrite it.
Result<RunState> Runner::tell_begin(const Job& job) {
  if (job.redelivered) {
    return parts_.results.begin_again(job.task.id, job.task.task, job.queue);
  }
  const NamedTask task{job.task.id, job.task.task, job.queue};
  const auto states = parts_.results.begin({&task, 1});
  if (!states) return states.error();
  return states->front();
}

Runner::Start Runner::begin_one(Job& job, const RunControl& control) {
  while (!job.begun) {
    const auto state = tell_begin(job);
    if (state) {
      store_outage_.over();
      note_begin(job, *state);
      break;
    }
    parts_.instruments.store_failed(job.redelivered ? "begin_again" : "begin");
    if (!pause_for(control.stop.get_token(), store_outage_.failed(state.error()))) {
      return Start::Interrupted;
    }
  }
  return job.state.final ? Start::Final : Start::Go;
}

void Runner::begin(std::span<Job> jobs) {
  std::vector<NamedTask> tasks;
  tasks.reserve(jobs.size());
  for (const auto& job : jobs) tasks.push_back({job.task.id, job.task.task, job.queue});
  const auto states = parts_.results.begin(tasks);
  if (!states) return;
  for (std::size_t i = 0; i < jobs.size(); ++i) note_begin(jobs[i], (*states)[i]);
}

// A thread cannot be stopped, so there a hard limit, which can only have come with a message, is
// one more moment at which the task is told.
TimeLimitPair Runner::limits_of(const Job& job) {
  auto limits = parts_.time_limits.of(job.task, job.registered->options);
  if (!limits.hard) return limits;
  if (ways_.can_kill) {
    if (limits.soft && *limits.soft >= *limits.hard) limits.soft.reset();
    return limits;
  }
  std::call_once(hard_limit_told_, [&] {
    log_.warn(
        "a message came with a hard time limit: under --pool=threads its task is told to stop "
        "then, and cannot be killed",
        {{"task", job.task.task}, {"task_id", job.task.id.str()}, {"limit_seconds", *limits.hard}});
  });
  if (!limits.soft || *limits.hard < *limits.soft) limits.soft = limits.hard;
  limits.hard.reset();
  return limits;
}

SoftLimits::Key Runner::watch(double limit, const std::shared_ptr<RunControl>& control) {
  return parts_.limits.after(in_micros(limit), [this, control, limit] {
    control->limit_passed = true;
    (void)parts_.limits.after(ways_.grace, [this, control, limit] {
      parts_.overdue({control, limit});
    });
    control->stop.request_stop();
  });
}

void Runner::run(Ended& ended, const std::shared_ptr<RunControl>& control, SlotTools& tools) {
  try {
    run_anything(ended, control, tools);
  } catch (...) {
    // Not the task's doing: what it left could not be put into words, for want of memory at most.
    try {
      conclude(ended, failed(raised_by(std::current_exception())), by_, parts_.clock.wall(),
               std::nullopt);
    } catch (...) {
      ended.hand_back = true;
    }
  }
}

void Runner::run_anything(Ended& ended, const std::shared_ptr<RunControl>& control,
                          SlotTools& tools) {
  Job& job = ended.job;
  const auto now = parts_.clock.wall();
  if (has_expired(job.task.expires, now)) {
    conclude(ended, revoked_as_expired(), by_, now, std::nullopt);
    return;
  }
  if (parts_.revocations.cover(job.task)) {
    conclude(ended, revoked_by_request(), by_, now, std::nullopt);
    return;
  }
  switch (begin_one(job, *control)) {
    case Start::Interrupted:
      if (const int number = control->terminated; number != 0) {
        conclude(ended, revoked_as_terminated(number), by_, now, std::nullopt);
        return;
      }
      ended.hand_back = true;
      return;
    case Start::Final:
      if (!conclude_as_known(ended, by_, now)) parts_.instruments.duplicates.Increment();
      return;
    case Start::Go:
      call(ended, control, tools);
  }
}

Ending Runner::ending_of(const Raised& raised, const Job& job, SlotTools& tools) const {
  const double share = std::uniform_real_distribution<double>{0, 1}(tools.random);
  return after(raised, job.registered->options.retry,
               {job.task.retries, postponements_of(job.task),
                fmt::format("{}[{}]", job.task.task, job.task.id.str())},
               share);
}

std::optional<Ending> Runner::ending_of(const Lost& lost, Ended& ended, const RunControl& control,
                                        const TimeLimitPair& limits) {
  const Job& job = ended.job;
  const auto tell = [&](const char* what) {
    log_.error(what, {{"task", job.task.task},
                      {"task_id", job.task.id.str()},
                      {"how", lost.how},
                      {"job", lost.job}});
  };
  std::optional<Ending> ending;
  switch (lost.why) {
    case Lost::Why::TimedOut:
      tell("task killed: its hard time limit passed");
      ending = hard_limit_passed(limits.hard.value_or(0));
      break;
    case Lost::Why::Overdue:
      tell("task killed: it did not return when its soft time limit passed");
      ending = failed(never_returned(limits.soft.value_or(0),
                                     std::chrono::duration<double>(ways_.grace).count()));
      break;
    case Lost::Why::Terminated:
      return revoked_as_terminated(control.terminated);
    case Lost::Why::Abandoned:
      ended.hand_back = true;
      return std::nullopt;
    case Lost::Why::Died:
      ended.hand_back = control.worker_stops;
      if (ended.hand_back) return std::nullopt;
      tell("task's process was lost");
      ended.run_again = job.registered->options.reject_on_worker_lost;
      if (ended.run_again) return std::nullopt;
      ending = failed(process_lost(lost.how, lost.job));
      break;
  }
  if (ending) ending->traceback.clear();
  return ending;
}

void Runner::call(Ended& ended, const std::shared_ptr<RunControl>& control, SlotTools& tools) {
  Job& job = ended.job;
  const auto started = parts_.clock.wall();
  const auto deliverable = job.task.eta ? std::max(job.published, *job.task.eta) : job.published;
  parts_.instruments.waited(job.queue,
                            std::max(0.0, to_unix_seconds(started) - to_unix_seconds(deliverable)));
  if (parts_.events.tells_of_tasks()) {
    TaskEvent event;
    event.type = TaskEventType::Started;
    event.uuid = job.task.id;
    event.origin.timestamp = started;
    parts_.events.send(std::move(event));
  }
  if (parts_.tell_state && (ways_.track_started || job.registered->options.track_started) &&
      !job.registered->options.ignore_result) {
    parts_.tell_state(started_state_of(job.task, by_.worker));
  }
  const auto limits = limits_of(job);
  ended.context = std::make_unique<RunContext>(job.task, control, parts_.enqueuer, parts_.metrics,
                                               parts_.clock, log_, job.queue);
  job.started = true;
  control->started = to_micros(started);
  std::optional<SoftLimits::Key> watched;
  if (limits.soft) watched = watch(*limits.soft, control);
  const auto begin = parts_.clock.steady();
  // What follows wants the value even if its caller does not.
  const bool ignored = ignores_result(job);
  const bool followed = job.task.embed.contains("callbacks") || job.task.embed.contains("chain");
  const Call call{job, *ended.context, *control, limits.hard, ignored && !followed};
  auto called = job.registered->inside ? ThreadCaller{}.call(call) : tools.caller->call(call);
  const double runtime = std::chrono::duration<double>(parts_.clock.steady() - begin).count();
  if (watched) parts_.limits.forget(*watched);

  if (control->given_up) {
    log_.warn("a task that had been given up returned; its slot works again",
              {{"task_id", job.task.id.str()}, {"task", job.task.task}, {"seconds", runtime}});
    return;
  }
  std::optional<Ending> ending;
  const auto* raised = std::get_if<Raised>(&called);
  if (const auto* lost = std::get_if<Lost>(&called)) {
    ending = ending_of(*lost, ended, *control, limits);
    if (!ending) return;
  } else if (control->terminated != 0 && (raised != nullptr || !ways_.can_kill)) {
    ending = revoked_as_terminated(control->terminated);
  } else if (control->limit_passed) {
    ending = failed(soft_limit_passed(limits.soft.value_or(0)));
  } else if (raised != nullptr && control->worker_stops && raised->kind == Raised::Kind::Ordinary) {
    ended.hand_back = true;
    return;
  } else if (raised != nullptr) {
    ending = ending_of(*raised, job, tools);
  } else {
    ending = std::move(std::get<Ending>(called));
  }
  conclude(ended, *ending, by_, parts_.clock.wall(), runtime);
  auto& finished = *ended.finished;
  if (ignored && followed && finished.state == TaskState::Success) {
    finished.result = "null";
    ended.for_callers.reset();
  }
}

}  // namespace umbel
