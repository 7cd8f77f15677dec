#include "runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pause.hpp"
#include "verdict.hpp"

namespace umbel {
namespace {

constexpr double kMostSoftLimit = 1e7;  // seconds; more is no limit, and would not fit a duration

std::chrono::microseconds in_micros(double seconds) {
  return std::chrono::microseconds{static_cast<std::int64_t>(seconds * 1e6)};
}

// What is needed to end the job while its own is in use.
Job face_of(const Job& job) {
  Job face;
  face.consumer = job.consumer;
  face.tag = job.tag;
  face.queue = job.queue;
  face.task.id = job.task.id;
  face.task.task = job.task.task;
  face.task.root_id = job.task.root_id;
  face.task.retries = job.task.retries;
  face.registered = job.registered;
  face.state = job.state;
  face.started = true;
  return face;
}

// A first delivery runs under the number that it was looked up with: should its task have begun a
// newer run meanwhile, its result is refused.
void note_begin(Job& job, const RunState& state) {
  job.begun = true;
  if (job.redelivered || state.final) job.state = state;
}

}  // namespace

Runner::Runner(Parts parts, Limits limits, EndedBy by, bool task_events, Log log)
    : parts_{std::move(parts)},
      limits_{limits},
      by_{std::move(by)},
      task_events_{task_events},
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

// A thread cannot be stopped, so a hard limit that came with the message is one more moment at
// which the task is told.
std::optional<double> Runner::limit_of(const Job& job) const {
  auto limit = job.task.soft_time_limit;
  if (!limit) limit = job.registered->options.soft_time_limit;
  if (!limit) limit = limits_.soft;
  if (const auto hard = job.task.time_limit; hard && (!limit || *hard < *limit)) limit = hard;
  if (limit && !(*limit > 0 && *limit < kMostSoftLimit)) limit.reset();
  return limit;
}

SoftLimits::Key Runner::watch(const Job& job, double limit,
                              const std::shared_ptr<RunControl>& control) {
  auto overdue = std::make_shared<Overdue>(Overdue{face_of(job), control, limit});
  return parts_.limits.after(in_micros(limit), [this, control, overdue] {
    control->limit_passed = true;
    (void)parts_.limits.after(limits_.grace,
                              [this, overdue] { parts_.overdue(std::move(*overdue)); });
    control->stop.request_stop();
  });
}

void Runner::run(Ended& ended, const std::shared_ptr<RunControl>& control,
                 std::mt19937_64& random) {
  try {
    run_anything(ended, control, random);
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
                          std::mt19937_64& random) {
  Job& job = ended.job;
  const auto now = parts_.clock.wall();
  if (has_expired(job.task.expires, now)) {
    conclude(ended, revoked_as_expired(), by_, now, std::nullopt);
    return;
  }
  switch (begin_one(job, *control)) {
    case Start::Interrupted:
      ended.hand_back = true;
      return;
    case Start::Final:
      if (!conclude_as_known(ended, by_, now)) parts_.instruments.duplicates.Increment();
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
  const auto limit = limit_of(job);
  std::optional<SoftLimits::Key> watched;
  if (limit) watched = watch(job, *limit, control);
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
  if (watched) parts_.limits.forget(*watched);

  if (control->given_up) {
    log_.warn("a task that had been given up returned; its slot works again",
              {{"task_id", job.task.id.str()}, {"task", job.task.task}, {"seconds", runtime}});
    return;
  }
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
