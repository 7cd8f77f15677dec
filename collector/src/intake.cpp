#include "intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "closing.hpp"
#include "kept.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kBatches = 256;       // read at a time
constexpr std::size_t kLatestLoaded = 200;  // finished tasks that a start shows again
constexpr std::size_t kResultsRead = 1000;  // at a time
constexpr std::size_t kMostAwaited = 20'000;
constexpr std::size_t kDetail = 200;      // bytes of a moment's detail
constexpr auto kIdleFlush = seconds{10};  // keeps the position of an idle monitor

Moment moment_of(const TaskEvent& event) {
  const std::string detail = event.exception ? *event.exception
                             : event.eta     ? "eta " + *event.eta
                                             : "";
  return {.task = event.uuid,
          .at = event.origin.timestamp,
          .type = std::string{short_name(event)},
          .worker = event.origin.hostname,
          .detail = shortened(detail, kDetail)};
}

// Whether the history may know more of this task than the event says.
bool may_be_known(const TaskEvent& event, bool some_were_evicted) {
  const bool first = event.type == TaskEventType::Sent || event.type == TaskEventType::Received;
  return !first || event.retries.value_or(0) > 0 || some_were_evicted;
}

}  // namespace

Intake::Intake(Broker& broker, ResultStore& results, History& history, Live& live,
               const Clock& clock, metrics::Metrics& metrics, Log log, IntakeOptions options,
               std::function<std::uint64_t()> push_sequence)
    : broker_{broker},
      results_{results},
      history_{history},
      live_{live},
      clock_{clock},
      metrics_{metrics},
      log_{log},
      options_{std::move(options)},
      push_sequence_{std::move(push_sequence)},
      events_outage_{"reading events", clock, log},
      history_outage_{"writing the history", clock, log},
      results_outage_{"reading results", clock, log} {
  for (const metrics::Family* family :
       {&metrics::kEventsUndecodable, &metrics::kEventsGap, &metrics::kEventBatchesCut,
        &metrics::kTasksClosed, &metrics::kTasksEvicted, &metrics::kHistoryRows,
        &metrics::kHistoryErrors}) {
    (void)metrics_.counter(*family);
  }
  (void)metrics_.histogram(metrics::kHistoryBatchSeconds);
}

Intake::~Intake() { stop(); }

Result<void> Intake::load() {
  auto position = history_.position();
  if (!position) return position.error();
  auto kept = from_note(position->note);
  if (!kept) {
    log_.warn("the counts kept with the history cannot be read and begin anew",
              {{"error", kept.error().what}});
    kept = Kept{};
  }
  auto unfinished = history_.unfinished(options_.most_tasks);
  if (!unfinished) return unfinished.error();
  auto latest = history_.latest(kLatestLoaded, std::nullopt);
  if (!latest) return latest.error();
  std::vector<Task> tasks = std::move(*unfinished);
  std::move(latest->tasks.begin(), latest->tasks.end(), std::back_inserter(tasks));
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.timestamp < b.timestamp; });
  since_ = kept->since ? kept->since : std::optional{clock_.wall()};
  live_.with([&](LiveState& state) {
    state.restore(kept->totals);
    for (LiveWorker& worker : kept->workers) state.restore(std::move(worker));
    for (Task& task : tasks) state.adopt(std::move(task));
    if (kept->events_read) state.blind_until(*kept->events_read);
  });
  position_ = committed_ = std::move(*position);
  tailed_ = position_.result_sequence;
  return {};
}

void Intake::start() {
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void Intake::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Intake::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (subscription_ || subscribe()) {
      const auto batches = subscription_->next(kBatches, options_.flush_every, stop);
      if (batches) {
        events_outage_.over();
        take(*batches);
      } else if (!stop.stop_requested()) {
        events_outage_.failed(batches.error());
        subscription_.reset();
      }
    }
    const std::string broken =
        events_outage_.failing() ? "events cannot be read from the broker" : "";
    say(broken, history_error_);
    if (clock_.steady() - last_tail_ >= options_.tail_every) tail_results();
    flush_if_due(false);
    if (events_outage_.failing()) {
      drained_ = false;
      pause(stop, events_outage_.wait());
    }
  }
  flush_if_due(true);
  subscription_.reset();
}

void Intake::pause(const std::stop_token& stop, milliseconds time) {
  std::unique_lock lock{wake_mutex_};
  wake_.wait_for(lock, stop, time, [] { return false; });
}

bool Intake::subscribe() {
  SubscribeOptions options{.name = options_.subscriber, .after = std::nullopt};
  if (position_.event_offset > 0) options.after = position_.event_offset;
  auto subscription = broker_.subscribe(options);
  if (!subscription) {
    events_outage_.failed(subscription.error());
    return false;
  }
  subscription_ = std::move(*subscription);
  return true;
}

void Intake::take(const std::vector<EventBatch>& batches) {
  std::vector<Event> events;
  for (const EventBatch& batch : batches) {
    if (position_.event_offset > 0 && batch.offset > position_.event_offset + 1) {
      const std::uint64_t cut = batch.offset - position_.event_offset - 1;
      metrics_.counter(metrics::kEventBatchesCut).Increment(static_cast<double>(cut));
      log_.error("events were cut off before they were read", {{"batches", cut}});
      live_.with([&](LiveState& state) {
        state.count_cut_batches(cut);
        state.blind_until(batch.published);
      });
    }
    position_.event_offset = std::max(position_.event_offset, batch.offset);
    const auto skipped = celery::decode_events(batch.body, events);
    const std::size_t undecodable = skipped ? *skipped : 1;
    if (undecodable > 0) {
      metrics_.counter(metrics::kEventsUndecodable).Increment(static_cast<double>(undecodable));
    }
  }
  read_back(events);
  const WallTime now = clock_.wall();
  apply(events, now);
  drained_ = batches.size() < kBatches;
  live_.with([&](LiveState& state) {
    if (!batches.empty()) state.set_lag(now - batches.back().published, now);
    if (drained_) state.caught_up(now);
  });
}

// A task that the live state has forgotten is read back first, or the history would be overwritten
// with the little that one event says.
void Intake::read_back(const std::vector<Event>& events) {
  std::set<TaskId> wanted;
  live_.with([&](LiveState& state) {
    for (const Event& event : events) {
      const auto* const task = std::get_if<TaskEvent>(&event);
      if (task == nullptr || task->uuid.empty() || state.knows(task->uuid)) continue;
      if (may_be_known(*task, state.evicted() > 0)) wanted.insert(task->uuid);
    }
  });
  for (const TaskId& id : wanted) {
    if (const auto waiting = tasks_.find(id); waiting != tasks_.end()) {
      live_.with([&](LiveState& state) { state.adopt(waiting->second); });
    } else if (auto found = history_.find(id)) {
      live_.with([&](LiveState& state) { state.adopt(std::move(*found)); });
    }
  }
}

void Intake::apply(const std::vector<Event>& events, WallTime now) {
  if (events.empty()) return;
  const auto [missed, evicted] = live_.with([&](LiveState& state) {
    const std::uint64_t missed_before = state.totals().missed_events;
    const std::uint64_t evicted_before = state.evicted();
    for (const Event& event : events) {
      const Task* const task = state.apply(event, now);
      if (task != nullptr) keep(*task, moment_of(std::get<TaskEvent>(event)));
    }
    return std::pair{state.totals().missed_events - missed_before,
                     state.evicted() - evicted_before};
  });
  for (const Event& event : events) count(event);
  metrics_.counter(metrics::kEventsGap).Increment(static_cast<double>(missed));
  metrics_.counter(metrics::kTasksEvicted).Increment(static_cast<double>(evicted));
}

void Intake::count(const Event& event) {
  const auto* const task = std::get_if<TaskEvent>(&event);
  const std::string type = task != nullptr
                               ? fmt::format("task-{}", short_name(*task))
                               : fmt::format("worker-{}", short_name(std::get<WorkerEvent>(event)));
  auto found = counters_.find(type);
  if (found == counters_.end()) {
    const std::string label = types_(type);
    found = counters_.find(label);
    if (found == counters_.end()) {
      found = counters_.emplace(label, &metrics_.counter(metrics::kEventsReceived, {label})).first;
    }
  }
  found->second->Increment();
}

void Intake::keep(const Task& task, Moment moment) {
  if (given_up_) return;
  tasks_.insert_or_assign(task.uuid, task);
  moments_.push_back(std::move(moment));
}

void Intake::tail_results() {
  last_tail_ = clock_.steady();
  const WallTime now = clock_.wall();
  while (awaited_.size() < kMostAwaited) {
    const auto read = results_.finished_since(tailed_, kResultsRead);
    if (!read) {
      results_outage_.failed(read.error());
      return;
    }
    results_outage_.over();
    for (const StoredTask& each : *read) {
      awaited_.push_back({each.sequence, now + options_.close_after, each.id});
      tailed_ = std::max(tailed_, each.sequence);
    }
    if (read->size() < kResultsRead) break;
  }
  while (close_overdue(now)) {
  }
  position_.result_sequence = awaited_.empty() ? tailed_ : awaited_.front().sequence - 1;
}

// Deals with the first awaited end that is due; false: there is none, or it must wait. While events
// are behind, their order decides.
bool Intake::close_overdue(WallTime now) {
  if (awaited_.empty() || awaited_.front().due > now || !drained_) return false;
  const TaskId id = awaited_.front().id;
  const auto known = live_.with([&](LiveState& state) {
    const Task* const task = state.find(id);
    return task == nullptr ? std::nullopt : std::optional{is_final(task->state)};
  });
  bool ended = known.value_or(false);
  std::optional<Task> kept;
  if (!known) {
    auto found = history_.find(id);
    if (!found && found.error().code != Errc::NotFound) return false;
    if (found) kept = std::move(*found);
    ended = kept && is_final(kept->state);
  }
  if (!ended) {
    const auto stored = results_.find(id);
    if (!stored && stored.error().code != Errc::NotFound) return false;
    if (stored && is_final(stored->state)) {
      const TaskEvent event = closing_event(*stored);
      live_.with([&](LiveState& state) {
        if (kept) state.adopt(std::move(*kept));
        if (const Task* const task = state.apply(event, now)) keep(*task, moment_of(event));
      });
      metrics_.counter(metrics::kTasksClosed).Increment();
    }
  }
  awaited_.pop_front();
  return true;
}

void Intake::flush_if_due(bool now) {
  const auto time = clock_.steady();
  position_.push_sequence = push_sequence_();
  const bool moved = !(position_ == committed_);
  const bool something = given_up_ || !tasks_.empty() ||
                         position_.event_offset != committed_.event_offset ||
                         position_.result_sequence != committed_.result_sequence;
  const bool due = tasks_.size() >= options_.flush_tasks ||
                   (something && time - last_flush_ >= options_.flush_every) ||
                   (moved && time - last_flush_ >= kIdleFlush);
  if (!moved || (!due && !now) || (time < next_try_ && !now)) return;
  last_flush_ = time;
  if (given_up_) {
    // What was dropped is still in the stream: once the history can be written again it is read a
    // second time.
    if (!write(committed_)) return;
    log_.info("reading again what could not be written", {{"from_batch", committed_.event_offset}});
    position_ = committed_;
    given_up_ = false;
    subscription_.reset();
    return;
  }
  position_.note = live_.with([&](LiveState& state) { return to_note(state, since_); });
  if (!write(position_)) return;
  committed_ = position_;
  if (subscription_ && committed_.event_offset > 0) {
    if (const auto done = subscription_->commit(committed_.event_offset); !done) {
      log_.debug("the broker did not take the offset", {{"error", done.error().what}});
    }
  }
}

bool Intake::write(const HistoryPosition& position) {
  std::vector<Task> tasks;
  tasks.reserve(tasks_.size());
  for (const auto& [id, task] : tasks_) tasks.push_back(task);
  const auto begin = clock_.steady();
  const auto written = history_.append(tasks, moments_, position);
  if (written) {
    const auto took = std::chrono::duration<double>(clock_.steady() - begin).count();
    metrics_.histogram(metrics::kHistoryBatchSeconds).Observe(took);
    metrics_.counter(metrics::kHistoryRows).Increment(static_cast<double>(tasks.size()));
    tasks_.clear();
    moments_.clear();
    history_outage_.over();
    if (!history_error_.empty()) {
      live_.with([](LiveState& state) { state.set_history_error(""); });
      say(broker_error_, "");
    }
    return true;
  }
  if (!history_outage_.failing()) metrics_.counter(metrics::kHistoryErrors).Increment();
  history_outage_.failed(written.error());
  next_try_ = clock_.steady() + history_outage_.wait();
  live_.with([&](LiveState& state) { state.set_history_error(written.error().what); });
  say(broker_error_, written.error().what);
  if (tasks_.size() > options_.most_waiting || moments_.size() > 8 * options_.most_waiting) {
    tasks_.clear();
    moments_.clear();
    given_up_ = true;
  }
  return false;
}

void Intake::say(std::string broker_error, std::string history_error) {
  const std::lock_guard lock{mutex_};
  broker_error_ = std::move(broker_error);
  history_error_ = std::move(history_error);
}

Result<void> Intake::ready() const {
  const std::lock_guard lock{mutex_};
  if (!broker_error_.empty()) return unavailable(broker_error_);
  if (!history_error_.empty())
    return unavailable("the history cannot be written: " + history_error_);
  return {};
}

}  // namespace umbel::collector
