#include "umbel/worker/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>

#include "built_ins.hpp"
#include "canvas_desk.hpp"
#include "consumed_queues.hpp"
#include "control/autoscaler.hpp"
#include "control/control_server.hpp"
#include "control/mingle.hpp"
#include "control/rate_gate.hpp"
#include "control/revocations.hpp"
#include "control/revoked_file.hpp"
#include "control/worker_controlled.hpp"
#include "event_sender.hpp"
#include "fetcher.hpp"
#include "finisher.hpp"
#include "heartbeat.hpp"
#include "in_flight.hpp"
#include "instruments.hpp"
#include "intake.hpp"
#include "pool.hpp"
#include "prefork/child_caller.hpp"
#include "prefork/task_set.hpp"
#include "returns.hpp"
#include "runner.hpp"
#include "soft_limits.hpp"
#include "time_limits.hpp"
#include "umbel/enqueue/relay.hpp"
#include "umbel/runtime/settings.hpp"

namespace umbel {
namespace {

constexpr std::size_t kMostPrefetch = 10'000;
constexpr std::size_t kMostScheduled = 1000;         // tasks held for their eta
constexpr std::chrono::milliseconds kGoodbye{1000};  // for the last events
constexpr std::chrono::milliseconds kKilled{2000};   // for killed processes to be gone

std::vector<QueueName> queues_of(const WorkerOptions& options, const TaskRegistry& tasks) {
  if (!options.queues.empty()) return options.queues;
  std::set<QueueName> queues{QueueName{kDefaultQueue}};
  for (auto& queue : tasks.queues()) queues.insert(std::move(queue));
  return {queues.begin(), queues.end()};
}

void append(std::vector<Job>& to, std::vector<Job> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

constexpr std::size_t kMostNamed = 200;

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

// What exists while the worker runs; built by start(). Members are destroyed in reverse: first who
// takes work in, last who tells of it.
struct Worker::Impl {
  struct Running;

  Impl(WorkerOptions given, const TaskRegistry& registry, Broker& to_broker, Store& to_store,
       const Clock& a_clock, metrics::Metrics& all_metrics, Log a_log)
      : options{std::move(given)},
        queues{queues_of(options, registry)},
        tasks{registry},
        broker{to_broker},
        store{to_store},
        clock{a_clock},
        metrics{all_metrics},
        log{std::move(a_log)},
        instruments{metrics, queues},
        enqueuer{store, broker, clock, log, producer_name()},
        canvas{{tasks, store.results(), enqueuer, options.callers, clock},
               {options.name.str(), producer_name(), options.default_queue},
               log} {
    add_mapping_tasks(tasks);
    add_canvas_tasks(tasks, canvas, store.results());
  }

  [[nodiscard]] std::shared_ptr<Callers> callers() {
    if (options.pool == PoolKind::Threads) return std::make_shared<ThreadCallers>();
    return std::make_shared<prefork::ChildCallers>(
        prefork::ChildCallers::Options{options.child_command,
                                       prefork::task_set_of(tasks),
                                       {options.max_tasks_per_child, options.max_memory_per_child}},
        metrics, instruments, log);
  }

  // A thread cannot be killed, so a promise to kill cannot be kept there.
  [[nodiscard]] Result<void> fits_pool() const {
    if (options.pool != PoolKind::Threads) return {};
    if (options.time_limit) {
      return invalid(
          "a hard time limit (--time-limit) needs --pool=prefork: a thread cannot be "
          "killed");
    }
    std::string names;
    for (const auto& entry : tasks.entries()) {
      if (!tasks.find(entry.name)->options.time_limit) continue;
      names += (names.empty() ? "" : ", ") + entry.name;
    }
    if (names.empty()) return {};
    return invalid(fmt::format(
        "tasks that declare a hard time limit need --pool=prefork, because a thread cannot be "
        "killed: {}",
        names));
  }

  [[nodiscard]] std::size_t first_slots() const {
    if (!options.autoscale) return options.concurrency;
    return std::max<std::size_t>(options.autoscale->second, 1);
  }
  // Of a pool of so many slots.
  [[nodiscard]] std::size_t prefetch(std::size_t slots) const {
    return std::clamp<std::size_t>(slots * options.prefetch_multiplier, 1, kMostPrefetch);
  }
  [[nodiscard]] std::size_t prefetch() const {
    return prefetch(options.autoscale ? options.autoscale->first : options.concurrency);
  }

  WorkerOptions options;
  std::vector<QueueName> queues;
  TaskRegistry tasks;  // the program's, and Celery's own
  Broker& broker;
  Store& store;
  const Clock& clock;
  metrics::Metrics& metrics;
  Log log;
  Instruments instruments;
  Enqueuer enqueuer;
  CanvasDesk canvas;
  mutable std::shared_mutex mutex;  // of start and stop; the questions share it
  bool stopped = false;
  std::unique_ptr<Running> running;
};

struct Worker::Impl::Running {
  Running(Impl& impl, std::unique_ptr<Consumer> consumer, std::unique_ptr<ControlInbox> inbox)
      : w{impl},
        by{w.options.name.str(), producer_name(), w.options.log_tasks, &w.canvas},
        revocations{w.clock},
        revoked_file{open_revoked_file()},
        events{w.broker,        w.clock, lamport, w.instruments, w.log, w.options.name.str(),
               w.options.events},
        returns{w.instruments, w.log},
        time_limits{{w.options.soft_time_limit, w.options.time_limit}},
        callers{w.callers()},
        runner{
            {w.store.results(), w.enqueuer, events, w.instruments, w.metrics, limits, time_limits,
             revocations, w.clock, [this](Overdue overdue) { give_up(std::move(overdue)); },
             [this](CallerResult state) { finisher.tell_state(std::move(state)); }},
            {w.options.stuck_after, callers->can_kill(), w.options.track_started},
            by,
            w.log},
        finisher{
            {w.store.results(), w.enqueuer, events, w.instruments, in_flight, w.clock, by},
            {w.options.callers,
             {.hold = w.options.callers_patience},
             [this](const celery::TaskMessage& part, const QueueName& queue,
                    const ChordReturn& chord) { return w.canvas.on_chord(part, queue, chord); }},
            [this](std::vector<Job> jobs) { take_again(std::move(jobs)); },
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
                [this](Ended ended) { finisher.push(std::move(ended)); }},
               by,
               std::max(w.prefetch() / 2, kMostScheduled),
               w.log},
        relay{w.enqueuer, w.log},
        heartbeat{w.options.heartbeat, [this](WorkerEventType type) { return describe(type); },
                  [this](Event event) { events.send(std::move(event)); }},
        mingle{w.options.mingle ? std::make_unique<Mingle>(w.broker, w.options.name.str(),
                                                           revocations.ids, lamport, w.log)
                                : nullptr},
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
        controlled{{w.options, w.tasks, w.clock, lamport, revocations, events, pool, gate, intake,
                    fetcher, heartbeat, time_limits, w.broker, autoscaler.get(), queues,
                    [this](std::size_t slots) { resized(slots); },
                    [this](const AutoscaleRange& range) { most_slots = range.most; }},
                   w.log},
        control_server{
            {w.broker, controlled, lamport, w.metrics, w.clock, [this] { keep_revoked(); }},
            std::move(inbox),
            w.log} {}

  [[nodiscard]] std::unique_ptr<RevokedFile> open_revoked_file() {
    if (w.options.state_file.empty()) return nullptr;
    auto file = std::make_unique<RevokedFile>(w.options.state_file, w.clock, w.log);
    if (const auto loaded = file->load(revocations.ids, lamport); !loaded) {
      w.log.warn("what was revoked before is not known", {{"reason", loaded.error().what}});
    }
    return file;
  }

  [[nodiscard]] std::unique_ptr<Autoscaler> make_autoscaler() {
    if (!w.options.autoscale) return nullptr;
    const auto& [most, least] = *w.options.autoscale;
    return std::make_unique<Autoscaler>(
        AutoscalePlan{{most, least}, w.options.autoscale_keep}, w.options.autoscale_every,
        Autoscaler::Pool{[this] { return pool.size(); },
                         [this] { return pool.load() + gate.count(); },
                         [this](std::size_t slots) { resized(pool.resize(slots)); }},
        w.clock, w.log);
  }

  void keep_revoked() {
    if (revoked_file) revoked_file->save_changes(revocations.ids, lamport);
  }

  void resized(std::size_t slots) { w.instruments.slots.Set(static_cast<double>(slots)); }

  // What an autoscaler may want must be there to show that it is wanted.
  [[nodiscard]] std::size_t prefetch() const {
    return w.prefetch(std::max(pool.size(), most_slots.load()));
  }

  void start(Job job) {
    if (auto back = pool.submit(std::move(job))) keep_for_hand_back(std::move(*back));
  }

  // Waiting copies come from the finisher's thread, which exists before the intake does and after
  // it is gone quiet.
  void take_again(std::vector<Job> jobs) { intake.again(std::move(jobs)); }

  void ended_run(Ended ended) {
    if (ended.run_again) {
      auto copies = in_flight.leave(ended.job.task.id);
      copies.push_back(std::move(ended.job));
      returns.later(std::move(copies));
    } else if (ended.hand_back) {
      keep_for_hand_back(std::move(ended.job));
    } else {
      finisher.push(std::move(ended));
    }
  }

  // The run's ending is decided, whatever it may still answer: it was told to stop and is over its
  // limit. So it is told now, and not run elsewhere, where it would take another slot.
  void give_up(Overdue overdue) {
    if (!pool.give_up(overdue.control.get())) return;
    const auto grace = std::chrono::duration<double>(w.options.stuck_after).count();
    const auto& task = overdue.job.task;
    w.instruments.gave_up(task.task);
    w.log.error(
        "task did not return when its soft time limit passed: it ends as failed, and its "
        "slot is lost until it returns",
        {{"task", task.task},
         {"task_id", task.id.str()},
         {"limit_seconds", overdue.limit},
         {"grace_seconds", grace},
         {"slots_stuck", pool.stuck()},
         {"slots", pool.size()}});
    Ended ended;
    ended.context =
        std::make_unique<RunContext>(task, overdue.control, w.enqueuer, w.metrics, w.clock, w.log);
    ended.job = std::move(overdue.job);
    conclude(ended, failed(never_returned(overdue.limit, grace)), by, w.clock.wall(),
             overdue.limit + grace);
    finisher.push(std::move(ended));
  }

  void keep_for_hand_back(Job job) {
    const std::lock_guard lock{mutex};
    interrupted.push_back(std::move(job));
  }

  [[nodiscard]] std::vector<Job> take_interrupted() {
    const std::lock_guard lock{mutex};
    return std::exchange(interrupted, {});
  }

  [[nodiscard]] WorkerEvent describe(WorkerEventType type) const {
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
    for (const auto& queue : queues.list()) names += (names.empty() ? "" : ",") + queue.str();
    event.queues = names;
    event.stuck = static_cast<std::int64_t>(pool.stuck());
    return event;
  }

  void stop();

  Impl& w;
  EndedBy by;
  std::mutex mutex;
  std::vector<Job> interrupted;
  InFlight in_flight;
  ConsumedQueues queues{w.queues};
  std::atomic<std::size_t> most_slots{w.options.autoscale ? w.options.autoscale->first : 0};
  LamportClock lamport;
  Revocations revocations;
  std::unique_ptr<RevokedFile> revoked_file;  // null: none; of `control_server`'s thread
  EventSender events;
  Returns returns;
  SoftLimits limits;
  TimeLimits time_limits;
  std::shared_ptr<Callers> callers;
  Runner runner;
  Finisher finisher;
  Pool pool;
  RateGate gate;
  Intake intake;
  Relay relay;
  Heartbeat heartbeat;
  std::unique_ptr<Mingle> mingle;  // null: none
  Fetcher fetcher;
  std::unique_ptr<Autoscaler> autoscaler;  // null: none
  WorkerControlled controlled;
  ControlServer control_server;
};

void Worker::Impl::Running::stop() {
  const auto begin = Steady::now();
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
  (void)finisher.wait_idle(hard);
  append(unfinished, finisher.close());
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

Worker::Worker(WorkerOptions options, const TaskRegistry& tasks, Broker& broker, Store& store,
               const Clock& clock, metrics::Metrics& metrics, Log log)
    : impl_{std::make_unique<Impl>(std::move(options), tasks, broker, store, clock, metrics,
                                   std::move(log))} {}

Worker::~Worker() { stop(); }

Result<void> Worker::start() {
  const std::lock_guard lock{impl_->mutex};
  if (impl_->running || impl_->stopped) return invalid("a worker is started once");
  if (auto fit = impl_->fits_pool(); !fit) return fit;
  const auto entries = impl_->tasks.entries();
  if (const auto told = impl_->store.catalogue().upsert(entries, impl_->clock.wall()); !told) {
    return told.error();
  }
  auto consumer =
      impl_->broker.consume({impl_->queues, impl_->prefetch(), impl_->options.name.str()});
  // A broker that is not there yet is tried again by the fetcher, for as long as it takes.
  if (!consumer && consumer.error().code != Errc::Unavailable) return consumer.error();
  impl_->instruments.expect(entries, impl_->queues);
  impl_->instruments.slots.Set(static_cast<double>(impl_->first_slots()));
  // Opened here, so that what is asked once this returns is heard. If the broker will not, the
  // server goes on trying.
  auto inbox = impl_->broker.control_inbox(impl_->options.name.str());
  impl_->running = std::make_unique<Impl::Running>(
      *impl_, consumer ? std::move(*consumer) : std::unique_ptr<Consumer>{},
      inbox ? std::move(*inbox) : std::unique_ptr<ControlInbox>{});
  impl_->log.info("worker started", {{"worker", impl_->options.name.str()},
                                     {"concurrency", impl_->options.concurrency},
                                     {"prefetch", impl_->prefetch()},
                                     {"tasks", entries.size()}});
  return {};
}

void Worker::stop() {
  const std::lock_guard lock{impl_->mutex};
  if (std::exchange(impl_->stopped, true) || !impl_->running) return;
  impl_->running->stop();
  impl_->log.info("worker stopped", {{"worker", impl_->options.name.str()}});
}

// A stop holds the lock until its end; nobody waits for that to answer.
template <class Ask>
Result<void> Worker::ask(const Ask& of) const {
  const std::shared_lock lock{impl_->mutex, std::try_to_lock};
  if (!lock.owns_lock() || impl_->stopped) return unavailable("the worker is stopping");
  if (!impl_->running) return unavailable("the worker has not started");
  return of(*impl_->running);
}

Result<void> Worker::slots() const {
  return ask([](const auto& running) -> Result<void> {
    const auto& pool = running.pool;
    const auto figures = pool.figures();
    const auto stuck = figures.stuck;
    if (stuck + figures.unready < figures.size) return {};
    if (figures.unready > 0) return unavailable(figures.fault.value_or("no slot is ready"));
    return unavailable(
        fmt::format("all {} slots are stuck in tasks that did not return after their soft time "
                    "limits ({}); restart this worker",
                    stuck, fmt::join(pool.stuck_names(), ", ")));
  });
}

Result<void> Worker::takes() const {
  return ask([](const auto& running) -> Result<void> {
    if (const auto out = running.fetcher.outage()) return *out;
    return {};
  });
}

Result<void> Worker::keeps() const {
  return ask([](const auto& running) -> Result<void> {
    if (const auto out = running.intake.outage()) return *out;
    if (const auto out = running.finisher.outage()) return *out;
    return {};
  });
}

Result<void> Worker::ready() const {
  if (auto broker = takes(); !broker) return broker;
  if (auto store = keeps(); !store) return store;
  return slots();
}

void Worker::add_conditions(Readiness& to) const {
  // A ping finds what no task has met yet; it may take its time, and so holds no lock.
  to.add("broker", [this]() -> Result<void> {
    if (auto now = takes(); !now) return now;
    return impl_->broker.ping();
  });
  to.add("store", [this]() -> Result<void> {
    if (auto now = keeps(); !now) return now;
    return impl_->store.ping();
  });
  to.add("slots", [this] { return slots(); });
  if (impl_->options.callers != nullptr) {
    to.add("callers", [this] { return impl_->options.callers->ping(); });
  }
}

std::size_t Worker::stuck() const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->running ? impl_->running->pool.unreturned() : 0;
}

}  // namespace umbel
