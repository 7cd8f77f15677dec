#include "intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "closing.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kBatches = 256;       // read at a time
constexpr std::size_t kResultsRead = 1000;  // at a time
constexpr std::size_t kMostAwaited = 20'000;
constexpr std::size_t kDetail = 200;  // bytes of a moment's detail
constexpr int kTries = 3;             // of a look into the history
constexpr auto kShedShown = seconds{30};
constexpr auto kLastWords = seconds{5};  // for each of the last two writes of a stop

std::string revoked_how(const TaskEvent& event) {
  if (event.expired.value_or(false)) return "expired";
  if (!event.terminated.value_or(false)) return "";
  return event.signum ? "terminated by signal " + *event.signum : "terminated";
}

Moment moment_of(const TaskEvent& event) {
  std::string detail;
  if (event.exception) {
    detail = *event.exception;
  } else if (event.eta) {
    detail = "eta " + *event.eta;
  } else if (event.type == TaskEventType::Revoked) {
    detail = revoked_how(event);
  } else if (event.type == TaskEventType::Rejected && event.requeue.value_or(false)) {
    detail = "put back into its queue";
  }
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

// What only this event says, for a task whose state is known and whose texts were let go of.
void add_texts(Task& task, const TaskEvent& event) {
  const auto add = [](const std::optional<std::string>& from, std::optional<std::string>& to) {
    if (!to) to = from;
  };
  add(event.name, task.name);
  add(event.queue, task.queue);
  add(event.args, task.args);
  add(event.kwargs, task.kwargs);
  add(event.eta, task.eta);
  add(event.expires, task.expires);
  add(event.result, task.result);
  add(event.exception, task.exception);
  add(event.traceback, task.traceback);
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
      backlog_{{.shed_from = options_.shed_from, .most = options_.most_waiting}},
      events_outage_{"reading events", clock, log},
      history_outage_{"writing the history", clock, log},
      results_outage_{"reading results", clock, log},
      writer_{history, clock} {
  for (const metrics::Family* family :
       {&metrics::kEventsGap, &metrics::kEventBatchesCut, &metrics::kEventStreamFull,
        &metrics::kTasksClosed, &metrics::kTasksEvicted, &metrics::kHistoryRows,
        &metrics::kHistoryErrors, &metrics::kHistoryReread}) {
    (void)metrics_.counter(*family);
  }
  for (const char* what : {"moments", "texts", "batches"})
    (void)metrics_.counter(metrics::kHistoryShed, {what});
  for (const char* reason : {"body", "event"})
    (void)metrics_.counter(metrics::kEventsUndecodable, {reason});
  metrics_.gauge(metrics::kHistoryWaiting).Set(0);
  metrics_.gauge(metrics::kHistoryWriter).Set(0);
  (void)metrics_.histogram(metrics::kHistoryBatchSeconds);
}

Intake::~Intake() { stop(); }

void Intake::start() {
  started_ = clock_.steady();
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void Intake::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Intake::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) turn(stop);
  finish();
}

void Intake::turn(const std::stop_token& stop) {
  if (wait_for_history()) {
    if (writer_.busy()) {
      take_outcome(options_.flush_every);
    } else if (!history_is_due()) {
      pause(stop, milliseconds{20});
    }
  } else if (subscription_ || subscribe()) {
    const auto batches = subscription_->next(kBatches, options_.flush_every, stop);
    if (batches) {
      events_outage_.over();
      take(*batches);
    } else if (!stop.stop_requested()) {
      events_outage_.failed(batches.error());
      subscription_.reset();
    }
  }
  take_outcome(milliseconds{0});
  take_told();
  say();
  if (clock_.steady() - last_tail_ >= options_.tail_every) tail_results();
  if (history_is_due()) hand_over();
  if (backlog_.over() && mode_ == Mode::Following) give_up();
  if (events_outage_.failing()) {
    drained_ = false;
    pause(stop, events_outage_.wait());
  }
}

void Intake::finish() {
  take_outcome(kLastWords);
  if (!writer_.busy() && mode_ != Mode::Ahead) {
    hand_over();
    take_outcome(kLastWords);
  }
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
  read_before_ = last_published_;
  if (!read_before_) {
    read_before_ = live_.with([](LiveState& state) { return state.monitor().events_read; });
  }
  return true;
}

void Intake::take(const std::vector<EventBatch>& batches) {
  std::vector<Taken> taken;
  std::vector<Event> events;
  for (const EventBatch& batch : batches) {
    if (position_.event_offset > 0 && batch.offset > position_.event_offset + 1) count_cut(batch);
    if (batch.perhaps_cut) note_perhaps_cut(*batch.perhaps_cut);
    position_.event_offset = std::max(position_.event_offset, batch.offset);
    last_published_ = batch.published;
    events.clear();
    const auto skipped = celery::decode_events(batch.body, events);
    const bool told = batch.offset <= told_;
    told_ = std::max(told_, batch.offset);
    if (!skipped && !told) metrics_.counter(metrics::kEventsUndecodable, {"body"}).Increment();
    if (skipped && *skipped > 0 && !told) {
      metrics_.counter(metrics::kEventsUndecodable, {"event"})
          .Increment(static_cast<double>(*skipped));
    }
    const bool again = batch.offset <= counted_.events && mode_ == Mode::Behind;
    for (Event& event : events) taken.push_back({std::move(event), batch.published, again, told});
  }
  Recalled recalled = read_back(taken);
  const WallTime now = clock_.wall();
  apply(taken, std::move(recalled), now);
  if (mode_ == Mode::Behind && position_.event_offset >= counted_.events) {
    log_.info("the history has caught up", {{"batch", position_.event_offset}});
    mode_ = Mode::Following;
  }
  drained_ = batches.size() < kBatches && mode_ != Mode::Behind;
  if (drained_) starting_ = false;
  live_.with([&](LiveState& state) {
    if (!batches.empty()) state.set_lag(now - batches.back().published, now);
    if (drained_) state.caught_up(now);
  });
}

// The stream's bound dropped what lies between the last batch and this one.
void Intake::count_cut(const EventBatch& batch) {
  const std::uint64_t last_seen = mode_ == Mode::Behind
                                      ? std::max(position_.event_offset, counted_.events)
                                      : position_.event_offset;
  const std::uint64_t cut = batch.offset - position_.event_offset - 1;
  const std::uint64_t unseen = batch.offset > last_seen + 1 ? batch.offset - last_seen - 1 : 0;
  if (cut > unseen) {
    // They were shown and counted, but could not be read a second time for the history.
    metrics_.counter(metrics::kHistoryShed, {"batches"})
        .Increment(static_cast<double>(cut - unseen));
    log_.error("events were cut off before the history could be written",
               {{"batches", cut - unseen}});
  }
  if (unseen == 0) return;
  metrics_.counter(metrics::kEventBatchesCut).Increment(static_cast<double>(unseen));
  log_.error("events were cut off before they were read", {{"batches", unseen}});
  live_.with([&](LiveState& state) {
    const auto read = state.monitor().events_read;
    state.count_cut_batches(unseen, last_published_ ? last_published_ : read, batch.published);
    state.blind_until(batch.published);
  });
}

// Nobody can say how many, or whether any; so the span is one of which not everything is known.
void Intake::note_perhaps_cut(const PerhapsCut& place) {
  metrics_.counter(metrics::kEventStreamFull).Increment();
  log_.warn(
      "the event stream stood at its bound; events may have been cut off before they were read");
  const auto from = place.from ? place.from : read_before_;
  live_.with([&](LiveState& state) {
    state.count_cut_batches(0, from, place.to);
    state.blind_until(place.to);
  });
}

// A task that the live state has forgotten is read back first, or it would be counted by the little
// that one event says.
Intake::Recalled Intake::read_back(const std::vector<Taken>& events) {
  std::set<TaskId> wanted;
  Recalled recalled;
  live_.with([&](LiveState& state) {
    const bool pressed = state.tasks().would_press(events.size());
    for (const Taken& taken : events) {
      const auto* const task = std::get_if<TaskEvent>(&taken.event);
      if (task == nullptr || task->uuid.empty()) continue;
      if (const auto known = state.tasks().state_of(task->uuid)) {
        // It may have to go for others of the same batch before its event's turn comes.
        if (pressed || is_final(*known)) recalled.try_emplace(task->uuid, *state.find(task->uuid));
        continue;
      }
      if (taken.again || may_be_known(*task, state.evicted() > 0) ||
          state.perhaps_applied(taken.event)) {
        wanted.insert(task->uuid);
      }
    }
  });
  for (const TaskId& id : wanted) {
    auto known = recall(id);
    if (known) recalled.emplace(id, std::move(*known));
  }
  return recalled;
}

// Right before its event: a small live state may have let go of it again by then.
void Intake::bring_back(LiveState& state, const Event& event, Recalled& recalled) {
  const auto* const task = std::get_if<TaskEvent>(&event);
  if (task == nullptr || task->uuid.empty() || state.knows(task->uuid)) return;
  if (const Task* const waiting = backlog_.find(task->uuid)) {
    state.adopt(*waiting);
  } else if (auto found = recalled.extract(task->uuid)) {
    state.adopt(std::move(found.mapped()));
  }
}

Result<Task> Intake::recall(const TaskId& id) {
  if (const Task* const waiting = backlog_.find(id)) return *waiting;
  if (const Task* const in_hand = writer_.find(id)) return *in_hand;
  for (int tried = 1;; ++tried) {
    auto found = history_.find(id);
    if (found || found.error().code == Errc::NotFound || tried == kTries) return found;
  }
}

void Intake::apply(const std::vector<Taken>& events, Recalled recalled, WallTime now) {
  if (events.empty()) return;
  std::vector<bool> repeated(events.size());
  const auto [missed, evicted] = live_.with([&](LiveState& state) {
    std::uint64_t newly_missed = 0;
    const std::uint64_t evicted_before = state.evicted();
    for (std::size_t i = 0; i < events.size(); ++i) {
      const Taken& taken = events[i];
      bring_back(state, taken.event, recalled);
      if (taken.again) {
        apply_again(state, taken, now);
        continue;
      }
      repeated[i] = state.was_applied(taken.event);
      if (repeated[i]) continue;
      const std::uint64_t missed_before = state.totals().missed_events;
      const Task* const task = state.apply(taken.event, now, taken.published);
      if (!taken.told) newly_missed += state.totals().missed_events - missed_before;
      if (task != nullptr) keep(*task, std::get<TaskEvent>(taken.event));
    }
    return std::pair{newly_missed, state.evicted() - evicted_before};
  });
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].again || events[i].told || repeated[i]) {
      metrics_.counter(metrics::kHistoryReread).Increment();
    } else {
      count(events[i].event);
    }
  }
  metrics_.counter(metrics::kEventsGap).Increment(static_cast<double>(missed));
  metrics_.counter(metrics::kTasksEvicted).Increment(static_cast<double>(evicted));
}

void Intake::apply_again(LiveState& state, const Taken& taken, WallTime now) {
  const auto* const event = std::get_if<TaskEvent>(&taken.event);
  if (event == nullptr) return;  // workers and their numbers are known up to here
  const auto version = state.tasks().version_of(event->uuid);
  if (version && *version <= known_ahead_) {
    // Already as it is after this event, and perhaps after later ones.
    Task task = *state.find(event->uuid);
    add_texts(task, *event);
    keep(task, *event);
  } else if (const Task* const task = state.apply_again(*event, now)) {
    keep(*task, *event);
  }
}

void Intake::count(const Event& event) {
  const auto* const task = std::get_if<TaskEvent>(&event);
  const std::string type = task != nullptr
                               ? fmt::format("task-{}", short_name(*task))
                               : fmt::format("worker-{}", short_name(std::get<WorkerEvent>(event)));
  auto found = counters_.find(type);
  if (found == counters_.end()) {
    const std::string label = types_(type);
    if (label != type) metrics_.counter(metrics::kLabelsFolded).Increment();
    found = counters_.find(label);
    if (found == counters_.end()) {
      found = counters_.emplace(label, &metrics_.counter(metrics::kEventsReceived, {label})).first;
    }
  }
  found->second->Increment();
}

void Intake::keep(const Task& task, const TaskEvent& event) {
  if (mode_ != Mode::Ahead) backlog_.keep(task, moment_of(event));
}

void Intake::tell(std::vector<TaskEvent> events) {
  const std::lock_guard lock{told_mutex_};
  const std::size_t room = kMostAwaited - std::min(kMostAwaited, found_out_.size());
  if (events.size() > room) events.resize(room);  // the others are found out once more
  std::move(events.begin(), events.end(), std::back_inserter(found_out_));
}

void Intake::take_told() {
  if (mode_ == Mode::Behind) return;  // the order of the events decides
  std::vector<TaskEvent> events;
  {
    const std::lock_guard lock{told_mutex_};
    events.swap(found_out_);
  }
  for (const TaskEvent& event : events) {
    const bool here = live_.with([&](LiveState& state) { return state.knows(event.uuid); });
    auto known = here ? Result<Task>{not_found("")} : recall(event.uuid);
    if (!known && known.error().code != Errc::NotFound) continue;
    const bool news = live_.with([&](LiveState& state) {
      if (known) state.adopt(std::move(*known));
      const auto before = state.tasks().state_of(event.uuid);
      if (before && (is_final(*before) ||
                     (event.type == TaskEventType::Started && *before == TaskState::Started))) {
        return false;
      }
      const Task* const task = state.apply(event, clock_.wall());
      if (task != nullptr) keep(*task, event);
      return task != nullptr;
    });
    if (news && event.type != TaskEventType::Started)
      metrics_.counter(metrics::kTasksClosed).Increment();
  }
}

void Intake::tail_results() {
  last_tail_ = clock_.steady();
  while (awaited_.size() < kMostAwaited) {
    const auto read = results_.finished_since(tailed_, kResultsRead);
    if (!read) {
      results_outage_.failed(read.error());
      return;
    }
    results_outage_.over();
    for (const StoredTask& each : *read) {
      awaited_.push_back({each.sequence, clock_.steady() + options_.close_after, each.id});
      tailed_ = std::max(tailed_, each.sequence);
    }
    if (read->size() < kResultsRead) break;
  }
  while (close_overdue()) {
  }
  position_.result_sequence = awaited_.empty() ? tailed_ : awaited_.front().sequence - 1;
}

// Deals with the first awaited end that is due; false: there is none, or it must wait. While events
// are behind, their order decides.
bool Intake::close_overdue() {
  if (awaited_.empty() || awaited_.front().due > clock_.steady() || !drained_) return false;
  const AwaitedEnd& end = awaited_.front();
  auto known = live_.with([&](LiveState& state) {
    const Task* const task = state.find(end.id);
    return task == nullptr ? std::nullopt : std::optional{*task};
  });
  if (!known) {
    auto found = recall(end.id);
    if (!found && found.error().code != Errc::NotFound) return false;
    if (found) known = std::move(*found);
  }
  const bool again = end.sequence <= counted_.results;
  if (!known || !is_final(known->state)) {
    const auto stored = results_.find(end.id);
    if (!stored && stored.error().code != Errc::NotFound) return false;
    if (stored && is_final(stored->state)) {
      const TaskEvent event = closing_event(*stored);
      live_.with([&](LiveState& state) {
        if (known) state.adopt(std::move(*known));
        const WallTime now = clock_.wall();
        const Task* const task = again ? state.apply_again(event, now) : state.apply(event, now);
        if (task != nullptr) keep(*task, event);
      });
      if (!again) metrics_.counter(metrics::kTasksClosed).Increment();
    }
  } else if (again && mode_ != Mode::Ahead) {
    // Closed while the history could not be written: the history may not know yet.
    backlog_.keep_task(*known);
  }
  awaited_.pop_front();
  return true;
}

void Intake::say() {
  const std::string broken =
      events_outage_.failing() ? "events cannot be read from the broker" : "";
  const bool sheds = last_shed_ && clock_.steady() - *last_shed_ < kShedShown;
  const auto failing = history_outage_.current();
  const std::lock_guard lock{mutex_};
  broker_error_ = broken;
  history_error_ = failing ? "the history cannot be written: " + failing->what
                   : sheds ? "the history is too slow and is written without detail"
                           : "";
}

Result<void> Intake::ready() const {
  const std::lock_guard lock{mutex_};
  if (!broker_error_.empty()) return unavailable(broker_error_);
  if (!history_error_.empty()) return unavailable(history_error_);
  return {};
}

}  // namespace umbel::collector
