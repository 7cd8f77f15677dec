#include "running.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "umbel/runtime/settings.hpp"

namespace umbel {
namespace {

constexpr std::chrono::milliseconds kGoodbye{1000};  // for the last events
constexpr std::chrono::milliseconds kKilled{2000};   // for killed processes to be gone
constexpr std::size_t kMostScheduled = 1000;         // tasks held for their eta
constexpr std::size_t kMostNamed = 200;

void append(std::vector<Job>& to, std::vector<Job> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

// `name[id] name[id] …`
std::string names_of(const std::vector<Job>& jobs) {
  std::string text;
  for (std::size_t i = 0; i < std::min(jobs.size(), kMostNamed); ++i) {
    const auto& task = jobs[i].task;
    text += fmt::format("{}{}[{}]", i == 0 ? "" : " ", task.task, task.id.str());
  }
  if (jobs.size() > kMostNamed) text += fmt::format(" and {} more", jobs.size() - kMostNamed);
  return text;
}

}  // namespace

Worker::Impl::Running::Running(Impl& impl, std::unique_ptr<Consumer> consumer,
                               std::unique_ptr<ControlInbox> inbox)
    : w{impl},
      by{w.options.name.str(), producer_name(), w.options.log_tasks, &w.canvas},
      revocations{w.clock},
      revoked_file{open_revoked_file()},
      events{w.broker,        w.clock, lamport, w.instruments, w.log, w.options.name.str(),
             w.options.events},
      returns{w.instruments, w.log},
      time_limits{{w.options.soft_time_limit, w.options.time_limit}},
      callers{w.callers()},
      runner{{w.store.results(), w.enqueuer, events, w.instruments, w.metrics, limits, time_limits,
              revocations, w.clock, [this](const Overdue& overdue) { give_up(overdue); },
              [this](CallerResult state) { finisher.tell_state(std::move(state)); }},
             {w.options.stuck_after, callers->can_kill(), w.options.track_started},
             by,
             w.log},
      finisher{{w.store.results(), w.enqueuer, events, w.instruments, in_flight, w.clock, by},
               {w.options.callers,
                {.hold = w.options.callers_patience},
                [this](const celery::TaskMessage& part, const QueueName& queue,
                       const ChordReturn& chord) { return w.canvas.on_chord(part, queue, chord); }},
               // Waiting copies come from the finisher's thread, which exists before the intake
               // does and after it is gone quiet.
               [this](std::vector<Job> jobs) { intake.again(std::move(jobs)); },
               w.log},
      chord_counter{
          {[this](const std::vector<celery::CountedChord>& chords) {
             return w.canvas.count(chords);
           },
           [this](Ended ended) { finisher.push(std::move(ended)); },
           [this](Ended ended, const Error& why) { finish_uncounted(std::move(ended), why); }},
          w.instruments,
          w.clock,
          w.log},
      pool{w.first_slots(),
           callers,
           [this](std::span<Job> jobs) { runner.begin(jobs); },
           [this](Ended& ended, const std::shared_ptr<RunControl>& control, SlotTools& tools) {
             runner.run(ended, control, tools);
           },
           [this](Ended ended) { ended_run(std::move(ended)); },
           w.instruments},
      gate{w.tasks, w.clock, limits, [this](Job job) { start(std::move(job)); }},
      intake{{w.tasks, w.broker, w.store.results(), events, w.instruments, in_flight, returns,
              revocations, w.clock},
             {[this](Job job) { gate.enter(std::move(job)); },
              [this](Ended ended) { finish(std::move(ended)); }},
             by,
             std::max(w.prefetch() / 2, kMostScheduled),
             w.log},
      relay{w.enqueuer, w.log},
      heartbeat{w.options.heartbeat, [this](WorkerEventType type) { return describe(type); },
                [this](Event event) { events.send(std::move(event)); }},
      mingle{make_mingle()},
      gossip{make_gossip()},
      fetcher{{w.broker, intake, pool, gate, queues, in_flight, returns, w.instruments, w.clock,
               [this] { return prefetch(); },
               [this](const std::stop_token& stop) {
                 if (mingle && w.options.mingle_first) mingle->wait(stop);
               }},
              w.options.name.str(),
              std::move(consumer),
              w.prefetch(),
              w.options.reconnect_after,
              w.log},
      autoscaler{make_autoscaler()},
      controlled{
          {w.options, w.tasks, w.clock, lamport, revocations, events, pool, gate, intake, fetcher,
           heartbeat, time_limits, w.broker, autoscaler.get(), queues,
           [this](std::shared_ptr<RunControl> control) { watch_terminated(std::move(control)); },
           [this](std::size_t slots) { resized(slots); },
           [this](const AutoscaleRange& range) { most_slots = range.most; }},
          w.log},
      control_server{
          {w.broker, controlled, lamport, w.metrics, w.clock, [this] { keep_revoked(); }},
          std::move(inbox),
          w.log} {}

std::unique_ptr<RevokedFile> Worker::Impl::Running::open_revoked_file() {
  if (w.options.state_file.empty()) return nullptr;
  auto file = std::make_unique<RevokedFile>(w.options.state_file, w.clock, w.log);
  if (const auto loaded = file->load(revocations.ids, lamport); !loaded) {
    w.log.warn("what was revoked before is not known", {{"reason", loaded.error().what}});
  }
  return file;
}

std::unique_ptr<Mingle> Worker::Impl::Running::make_mingle() {
  if (!w.options.mingle) return nullptr;
  return std::make_unique<Mingle>(w.broker, w.options.name.str(), revocations.ids, lamport, w.log);
}

std::unique_ptr<Gossip> Worker::Impl::Running::make_gossip() {
  if (!w.options.gossip) return nullptr;
  return std::make_unique<Gossip>(w.broker, w.options.name.str(), lamport, w.clock, w.log);
}

std::unique_ptr<Autoscaler> Worker::Impl::Running::make_autoscaler() {
  if (!w.options.autoscale) return nullptr;
  const auto& [most, least] = *w.options.autoscale;
  return std::make_unique<Autoscaler>(
      AutoscalePlan{{most, least}, w.options.autoscale_keep}, w.options.autoscale_every,
      Autoscaler::Pool{[this] { return pool.size(); },
                       [this] { return pool.load() + gate.count(); },
                       [this](std::size_t slots) { resized(pool.resize(slots)); }},
      w.clock, w.log);
}

void Worker::Impl::Running::keep_revoked() {
  if (revoked_file) revoked_file->save_changes(revocations.ids, lamport);
}

// What an autoscaler may want must be there to show that it is wanted.
std::size_t Worker::Impl::Running::prefetch() const {
  return w.prefetch(std::max(pool.size(), most_slots.load()));
}

void Worker::Impl::Running::start(Job job) {
  if (auto back = pool.submit(std::move(job))) keep_for_hand_back(std::move(*back));
}

void Worker::Impl::Running::ended_run(Ended ended) {
  if (ended.run_again) {
    auto copies = in_flight.leave(ended.job.task.id);
    copies.push_back(std::move(ended.job));
    returns.later(std::move(copies));
  } else if (ended.hand_back) {
    keep_for_hand_back(std::move(ended.job));
  } else {
    finish(std::move(ended));
  }
}

void Worker::Impl::Running::finish(Ended ended) {
  if (ended.chords.empty()) {
    finisher.push(std::move(ended));
  } else {
    chord_counter.push(std::move(ended));
  }
}

// As what cannot be followed for any other reason.
void Worker::Impl::Running::finish_uncounted(Ended ended, const Error& why) {
  if (ended.finished->state == TaskState::Success) {
    const auto reason = "the chord that follows it could not be counted: " + why.what;
    const auto runtime = ended.finished->runtime;
    conclude(ended, failed(cannot_be_followed(reason)), by, w.clock.wall(), runtime);
  } else {
    w.canvas.leave_out_errbacks(ended, why);
  }
  finish(std::move(ended));
}

// The run's ending is decided, whatever it may still answer: it was told to stop and is over its
// limit, or was terminated. So it is told now, and not run elsewhere, where it would take another
// slot.
void Worker::Impl::Running::give_up(const Overdue& overdue) {
  auto job = pool.give_up(overdue.control.get());
  if (!job) return;
  const auto& control = *overdue.control;
  const auto now = w.clock.wall();
  const auto grace = std::chrono::duration<double>(w.options.stuck_after).count();
  const int signal = control.terminated;
  w.instruments.gave_up(job->task.task);
  w.log.error(signal != 0 ? "task did not return when it was terminated: it ends as revoked, and "
                            "its slot is lost until it returns"
                          : "task did not return when its soft time limit passed: it ends as "
                            "failed, and its slot is lost until it returns",
              {{"task", job->task.task},
               {"task_id", job->task.id.str()},
               {"limit_seconds", overdue.limit},
               {"grace_seconds", grace},
               {"slots_stuck", pool.stuck()},
               {"slots", pool.size()},
               {"what_to_do",
                "run such tasks with --pool=prefork, where they are killed; until then remote "
                "control gives the worker another slot (pool_grow, pool_restart)"}});
  Ended ended;
  ended.context = std::make_unique<RunContext>(job->task, overdue.control, w.enqueuer, w.metrics,
                                               w.clock, w.log);
  ended.job = std::move(*job);
  conclude(
      ended,
      signal != 0 ? revoked_as_terminated(signal) : failed(never_returned(overdue.limit, grace)),
      by, now, to_unix_seconds(now) - to_unix_seconds(from_micros(control.started)));
  finish(std::move(ended));
}

// A thread that was told to stop may never do so.
void Worker::Impl::Running::watch_terminated(std::shared_ptr<RunControl> control) {
  (void)limits.after(w.options.stuck_after, [this, control = std::move(control)] {
    give_up({control, 0});
  });
}

void Worker::Impl::Running::keep_for_hand_back(Job job) {
  const std::lock_guard lock{mutex};
  interrupted.push_back(std::move(job));
}

std::vector<Job> Worker::Impl::Running::take_interrupted() {
  const std::lock_guard lock{mutex};
  return std::exchange(interrupted, {});
}

WorkerEvent Worker::Impl::Running::describe(WorkerEventType type) const {
  WorkerEvent event;
  event.type = type;
  event.freq = std::chrono::duration<double>(w.options.heartbeat).count();
  event.active = static_cast<std::int64_t>(pool.active());
  event.processed = static_cast<std::int64_t>(pool.started());
  event.loadavg = load_average();
  event.sw_ident = "umbel";
  event.sw_ver = version();
  event.sw_sys = "Linux";
  if (!w.options.metrics_address.empty()) event.metrics_address = w.options.metrics_address;
  event.slots = static_cast<std::int64_t>(pool.size());
  std::string names;
  for (const auto& queue : queues.list()) names += (names.empty() ? "" : ",") + queue.name.str();
  event.queues = names;
  event.stuck = static_cast<std::int64_t>(pool.stuck());
  return event;
}

void Worker::Impl::Running::stop() {
  const auto begin = Steady::now();
  gossip.reset();
  control_server.close();
  if (autoscaler) autoscaler->close();
  fetcher.close();
  auto unstarted = pool.close();
  append(unstarted, gate.take_waiting());
  append(unstarted, intake.take_held());
  append(unstarted, in_flight.take_waiting());
  append(unstarted, take_interrupted());
  note_broken_off(unstarted, w.store.results(), w.instruments, w.log);
  returns.give(std::move(unstarted));

  const auto hard = begin + w.options.stop_hard;
  if (!pool.wait_idle(begin + w.options.stop_soft)) {
    pool.interrupt();
    (void)pool.wait_idle(hard);
  }
  auto unfinished = pool.abandon();
  if (pool.can_kill()) (void)pool.wait_idle(Steady::now() + kKilled);
  limits.close();
  append(unfinished, take_interrupted());
  (void)chord_counter.wait_idle(hard);
  append(unfinished, chord_counter.close());
  (void)finisher.wait_idle(hard);
  auto unsettled = finisher.close();
  append(unfinished, std::move(unsettled.unstored));
  returns.give(std::move(unsettled.untold));
  append(unfinished, in_flight.take_waiting());
  append(unfinished, intake.take_held());
  append(unfinished, gate.take_waiting());
  append(unfinished, take_interrupted());  // copies that came out of waiting meanwhile
  if (!unfinished.empty()) {
    w.log.warn("tasks were not finished before the stop; handed back to their queues",
               {{"tasks", unfinished.size()}, {"task_ids", names_of(unfinished)}});
    note_broken_off(unfinished, w.store.results(), w.instruments, w.log);
    returns.give(std::move(unfinished));
  }
  returns.again();
  if (const auto left = returns.left(); left > 0) {
    w.log.warn("messages not given back; they come again when this consumer's hold ends",
               {{"messages", left}});
  }
  heartbeat.leave();
  (void)events.flush(kGoodbye);
}

}  // namespace umbel
