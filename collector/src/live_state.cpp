#include "live_state.hpp"

#include <algorithm>
#include <utility>

#include "name_list.hpp"

namespace umbel::collector {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

TableLimits limits_for(std::size_t most_tasks) {
  TableLimits limits;
  limits.tasks = std::max<std::size_t>(most_tasks, 1);
  limits.with_texts = std::clamp<std::size_t>(most_tasks / 20, 1000, 5000);
  return limits;
}

bool after(const std::optional<WallTime>& a, const std::optional<WallTime>& b) {
  return a && (!b || *a >= *b);
}

// What was known of the task when it had to go, where the history was not told all of it.
void newer_of(const Task& left, Task& task) {
  if (left.timestamp <= task.timestamp) return;
  task.state = left.state;
  task.timestamp = left.timestamp;
  for (const auto time : {&Task::sent, &Task::received, &Task::started, &Task::retried}) {
    if (left.*time) task.*time = left.*time;
  }
}

// What one event means for the counts. An attempt whose receiving was not told (the event was lost,
// or comes later) was received nevertheless.
struct Counted {
  bool received = false, retried = false, succeeded = false, failed = false;
};

bool runs_or_ran(const Task& task) {
  return after(task.started, task.retried) || task.state == TaskState::Success ||
         task.state == TaskState::Failure;
}

Counted counted(const Task& before, const TaskEvent& event, const Task& now) {
  Counted counts;
  // The same event again has the same time: what it did is not done twice.
  const auto& at = event.origin.timestamp;
  // Celery sends a retry off, and may take it again, before it tells that the attempt is over.
  const bool taken_anew = before.received && before.started && *before.received > *before.started;
  const bool received_told = taken_anew || after(before.received, before.retried);
  switch (event.type) {
    case TaskEventType::Received:
      counts.received = before.received != at && (received_told || !runs_or_ran(before));
      break;
    case TaskEventType::Started:
    case TaskEventType::Succeeded:
    case TaskEventType::Failed:
      counts.received = !received_told && !runs_or_ran(before);
      break;
    case TaskEventType::Retried:
      counts.retried = before.retried != at;
      break;
    default:
      break;
  }
  counts.succeeded = now.state != before.state && now.state == TaskState::Success;
  counts.failed = now.state != before.state && now.state == TaskState::Failure;
  return counts;
}

// Its start; or its end, where the start was not told.
bool tells_of_a_run(const Task& before, const TaskEvent& event) {
  switch (event.type) {
    case TaskEventType::Started:
      return before.started != event.origin.timestamp;
    case TaskEventType::Succeeded:
    case TaskEventType::Failed:
    case TaskEventType::Retried:
      return !after(before.started, before.retried);
    default:
      return false;
  }
}

// How long the task waited for this start; nothing: it is not one, or the receiving is not known.
std::optional<microseconds> wait_of(const Task& before, const TaskEvent& event, const Task& now) {
  if (event.type != TaskEventType::Started || before.started == event.origin.timestamp)
    return std::nullopt;
  if (!now.received || !after(now.received, now.retried)) return std::nullopt;
  return std::max(event.origin.timestamp - *now.received, microseconds{0});
}

}  // namespace

LiveState::LiveState(std::size_t most_tasks, WallTime started)
    : started_{started}, tasks_{limits_for(most_tasks)}, names_{started} {}

void Twins::heartbeat(std::int64_t pid, WallTime now) {
  if (pid == 0 || pid == pid_) return;
  if (now - last_ >= kFor) turns_ = 0;
  if (pid == before_) {
    ++turns_;
    last_ = now;
  }
  before_ = std::exchange(pid_, pid);
}

void LiveState::restore(LiveWorker worker) {
  const std::string name = worker.state.name.str();
  workers_.insert_or_assign(name, std::move(worker));
}

void LiveState::restore(const BlindSpans& spans) {
  const std::uint64_t version = blind_.version();
  blind_ = spans;
  blind_.follow(version);
}

void LiveState::restore_names(const std::vector<KeptRow>& rows, WallTime now) {
  names_ = Names{now};
  for (const KeptRow& row : rows) names_.restore(row);
  const std::int64_t second = unix_second(now);
  for (const auto& [minute, bucket] : rollup_.between(0, second - 3'600, second)) {
    const bool idle = bucket.seen > 0 && bucket.counts == decltype(bucket.counts){};
    if (idle) names_.nothing_happened(minute);
  }
}

void LiveState::forget_events() {
  totals_ = {};
  tasks_.clear();
  workers_.clear();
  series_.forget_counts();
  rollup_ = {};
  errors_ = {};
  names_ = Names{started_};
  worker_details_.clear();
  watched_ = 0;
  monitor_.events_read.reset();
}

void LiveState::adopt(Task task) {
  if (knows(task.uuid)) return;
  if (const auto left = tasks_.stub(task.uuid)) {
    newer_of(*left, task);
  } else {
    tasks_.back_from_absence(task);
  }
  tasks_.put(task);
}

void LiveState::expect_unfinished(const Unfinished& counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto state = static_cast<TaskState>(i);
    const std::uint64_t here = tasks_.in_state(state);
    if (!is_final(state) && counts[i] > here) tasks_.add_absent(state, counts[i] - here);
  }
}

Unfinished LiveState::unfinished() const {
  Unfinished counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (!is_final(static_cast<TaskState>(i))) counts[i] = in_state(static_cast<TaskState>(i));
  }
  return counts;
}

const Task* LiveState::apply(const Event& event, WallTime now, std::optional<WallTime> published) {
  event_rate_.add(now, 1);
  ++events_total_;
  monitor_.last_event = now;
  const WallTime arrived = arrival(published, now);
  if (const auto* about_task = std::get_if<TaskEvent>(&event)) {
    WallTime happened = about_task->origin.timestamp;
    if (LiveWorker* worker = worker_of(about_task->origin)) {
      number(about_task->origin, *worker, now, arrived);
      if (about_task->type != TaskEventType::Custom) worker->tasks_taken.take(about_task->origin);
      ++worker->task_events;
      worker->silent = false;
      hear_clock(*worker, happened, arrived);
      happened = worker->clock.ours(happened);
      note_start(*about_task, *worker);
    }
    const Task* const task = merge(*about_task, now, happened);
    if (task != nullptr && run_told_) {
      if (LiveWorker* const worker = worker_of(about_task->origin)) worker->runs.told();
    }
    return task;
  }
  const auto& about_worker = std::get<WorkerEvent>(event);
  const std::string& name = about_worker.origin.hostname;
  if (name.empty()) return nullptr;
  auto found = workers_.find(name);
  if (found == workers_.end()) {
    if (workers_.size() >= kMostWorkers) return nullptr;
    found = workers_.emplace(name, LiveWorker{}).first;
    found->second.state.name = WorkerName{name};
  }
  number(about_worker.origin, found->second, now, arrived);
  found->second.own_taken.take(about_worker.origin);
  if (about_worker.queues && *about_worker.queues != found->second.state.queues) {
    for (const std::string& queue : parts_of(*about_worker.queues)) name_queue(queue);
  }
  found->second.last_told = about_worker.type;
  found->second.says_slots = found->second.says_slots || about_worker.slots.has_value();
  found->second.says_queues = found->second.says_queues || about_worker.queues.has_value();
  hear_clock(found->second, about_worker.origin.timestamp, arrived);
  umbel::apply(found->second.state, about_worker, now);
  if (about_worker.type == WorkerEventType::Online) ++found->second.came_online;
  if (about_worker.type == WorkerEventType::Heartbeat) {
    found->second.twins.heartbeat(about_worker.origin.pid, now);
    if (about_worker.processed && !about_worker.origin.sequence)
      found->second.runs.heartbeat(about_worker.origin.pid, *about_worker.processed,
                                   about_worker.origin.timestamp, now);
  }
  return nullptr;
}

bool LiveState::hear_of(const std::string& name, const WorkerFacts& facts, WallTime now) {
  constexpr double kUnheardFreq = 60;  // seconds; of one that does not say, as in Celery
  auto found = workers_.find(name);
  if (found == workers_.end()) {
    if (name.empty() || workers_.size() >= kMostWorkers) return false;
    found = workers_.emplace(name, LiveWorker{}).first;
    found->second.state.name = WorkerName{name};
    found->second.state.freq = kUnheardFreq;
  }
  LiveWorker& worker = found->second;
  if (!worker.state.said_goodbye) {
    worker.state.last_seen = std::max(worker.state.last_seen.value_or(now), now);
    if (!worker.state.first_seen) worker.state.first_seen = now;
  }
  if (facts.pid > 0 && worker.state.pid == 0) worker.state.pid = facts.pid;
  if (!facts.pool.empty()) worker.pool = facts.pool;
  if (facts.slots > 0 && !worker.says_slots) worker.state.slots = facts.slots;
  if (!facts.queues.empty() && !worker.says_queues) worker.state.queues = facts.queues;
  for (const std::string& queue : parts_of(facts.queues)) name_queue(queue);
  return true;
}

void LiveState::set_silent(const std::string& name, bool silent) {
  if (const auto found = workers_.find(name); found != workers_.end())
    found->second.silent = silent;
}

bool LiveState::set_unknown(const TaskId& id, std::optional<WallTime> since) {
  auto task = tasks_.find(id);
  if (!task || is_final(task->state) || task->unknown_since.has_value() == since.has_value())
    return false;
  task->unknown_since = since;
  tasks_.put(*task);
  return true;
}

const Task* LiveState::apply_again(const TaskEvent& event, WallTime now) {
  return merge(event, now, std::nullopt);
}

// What is read now was published after the stream was last at its end, whatever clocks say: a batch
// of Celery's bears its sender's time alone.
WallTime LiveState::arrival(std::optional<WallTime> published, WallTime now) const {
  WallTime at = published.value_or(now);
  if (monitor_.events_read && *monitor_.events_read >= started_)
    at = std::max(at, *monitor_.events_read);
  return std::min(at, now);
}

void LiveState::hear_clock(LiveWorker& worker, WallTime stamped, WallTime arrived) const {
  const bool drained = monitor_.events_read && *monitor_.events_read >= started_;
  // Before that the batch may have lain for long, and its time be its sender's own.
  const bool says_nothing = arrived <= stamped && stamped - arrived < std::chrono::minutes{1};
  if (drained || !says_nothing) worker.clock.heard(stamped, arrived);
}

LiveWorker* LiveState::worker_of(const EventOrigin& origin) {
  const auto found = workers_.find(origin.hostname);
  return found == workers_.end() ? nullptr : &found->second;
}

void LiveState::note_start(const TaskEvent& event, LiveWorker& worker) {
  if (event.type != TaskEventType::Started || event.uuid.empty()) return;
  std::string name = event.name.value_or("");
  if (name.empty()) {
    if (const Task* known = find(event.uuid)) name = known->name.value_or("");
  }
  if (name.empty()) return;
  if (worker.started.size() < kNamesPerWorker || worker.started.contains(name))
    ++worker.started[name];
}

// A worker numbers its events from 1 at each start.
void LiveState::number(const EventOrigin& origin, LiveWorker& worker, WallTime now,
                       WallTime published) {
  if (!origin.sequence) return;
  const std::uint64_t sequence = *origin.sequence;
  const bool restarted = worker.state.pid != 0 && origin.pid != 0 && origin.pid != worker.state.pid;
  const bool first = worker.last_sequence == 0;
  if (origin.pid != 0) worker.state.pid = origin.pid;
  const std::uint64_t expected = restarted ? 1 : worker.last_sequence + 1;
  if (sequence > expected && (!first || restarted)) {
    totals_.missed_events += sequence - expected;
    missed_rate_.add(now, sequence - expected);
    blind(worker.heard.value_or(published), published, BlindReason::Gap, sequence - expected,
          origin.hostname);
  }
  worker.heard = published;
  // A repeated batch has numbers already seen.
  if (restarted || sequence > worker.last_sequence) worker.last_sequence = sequence;
}

// `happened`: when, by our clock; nothing: it is not counted.
const Task* LiveState::merge(const TaskEvent& event, WallTime now,
                             std::optional<WallTime> happened) {
  if (event.uuid.empty()) return nullptr;
  auto known = tasks_.find(event.uuid);
  if (!known) known = tasks_.stub(event.uuid);
  Task before;
  if (known) {
    before = *known;
    merged_ = std::move(*known);
  } else {
    merged_ = Task{};
    merged_.uuid = event.uuid;
  }
  umbel::apply(merged_, event);
  tasks_.put(merged_);
  if (event.queue) name_queue(*event.queue);
  run_told_ = tells_of_a_run(before, event);
  if (!happened) return &merged_;
  const Counted counts = counted(before, event, merged_);
  std::int64_t second = 0;
  const auto count = [&](bool it_did, Count what, std::uint64_t& total) {
    if (!it_did) return;
    ++total;
    second = series_.count(what, *happened, now);
    rollup_.count(what, second);
  };
  count(counts.received, Count::Received, totals_.received);
  count(counts.retried, Count::Retried, totals_.retried);
  count(counts.succeeded, Count::Succeeded, totals_.succeeded);
  count(counts.failed, Count::Failed, totals_.failed);
  NameSample sample{
      .name = merged_.name ? std::string_view{*merged_.name} : std::string_view{},
      .queue = merged_.queue ? std::string_view{*merged_.queue} : std::string_view{},
      .worker = merged_.worker ? std::string_view{*merged_.worker} : std::string_view{},
      .received = counts.received,
      .succeeded = counts.succeeded,
      .failed = counts.failed,
      .retried = counts.retried,
      .waited = wait_of(before, event, merged_),
      .ran = {}};
  const std::int64_t own_second = unix_second(std::min(*happened, now));
  if (sample.waited) rollup_.waited(*sample.waited, own_second);
  const bool ended = counts.succeeded || counts.failed;
  if (ended && event.runtime && *event.runtime >= 0 && *event.runtime < 1e12) {
    sample.ran = microseconds{static_cast<std::int64_t>(*event.runtime * 1e6)};
    rollup_.ran(*sample.ran, second);
  }
  if (counts.failed) errors_.note(merged_, own_second);
  names_.take(sample, second != 0 ? second : own_second);
  if (ended && workers_.contains(event.origin.hostname))
    worker_details_[event.origin.hostname].end(sample.name, counts.succeeded);
  return &merged_;
}

const WorkerDetail* LiveState::worker_detail(const std::string& name) const {
  const auto found = worker_details_.find(name);
  return found == worker_details_.end() ? nullptr : &found->second;
}

const Task* LiveState::find(const TaskId& id) const {
  auto found = tasks_.find(id);
  if (!found) return nullptr;
  found_ = std::move(*found);
  return &found_;
}

}  // namespace umbel::collector
