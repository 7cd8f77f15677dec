#include "live_state.hpp"

#include <algorithm>

namespace umbel::collector {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr auto kRateWindow = seconds{10};
constexpr auto kForgetLeft = std::chrono::minutes{10};
constexpr auto kForgetLost = std::chrono::hours{1};
constexpr auto kMournLost = std::chrono::minutes{10};  // later its loss is no news
constexpr int kLookedAtForEviction = 32;

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

std::size_t index(TaskState state) { return static_cast<std::size_t>(state); }

}  // namespace

LiveState::LiveState(std::size_t most_tasks, WallTime started)
    : most_tasks_{std::max<std::size_t>(most_tasks, 1)}, started_{started} {}

void LiveState::restore(LiveWorker worker) {
  const std::string name = worker.state.name.str();
  workers_.insert_or_assign(name, std::move(worker));
}

void LiveState::adopt(Task task) {
  if (knows(task.uuid)) return;
  make_room();
  insert(std::move(task));
}

LiveState::Tasks::iterator LiveState::insert(Task task) {
  ++by_state_[index(task.state)];
  const TaskId id = task.uuid;
  tasks_.push_front({std::move(task), ++version_});
  by_id_.emplace(id, tasks_.begin());
  return tasks_.begin();
}

void LiveState::make_room() {
  while (tasks_.size() >= most_tasks_) {
    // What is finished will hardly change any more; what is not would have to be read back from the
    // history.
    auto victim = std::prev(tasks_.end());
    auto candidate = victim;
    for (int i = 0; i < kLookedAtForEviction; ++i) {
      if (is_final(candidate->task.state)) {
        victim = candidate;
        break;
      }
      if (candidate == tasks_.begin()) break;
      --candidate;
    }
    --by_state_[index(victim->task.state)];
    by_id_.erase(victim->task.uuid);
    tasks_.erase(victim);
    ++evicted_;
  }
}

const Task* LiveState::apply(const Event& event, WallTime now) {
  bump(event_rate_, now, 1, kRateWindow.count());
  monitor_.last_event = now;
  if (const auto* about_task = std::get_if<TaskEvent>(&event)) {
    if (LiveWorker* worker = worker_of(about_task->origin)) {
      number(about_task->origin, *worker, now);
      if (about_task->type == TaskEventType::Started && about_task->uuid != TaskId{}) {
        const Task* known = find(about_task->uuid);
        const std::string name =
            about_task->name.value_or(known != nullptr ? known->name.value_or("") : "");
        if (!name.empty() &&
            (worker->started.size() < kNamesPerWorker || worker->started.contains(name))) {
          ++worker->started[name];
        }
      }
    }
    return apply_task(*about_task, now);
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
  number(about_worker.origin, found->second, now);
  umbel::apply(found->second.state, about_worker, now);
  return nullptr;
}

LiveWorker* LiveState::worker_of(const EventOrigin& origin) {
  const auto found = workers_.find(origin.hostname);
  return found == workers_.end() ? nullptr : &found->second;
}

// A worker numbers its events from 1 at each start.
void LiveState::number(const EventOrigin& origin, LiveWorker& worker, WallTime now) {
  if (!origin.sequence) return;
  const std::uint64_t sequence = *origin.sequence;
  const bool restarted = worker.state.pid != 0 && origin.pid != 0 && origin.pid != worker.state.pid;
  const bool first = worker.last_sequence == 0;
  if (origin.pid != 0) worker.state.pid = origin.pid;
  const std::uint64_t expected = restarted ? 1 : worker.last_sequence + 1;
  if (sequence > expected && (!first || restarted)) {
    totals_.missed_events += sequence - expected;
    bump(missed_rate_, now, sequence - expected, 60);
  }
  // A repeated batch has numbers already seen.
  if (restarted || sequence > worker.last_sequence) worker.last_sequence = sequence;
}

const Task* LiveState::apply_task(const TaskEvent& event, WallTime now) {
  if (event.uuid.empty()) return nullptr;
  auto found = by_id_.find(event.uuid);
  Tasks::iterator entry;
  if (found == by_id_.end()) {
    make_room();
    Task fresh;
    fresh.uuid = event.uuid;
    entry = insert(std::move(fresh));
  } else {
    entry = found->second;
    tasks_.splice(tasks_.begin(), tasks_, entry);
    entry->version = ++version_;
  }
  Task& task = entry->task;
  const TaskState before = task.state;
  // The same event again has the same time: what it did is not done twice.
  const bool received_again = task.received == event.origin.timestamp;
  const bool retried_again = task.retried == event.origin.timestamp;
  umbel::apply(task, event);
  if (task.state != before) {
    --by_state_[index(before)];
    ++by_state_[index(task.state)];
  }
  const auto count = [&](Count what, std::uint64_t& total) {
    ++total;
    series_.count(what, event.origin.timestamp, now);
  };
  if (event.type == TaskEventType::Received && !received_again)
    count(Count::Received, totals_.received);
  if (event.type == TaskEventType::Retried && !retried_again)
    count(Count::Retried, totals_.retried);
  if (task.state != before && task.state == TaskState::Success)
    count(Count::Succeeded, totals_.succeeded);
  if (task.state != before && task.state == TaskState::Failure)
    count(Count::Failed, totals_.failed);
  return &task;
}

void LiveState::caught_up(WallTime now) {
  series_.observe(std::min(monitor_.events_read.value_or(now), now), now);
  monitor_.events_read = now;
}

void LiveState::blind_until(WallTime from) {
  if (!monitor_.events_read || *monitor_.events_read < from) monitor_.events_read = from;
}

void LiveState::set_lag(microseconds lag, WallTime now) {
  monitor_.lag = std::max(lag, microseconds{0});
  monitor_.lag_at = now;
}

void LiveState::set_queues(const std::vector<QueueFigures>& queues, WallTime now) {
  Sample sample{.at = now, .totals = {}};
  for (const QueueFigures& each : queues) {
    sample.totals.emplace(each.name.str(), std::pair{each.published_total, each.acked_total});
  }
  while (!samples_.empty() && samples_.front().at + kRateWindow < now) samples_.pop_front();
  std::map<std::string, LiveQueue> fresh;
  for (const QueueFigures& each : queues) {
    LiveQueue queue{.figures = each, .in_rate = std::nullopt, .out_rate = std::nullopt};
    if (!samples_.empty() && samples_.front().at < now) {
      const auto before = samples_.front().totals.find(each.name.str());
      const double span = std::chrono::duration<double>(now - samples_.front().at).count();
      const auto rate = [span](std::uint64_t is, std::uint64_t was) {
        return is < was ? 0.0 : static_cast<double>(is - was) / span;
      };
      const auto was = before == samples_.front().totals.end()
                           ? std::pair<std::uint64_t, std::uint64_t>{}
                           : before->second;
      queue.in_rate = rate(each.published_total, was.first);
      queue.out_rate = rate(each.acked_total, was.second);
    }
    fresh.emplace(each.name.str(), std::move(queue));
  }
  samples_.push_back(std::move(sample));
  queues_ = std::move(fresh);
  monitor_.queues_read = now;
}

void LiveState::tick(WallTime now) {
  const bool queues_known = monitor_.queues_read && now - *monitor_.queues_read < seconds{3};
  std::uint64_t ready = 0;
  for (const auto& [name, queue] : queues_) ready += queue.figures.ready;
  if (monitor_.events_read && now - *monitor_.events_read < seconds{3}) {
    series_.measure(now, in_state(TaskState::Started),
                    queues_known ? std::optional{ready} : std::nullopt);
  }
  std::erase_if(workers_, [now](const auto& item) {
    const WorkerState& worker = item.second.state;
    if (!worker.last_seen) return false;
    const auto silent = now - *worker.last_seen;
    return worker.status(now) == WorkerStatus::Left ? silent > kForgetLeft : silent > kForgetLost;
  });
}

const Task* LiveState::find(const TaskId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second->task;
}

std::uint64_t LiveState::waiting() const {
  std::uint64_t total = 0;
  for (const auto& [name, queue] : queues_) total += queue.figures.ready + queue.figures.delayed;
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

Truth LiveState::truth(WallTime now) const {
  TruthFacts facts;
  facts.up = now - started_;
  // What was read before this start says nothing of whether it can be read now.
  if (monitor_.events_read && *monitor_.events_read >= started_)
    facts.blind_for = now - *monitor_.events_read;
  if (monitor_.queues_read) facts.queues_age = now - *monitor_.queues_read;
  facts.lag = now - monitor_.lag_at < kRateWindow ? monitor_.lag : microseconds{0};
  for (const auto& [name, worker] : workers_) {
    const WorkerStatus status = worker.state.status(now);
    if (status == WorkerStatus::Online) ++facts.workers_online;
    if (status == WorkerStatus::Lost && now - worker.state.last_seen.value_or(now) < kMournLost) {
      facts.workers_lost.push_back(name);
    }
  }
  for (const auto& [name, queue] : queues_) {
    QueueFact fact{name, queue.figures.ready, queue.figures.consumers, std::nullopt};
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
  return line_of_truth(facts);
}

}  // namespace umbel::collector
