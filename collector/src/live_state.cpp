#include "live_state.hpp"

#include <algorithm>
#include <set>

namespace umbel::collector {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr auto kRateWindow = seconds{10};
constexpr auto kForgetLeft = std::chrono::minutes{10};
constexpr auto kForgetLost = std::chrono::hours{1};
constexpr auto kMournLost = std::chrono::minutes{10};  // later its loss is no news
constexpr auto kLate = seconds{10};  // without a look at the end of the stream: worth noting
constexpr std::size_t kLookedThrough = 20'000;  // tasks, for the oldest of each queue
constexpr std::int64_t kLongestRead = 86'400;   // seconds that are marked as watched at once

void bump(std::deque<std::pair<std::int64_t, std::uint64_t>>& counts, WallTime now,
          std::uint64_t by, std::int64_t window) {
  const std::int64_t second = unix_second(now);
  if (counts.empty() || counts.back().first != second) counts.emplace_back(second, 0);
  counts.back().second += by;
  while (counts.front().first + window < second) counts.pop_front();
}

std::uint64_t sum(const std::deque<std::pair<std::int64_t, std::uint64_t>>& counts, WallTime now,
                  std::int64_t window) {
  std::uint64_t total = 0;
  for (const auto& [second, count] : counts) {
    if (second + window >= unix_second(now)) total += count;
  }
  return total;
}

TableLimits limits_for(std::size_t most_tasks) {
  TableLimits limits;
  limits.tasks = std::max<std::size_t>(most_tasks, 1);
  limits.with_texts = std::clamp<std::size_t>(most_tasks / 20, 1000, 5000);
  return limits;
}

void shift(std::optional<WallTime>& time, microseconds by) {
  if (time) *time += by;
}

void shift(std::deque<std::pair<std::int64_t, std::uint64_t>>& counts, microseconds by) {
  for (auto& [second, count] : counts) second += std::chrono::floor<seconds>(by).count();
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

std::vector<std::string> parts_of(std::string_view list) {  // comma separated
  std::vector<std::string> parts;
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (comma != 0) parts.emplace_back(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return parts;
}

bool runs_or_ran(const Task& task) {
  return after(task.started, task.retried) || task.state == TaskState::Success ||
         task.state == TaskState::Failure;
}

Counted counted(const Task& before, const TaskEvent& event, const Task& now) {
  Counted counts;
  // The same event again has the same time: what it did is not done twice.
  const auto& at = event.origin.timestamp;
  const bool received_told = after(before.received, before.retried);
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

// How long the task waited for this start; nothing: it is not one, or the receiving is not known.
std::optional<microseconds> wait_of(const Task& before, const TaskEvent& event, const Task& now) {
  if (event.type != TaskEventType::Started || before.started == event.origin.timestamp)
    return std::nullopt;
  if (!now.received || !after(now.received, now.retried)) return std::nullopt;
  return std::max(event.origin.timestamp - *now.received, microseconds{0});
}

}  // namespace

void TakenIn::take(const EventOrigin& origin) {
  if (origin.pid == 0) return;  // made of a result, or of what a worker said when it was asked
  if (origin.pid == pid && origin.timestamp < at) return;
  at = origin.timestamp;
  clock = origin.clock;
  pid = origin.pid;
}

bool TakenIn::covers(const EventOrigin& origin) const {
  return origin.pid == pid && origin.timestamp <= at &&
         (!origin.clock || !clock || *origin.clock <= *clock);
}

LiveState::LiveState(std::size_t most_tasks, WallTime started)
    : started_{started}, tasks_{limits_for(most_tasks)}, names_{started} {}

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
  bump(event_rate_, now, 1, kRateWindow.count());
  ++events_total_;
  monitor_.last_event = now;
  const WallTime arrived = std::min(published.value_or(now), now);
  if (const auto* about_task = std::get_if<TaskEvent>(&event)) {
    WallTime happened = about_task->origin.timestamp;
    if (LiveWorker* worker = worker_of(about_task->origin)) {
      number(about_task->origin, *worker, now, arrived);
      if (about_task->type != TaskEventType::Custom) worker->tasks_taken.take(about_task->origin);
      ++worker->task_events;
      worker->silent = false;
      worker->clock.heard(happened, arrived);
      happened = worker->clock.ours(happened);
      note_start(*about_task, *worker);
    }
    return merge(*about_task, now, happened);
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
  found->second.clock.heard(about_worker.origin.timestamp, arrived);
  umbel::apply(found->second.state, about_worker, now);
  return nullptr;
}

const LiveWorker* LiveState::sender_of(const Event& event) const {
  const auto& origin =
      std::visit([](const auto& each) -> const EventOrigin& { return each.origin; }, event);
  const auto found = workers_.find(origin.hostname);
  return found == workers_.end() ? nullptr : &found->second;
}

bool LiveState::perhaps_applied(const Event& event) const {
  const LiveWorker* const worker = sender_of(event);
  if (worker == nullptr) return false;
  const auto* const about_task = std::get_if<TaskEvent>(&event);
  return about_task != nullptr ? worker->tasks_taken.covers(about_task->origin)
                               : worker->own_taken.covers(std::get<WorkerEvent>(event).origin);
}

bool LiveState::was_applied(const Event& event) const {
  if (!perhaps_applied(event)) return false;
  const auto* const about_task = std::get_if<TaskEvent>(&event);
  if (about_task == nullptr) {
    const LiveWorker& worker = *sender_of(event);
    const auto& about_worker = std::get<WorkerEvent>(event);
    const auto& sequence = about_worker.origin.sequence;
    return (!sequence || *sequence <= worker.last_sequence) &&
           (about_worker.origin.timestamp < worker.own_taken.at ||
            about_worker.type == worker.last_told);
  }
  auto task = tasks_.find(about_task->uuid);
  if (!task) task = tasks_.stub(about_task->uuid);
  if (!task) return false;
  const auto shows = [&](const std::optional<WallTime>& time) {
    return time && *time >= about_task->origin.timestamp;
  };
  switch (about_task->type) {
    case TaskEventType::Received:
      return shows(task->received);
    case TaskEventType::Started:
      return shows(task->started);
    case TaskEventType::Succeeded:
      return shows(task->succeeded);
    case TaskEventType::Failed:
      return shows(task->failed);
    case TaskEventType::Retried:
      return shows(task->retried);
    case TaskEventType::Revoked:
      return shows(task->revoked);
    case TaskEventType::Rejected:
      return shows(task->rejected);
    case TaskEventType::Sent:
    case TaskEventType::Custom:
      break;
  }
  return false;
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

void LiveState::name_queue(const std::string& name) {
  if (!name.empty() && (named_queues_.size() < kMostQueueNames || named_queues_.contains(name)))
    named_queues_.insert(name);
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
    bump(missed_rate_, now, sequence - expected, 60);
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

void LiveState::blind(WallTime from, WallTime to, BlindReason reason, std::uint64_t lost,
                      const std::string& who) {
  unseen_ = true;
  const std::int64_t longer = blind_.add({.from = unix_second(from),
                                          .to = unix_second(to),
                                          .reason = reason,
                                          .lost = lost,
                                          .who = who});
  blind_seconds_[static_cast<std::size_t>(reason)] += static_cast<std::uint64_t>(longer);
}

void LiveState::count_cut_batches(std::uint64_t count, std::optional<WallTime> from, WallTime to) {
  totals_.cut_batches += count;
  blind(std::min(from.value_or(to), to), to, BlindReason::Cut, count);
}

void LiveState::clock_stepped(microseconds by) {
  started_ += by;
  for (auto* time : {&monitor_.events_read, &monitor_.queues_read, &monitor_.last_event,
                     &monitor_.history_shed}) {
    shift(*time, by);
  }
  monitor_.lag_at += by;
  for (auto& [name, worker] : workers_) {
    for (auto* time : {&worker.state.first_seen, &worker.state.last_seen, &worker.heard})
      shift(*time, by);
    worker.clock = {};
  }
  for (Sample& sample : samples_) sample.at += by;
  for (auto& [name, queue] : queue_details_) queue.clock_stepped(by);
  shift(event_rate_, by);
  shift(missed_rate_, by);
  watched_ += std::chrono::floor<seconds>(by).count();
}

void LiveState::caught_up(WallTime now) {
  const WallTime from = std::min(monitor_.events_read.value_or(now), now);
  series_.observe(from, now);
  const std::int64_t last = unix_second(now);
  for (std::int64_t t = std::max({unix_second(from), watched_ + 1, last - kLongestRead}); t < last;
       ++t) {
    rollup_.watched(t);
    watched_ = t;
  }
  monitor_.events_read = now;
  if (unseen_) ++gaps_;
  unseen_ = false;
}

void LiveState::blind_until(WallTime from) {
  if (!monitor_.events_read || *monitor_.events_read < from) monitor_.events_read = from;
}

void LiveState::set_lag(microseconds lag, WallTime now) {
  monitor_.lag = std::max(lag, microseconds{0});
  // What is read now was published after the stream was last at its end, whatever clocks say.
  if (monitor_.events_read && *monitor_.events_read >= started_)
    monitor_.lag = std::min(monitor_.lag, std::max(now - *monitor_.events_read, microseconds{0}));
  monitor_.lag_at = now;
}

void LiveState::set_broker_error(std::string error) {
  const bool changed = monitor_.broker_error != error;
  monitor_.broker_error = std::move(error);
  if (changed) explain_queues(monitor_.queues_read.value_or(started_));
}

std::vector<QueueName> LiveState::queues_heard_of() const {
  std::set<std::string> names = named_queues_;
  for (const auto& [name, queue] : queues_) names.insert(name);
  for (const auto& [name, worker] : workers_) {
    for (auto& each : parts_of(worker.state.queues)) names.insert(std::move(each));
  }
  std::vector<QueueName> all;
  for (const auto& name : names) all.emplace_back(name);
  return all;
}

void LiveState::set_queues(const std::vector<QueueFigures>& queues, WallTime now) {
  Sample sample{.at = now, .totals = {}};
  for (const QueueFigures& each : queues) {
    sample.totals.emplace(each.name.str(), std::pair{each.published_total, each.acked_total});
  }
  while (!samples_.empty() && samples_.front().at + kRateWindow < now) samples_.pop_front();
  std::map<std::string, LiveQueue> fresh;
  for (const QueueFigures& each : queues) {
    LiveQueue queue;
    queue.figures = each;
    if (!samples_.empty() && samples_.front().at < now) {
      const auto before = samples_.front().totals.find(each.name.str());
      const double span = std::chrono::duration<double>(now - samples_.front().at).count();
      using Total = std::optional<std::uint64_t>;
      const auto rate = [span](Total is, Total was) -> std::optional<double> {
        if (!is || !was) return std::nullopt;
        return *is < *was ? 0.0 : static_cast<double>(*is - *was) / span;
      };
      const auto was =
          before == samples_.front().totals.end() ? std::pair{Total{0}, Total{0}} : before->second;
      queue.in_rate = rate(each.published_total, was.first);
      queue.out_rate = rate(each.acked_total, was.second);
    }
    fresh.emplace(each.name.str(), std::move(queue));
  }
  samples_.push_back(std::move(sample));
  queues_ = std::move(fresh);
  monitor_.queues_read = now;
  measure_queues(queues, now);
  explain_queues(now);
}

void LiveState::measure_queues(const std::vector<QueueFigures>& queues, WallTime now) {
  std::erase_if(queue_details_, [&](const auto& item) { return !queues_.contains(item.first); });
  std::vector<std::pair<std::vector<std::string>, std::int64_t>> takers;
  for (const auto& [name, worker] : workers_)
    takers.emplace_back(parts_of(worker.state.queues), worker.state.processed);
  for (const QueueFigures& each : queues) {
    auto detail = queue_details_.find(each.name.str());
    if (detail == queue_details_.end()) {
      if (queue_details_.size() >= kMostQueueDetails) continue;
      detail = queue_details_.try_emplace(each.name.str()).first;
    }
    std::int64_t processed = 0;
    for (const auto& [takes, by_them] : takers) {
      if (takes.empty() || std::find(takes.begin(), takes.end(), each.name.str()) != takes.end())
        processed += by_them;
    }
    detail->second.measure(each, processed, now);
  }
}

std::vector<WorkerStand> LiveState::worker_stands(WallTime now) const {
  std::map<std::string_view, std::vector<std::pair<std::string, std::uint64_t>>> runs;
  tasks_.each_running([&](const std::string& worker, const std::string& name, std::uint64_t tasks) {
    runs[worker].emplace_back(name, tasks);
  });
  std::vector<WorkerStand> stands;
  for (const auto& [name, worker] : workers_) {
    const WorkerStatus status = worker.state.status(now);
    if (status == WorkerStatus::Left) continue;
    WorkerStand stand;
    stand.name = name;
    stand.online = status == WorkerStatus::Online;
    stand.queues = parts_of(worker.state.queues);
    stand.active = worker.state.active;
    stand.slots = worker.state.slots;
    stand.stuck = worker.state.stuck;
    if (const auto found = runs.find(name); found != runs.end()) stand.runs = found->second;
    stands.push_back(std::move(stand));
  }
  return stands;
}

void LiveState::explain_queues(WallTime now) {
  const std::vector<WorkerStand> stands = worker_stands(now);
  const auto oldest = tasks_.oldest_by_queue(kLookedThrough);
  for (auto& [name, queue] : queues_) {
    const QueueDetail* const detail = queue_detail(name);
    const auto moved = detail == nullptr ? std::nullopt : detail->moved();
    QueueStand stand{.ready = queue.figures.ready,
                     .delayed = queue.figures.delayed.value_or(0),
                     .consumers = queue.figures.consumers,
                     .unmoved = {}};
    if (moved) stand.unmoved = std::max(now - *moved, microseconds{0});
    queue.drain_seconds = drain_seconds(stand.ready, queue.in_rate, queue.out_rate);
    queue.why = standstill(name, stand, stands, monitor_.broker_error);
    const bool stands_still = stand.ready > 0 && stand.unmoved && *stand.unmoved >= kStandsStill;
    queue.stalled_since = stands_still ? moved : std::nullopt;
    const auto known = oldest.find(name);
    queue.oldest_task = known == oldest.end() ? TaskId{} : known->second;
  }
}

const WorkerDetail* LiveState::worker_detail(const std::string& name) const {
  const auto found = worker_details_.find(name);
  return found == worker_details_.end() ? nullptr : &found->second;
}

const QueueDetail* LiveState::queue_detail(const std::string& name) const {
  const auto found = queue_details_.find(name);
  return found == queue_details_.end() ? nullptr : &found->second;
}

void LiveState::tick(WallTime now) {
  const bool queues_known = monitor_.queues_read && now - *monitor_.queues_read < seconds{3};
  std::uint64_t ready = 0;
  for (const auto& [name, queue] : queues_) ready += queue.figures.ready;
  if (monitor_.events_read && now - *monitor_.events_read < seconds{3}) {
    const auto waiting = queues_known ? std::optional{ready} : std::nullopt;
    series_.measure(now, running(), waiting);
    rollup_.measure(unix_second(now), running(), waiting);
  } else if (monitor_.events_read && *monitor_.events_read >= started_ &&
             now - *monitor_.events_read >= kLate) {
    const bool reading = now - monitor_.lag_at < kLate;
    blind(*monitor_.events_read, now, reading ? BlindReason::Behind : BlindReason::Outage);
  }
  rollup_.forget(unix_second(now));
  for (const auto& [name, worker] : workers_) {
    if (worker.state.status(now) == WorkerStatus::Online)
      worker_details_[name].look(worker.state.active, unix_second(now));
  }
  std::erase_if(workers_, [now](const auto& item) {
    const WorkerState& worker = item.second.state;
    if (!worker.last_seen) return false;
    const auto silent = now - *worker.last_seen;
    return worker.status(now) == WorkerStatus::Left ? silent > kForgetLeft : silent > kForgetLost;
  });
  std::erase_if(worker_details_, [&](const auto& item) { return !workers_.contains(item.first); });
}

const Task* LiveState::find(const TaskId& id) const {
  auto found = tasks_.find(id);
  if (!found) return nullptr;
  found_ = std::move(*found);
  return &found_;
}

std::uint64_t LiveState::waiting() const {
  std::uint64_t total = 0;
  for (const auto& [name, queue] : queues_)
    total += queue.figures.ready + queue.figures.delayed.value_or(0);
  return total;
}

double LiveState::events_per_second(WallTime now) const {
  return static_cast<double>(sum(event_rate_, now, kRateWindow.count())) /
         static_cast<double>(kRateWindow.count());
}

microseconds LiveState::lag(WallTime now) const {
  const auto unread = monitor_.events_read ? now - *monitor_.events_read : now - started_;
  const auto of_events = now - monitor_.lag_at < kRateWindow ? monitor_.lag : microseconds{0};
  return unread > seconds{2} ? std::max<microseconds>(unread, of_events) : of_events;
}

std::optional<std::uint64_t> LiveState::taken(WallTime now) const {
  std::uint64_t held = 0, running = 0;
  for (const auto& [name, queue] : queues_) {
    if (!queue.figures.unacked) return std::nullopt;
    held += *queue.figures.unacked;
  }
  for (const auto& [name, worker] : workers_) {
    if (worker.state.status(now) != WorkerStatus::Online) continue;
    running += static_cast<std::uint64_t>(std::max<std::int64_t>(worker.state.active, 0));
  }
  return held > running ? held - running : 0;
}

Truth LiveState::truth(WallTime now) const {
  TruthFacts facts;
  facts.up = now - started_;
  // What was read before this start says nothing of whether it can be read now.
  if (monitor_.events_read && *monitor_.events_read >= started_)
    facts.blind_for = now - *monitor_.events_read;
  if (monitor_.queues_read) facts.queues_age = now - *monitor_.queues_read;
  if (const auto& wrong = monitor_.schedule_error) {
    facts.schedule_wrong = {std::max<microseconds>(now - wrong->since, microseconds{0}),
                            std::max<microseconds>(now - wrong->in_force_since, microseconds{0}),
                            wrong->what};
  }
  facts.lag = now - monitor_.lag_at < kRateWindow ? monitor_.lag : microseconds{0};
  for (const auto& [name, worker] : workers_) {
    const WorkerStatus status = worker.state.status(now);
    if (status == WorkerStatus::Online) ++facts.workers_online;
    if (status == WorkerStatus::Online && worker.state.stuck > 0) {
      facts.workers_stuck.push_back({name, static_cast<std::uint64_t>(worker.state.stuck),
                                     static_cast<std::uint64_t>(worker.state.slots)});
    }
    if (status == WorkerStatus::Lost && now - worker.state.last_seen.value_or(now) < kMournLost) {
      facts.workers_lost.push_back(name);
    }
  }
  for (const auto& [name, queue] : queues_) {
    QueueFact fact{name, queue.figures.ready, queue.figures.consumers, std::nullopt, {}, {}};
    fact.why = queue.why;
    if (queue.stalled_since) fact.unmoved = now - *queue.stalled_since;
    if (queue.figures.oldest_ready) {
      fact.oldest_wait = std::max<microseconds>(now - *queue.figures.oldest_ready, microseconds{0});
    }
    facts.queues.push_back(std::move(fact));
  }
  facts.failed = series_.sum(Count::Failed, now, 60);
  facts.finished = facts.failed + series_.sum(Count::Succeeded, now, 60);
  facts.seconds_seen = series_.seen(now, 60);
  facts.missed_lately = sum(missed_rate_, now, 60);
  facts.history_error = monitor_.history_error;
  facts.broker_error = monitor_.broker_error;
  facts.store_error = monitor_.store_error;
  facts.taken = taken(now).value_or(0);
  facts.history_sheds =
      monitor_.history_shed && now - *monitor_.history_shed < std::chrono::minutes{1};
  return line_of_truth(facts);
}

}  // namespace umbel::collector
