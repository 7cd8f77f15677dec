// How the live state knows what it does not know: spans that were not seen, how far behind it is,
// and what all of it comes to in one line.
#include <algorithm>

#include "live_state.hpp"

namespace umbel::collector {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr auto kForgetLeft = std::chrono::minutes{10};
constexpr auto kForgetLost = std::chrono::hours{1};
constexpr auto kMournLost = std::chrono::minutes{10};  // later its loss is no news
constexpr auto kLate = seconds{10};  // without a look at the end of the stream: worth noting
constexpr auto kDeaf = seconds{3};
constexpr std::int64_t kLongestRead = 86'400;  // seconds that are marked as watched at once

void shift(std::optional<WallTime>& time, microseconds by) {
  if (time) *time += by;
}

}  // namespace

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
  event_rate_.clock_stepped(by);
  missed_rate_.clock_stepped(by);
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

WallTime LiveState::heard_until(WallTime now) const {
  const auto& read = monitor_.events_read;
  return read && *read >= started_ && now - *read > kDeaf ? *read : now;
}

double LiveState::events_per_second(WallTime now) const {
  return static_cast<double>(event_rate_.sum(now)) / static_cast<double>(kRateWindow.count());
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
  if (const auto& wrong = monitor_.schedule_error) {
    facts.schedule_wrong = {std::max<microseconds>(now - wrong->since, microseconds{0}),
                            std::max<microseconds>(now - wrong->in_force_since, microseconds{0}),
                            wrong->what};
  }
  facts.lag = now - monitor_.lag_at < kRateWindow ? monitor_.lag : microseconds{0};
  for (const auto& [name, worker] : workers_) {
    const WorkerStatus status = worker.state.status(now);
    if (status == WorkerStatus::Online) ++facts.workers_online;
    if (status == WorkerStatus::Online && worker.silent) facts.workers_silent.push_back(name);
    if (status == WorkerStatus::Online && worker.twins.seen(now))
      facts.workers_twins.push_back(name);
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
  facts.missed_lately = missed_rate_.sum(now);
  facts.history_error = monitor_.history_error;
  facts.broker_error = monitor_.broker_error;
  facts.store_error = monitor_.store_error;
  facts.taken = taken(now).value_or(0);
  facts.history_sheds =
      monitor_.history_shed && now - *monitor_.history_shed < std::chrono::minutes{1};
  return line_of_truth(facts);
}

}  // namespace umbel::collector
