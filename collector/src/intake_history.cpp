// The intake's way to the history and back: loading, handing over, giving up and catching up.
#include <algorithm>

#include "intake.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kLatestLoaded = 200;  // finished tasks that a start shows again
constexpr auto kIdleFlush = seconds{10};    // keeps the position of an idle monitor
constexpr auto kLongestStart = std::chrono::minutes{5};
constexpr auto kSpansKept = std::chrono::hours{30 * 24};

struct KeptByTime {
  std::vector<KeptRow> seconds, names;
  std::vector<KeptRow> errors;
  Rollup rollup;
  BlindSpans spans;
};

Result<KeptByTime> load_by_time(History& history, std::int64_t now) {
  KeptByTime loaded;
  auto rows = history.kept(Series::kKind, now - Series::kKept - 60);
  if (!rows) return rows.error();
  loaded.seconds = std::move(*rows);
  auto names = history.kept(Names::kKind, Names::kept_since(now));
  if (!names) return names.error();
  loaded.names = std::move(*names);
  for (std::size_t step = 0; step < kRollupSteps.size(); ++step) {
    auto buckets = history.kept(kRollupSteps[step].kind, now - kRollupSteps[step].kept);
    if (!buckets) return buckets.error();
    for (const KeptRow& row : *buckets) loaded.rollup.restore(step, row);
  }
  auto errors = history.kept(ErrorBook::kKind, 0);
  if (!errors) return errors.error();
  loaded.errors = std::move(*errors);
  for (const std::string& kind : BlindSpans::kinds()) {
    auto spans = history.kept(kind, now - std::chrono::seconds{kSpansKept}.count());
    if (!spans) return spans.error();
    for (const KeptRow& row : *spans) loaded.spans.restore(row);
  }
  return loaded;
}

}  // namespace

struct Intake::Stand {
  HistoryPosition position;
  Kept kept;
  std::vector<Task> tasks;  // in the order of their last change
  KeptByTime by_time;
};

Result<Intake::Stand> Intake::read_stand() {
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
  auto by_time = load_by_time(history_, unix_second(clock_.wall()));
  if (!by_time) return by_time.error();
  std::vector<Task> tasks = std::move(*unfinished);
  std::move(latest->tasks.begin(), latest->tasks.end(), std::back_inserter(tasks));
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.timestamp < b.timestamp; });
  return Stand{std::move(*position), std::move(*kept), std::move(tasks), std::move(*by_time)};
}

// `anew`: in the place of what events have told so far.
void Intake::take_up(Stand stand, bool anew) {
  const Kept& kept = stand.kept;
  if (kept.since) since_ = kept.since;
  if (!since_) since_ = clock_.wall();
  live_.with([&](LiveState& state) {
    if (anew) state.forget_events();
    state.restore(kept.totals);
    for (LiveWorker& worker : stand.kept.workers) state.restore(std::move(worker));
    for (const std::string& queue : kept.queues) state.name_queue(queue);
    for (Task& task : stand.tasks) state.adopt(std::move(task));
    state.expect_unfinished(kept.unfinished);
    for (const KeptRow& row : stand.by_time.seconds) state.series().restore(row.at, row.data);
    (void)state.series().take_changed();
    state.restore(std::move(stand.by_time.rollup));
    state.restore_names(stand.by_time.names, clock_.wall());
    state.restore(stand.by_time.spans);
    for (const KeptRow& row : stand.by_time.errors) state.errors().restore(row);
    if (kept.events_read) state.blind_until(*kept.events_read);
    state.kept_up_to(state.version());
  });
  counted_ = kept.counted;
  position_ = committed_ = std::move(stand.position);
  tailed_ = position_.result_sequence;
  mode_ = counted_.events > position_.event_offset ? Mode::Behind : Mode::Following;
}

Result<void> Intake::load() {
  auto stand = read_stand();
  if (!stand) return stand.error();
  const auto events_read = stand->kept.events_read;
  take_up(std::move(*stand), false);
  const WallTime now = clock_.wall();
  if (events_read && now - *events_read > seconds{10})
    live_.with([&](LiveState& state) { state.stopped_between(*events_read, now); });
  return {};
}

// We write the history now, but another collector did so after we had looked at it last.
void Intake::overtaken(HistoryBatch& batch) {
  auto stand = read_stand();
  if (!stand) return not_written(batch, stand.error());
  log_.info("another collector wrote the history until now; going on from where it stands",
            {{"batch", stand->position.event_offset}, {"own_batch", position_.event_offset}});
  backlog_.clear();
  awaited_.clear();
  attempted_.reset();
  subscription_.reset();
  last_published_.reset();
  known_ahead_ = 0;
  drained_ = false;
  next_try_ = {};
  take_up(std::move(*stand), true);
}

// What was not seen live is read no faster than it can be kept: what is read again, and what had
// gathered before the start. Everything else is live first.
bool Intake::wait_for_history() const {
  const bool may_wait = mode_ == Mode::Behind ||
                        (mode_ == Mode::Following && starting_ &&
                         clock_.steady() - started_ < kLongestStart && !history_outage_.failing());
  return may_wait && backlog_.tasks() * 2 >= std::min(options_.shed_from, options_.most_waiting);
}

bool Intake::history_is_due() const {
  const auto time = clock_.steady();
  if (writer_.busy() || time < next_try_) return false;
  const bool something = mode_ == Mode::Ahead || !backlog_.empty() ||
                         position_.event_offset != committed_.event_offset ||
                         position_.result_sequence != committed_.result_sequence;
  return backlog_.tasks() >= options_.flush_tasks ||
         (something && time - last_flush_ >= options_.flush_every) ||
         time - last_flush_ >= kIdleFlush;
}

void Intake::hand_over() {
  last_flush_ = clock_.steady();
  handed_version_.reset();
  note_shed();
  std::vector<HistoryPosition> expected;
  if (!sure_) {
    expected.push_back(committed_);
    if (attempted_) expected.push_back(*attempted_);
  }
  if (mode_ == Mode::Ahead) {
    // Asks whether the history can be written again, with what it holds already.
    writer_.write({.tasks = {}, .moments = {}, .position = committed_}, std::move(expected));
    return;
  }
  HistoryBatch batch = backlog_.take();
  position_.push_sequence = std::max(position_.push_sequence, push_sequence_());
  const CountedUpTo counted{.events = std::max(counted_.events, position_.event_offset),
                            .results = std::max(counted_.results, position_.result_sequence)};
  batch.position = position_;
  live_.with([&](LiveState& state) {
    if (mode_ == Mode::Following) handed_version_ = state.version();
    batch.position.note = to_note(state, since_, counted);
    auto& rows = batch.position.rows;
    rows = state.rollup().take_changed();
    for (KeptRow& row : state.blind_spans().take_changed()) rows.push_back(std::move(row));
    for (KeptRow& row : state.errors().take_changed()) rows.push_back(std::move(row));
    for (KeptRow& row : state.names().take_changed(unix_second(clock_.wall())))
      rows.push_back(std::move(row));
    for (const std::int64_t minute : state.series().take_changed()) {
      rows.push_back({.kind = Series::kKind, .at = minute, .data = state.series().minute(minute)});
    }
  });
  writer_.write(std::move(batch), std::move(expected));
}

void Intake::take_outcome(milliseconds limit) {
  auto outcome = writer_.outcome(limit);
  if (outcome) {
    if (outcome->result) {
      written(*outcome->batch, outcome->took);
    } else {
      sure_ = false;
      if (outcome->tried) {
        attempted_ = outcome->batch->position;
        attempted_->rows.clear();
      }
      if (!outcome->tried && outcome->result.error().code == Errc::Conflict) {
        overtaken(*outcome->batch);
      } else {
        not_written(*outcome->batch, outcome->result.error());
      }
    }
    metrics_.gauge(metrics::kHistoryWaiting).Set(static_cast<double>(backlog_.tasks()));
  }
}

void Intake::written(const HistoryBatch& batch, std::chrono::microseconds took) {
  metrics_.histogram(metrics::kHistoryBatchSeconds)
      .Observe(std::chrono::duration<double>(took).count());
  metrics_.counter(metrics::kHistoryRows).Increment(static_cast<double>(batch.tasks.size()));
  if (history_outage_.failing()) {
    history_outage_.over();
    live_.with([](LiveState& state) { state.set_history_error(""); });
  }
  backlog_.set_failing(false);
  committed_ = batch.position;
  committed_.rows.clear();
  sure_ = true;
  attempted_.reset();
  metrics_.gauge(metrics::kHistoryWriter).Set(1);
  if (handed_version_)
    live_.with([version = *handed_version_](LiveState& state) { state.kept_up_to(version); });
  if (mode_ == Mode::Ahead) {
    catch_up();
  } else if (subscription_ && committed_.event_offset > 0) {
    if (const auto done = subscription_->commit(committed_.event_offset); !done) {
      log_.debug("the broker did not take the offset", {{"error", done.error().what}});
    }
  }
}

void Intake::not_written(HistoryBatch& batch, const Error& error) {
  if (!history_outage_.failing()) metrics_.counter(metrics::kHistoryErrors).Increment();
  metrics_.gauge(metrics::kHistoryWriter).Set(0);
  history_outage_.failed(error);
  next_try_ = clock_.steady() + history_outage_.wait();
  live_.with([&](LiveState& state) { state.set_history_error(error.what); });
  backlog_.set_failing(true);
  changed_again(batch.position.rows);
  if (mode_ == Mode::Following) backlog_.put_back(std::move(batch));
  if (mode_ == Mode::Behind) give_up();  // what is new comes first
}

void Intake::changed_again(const std::vector<KeptRow>& rows) {
  live_.with([&](LiveState& state) {
    for (const KeptRow& row : rows) {
      state.rollup().changed_again(row);
      state.blind_spans().changed_again(row);
      state.errors().changed_again(row);
      state.names().changed_again(row);
      if (row.kind == Series::kKind) state.series().changed_again(row.at);
    }
  });
}

// Too much waits. What is dropped is still in the event stream; the live state goes on without the
// history.
void Intake::give_up() {
  if (mode_ == Mode::Ahead) return;
  backlog_.clear();
  if (mode_ == Mode::Behind) {
    // As far as it had been counted nothing new is to be seen.
    position_.event_offset = std::max(position_.event_offset, counted_.events);
    subscription_.reset();
  }
  mode_ = Mode::Ahead;
  log_.warn("too much waits for the history; it will be read again from the event stream",
            {{"from_batch", committed_.event_offset}});
}

// The history can be written again, and stands at `committed_`.
void Intake::catch_up() {
  counted_.events = std::max(counted_.events, position_.event_offset);
  counted_.results = std::max(counted_.results, position_.result_sequence);
  known_ahead_ = live_.with([](LiveState& state) { return state.version(); });
  position_ = committed_;
  tailed_ = committed_.result_sequence;
  awaited_.clear();
  drained_ = false;
  last_published_.reset();
  mode_ = counted_.events > committed_.event_offset ? Mode::Behind : Mode::Following;
  subscription_.reset();
  log_.info("reading again what could not be written", {{"from_batch", committed_.event_offset}});
}

void Intake::note_shed() {
  const Shed shed = backlog_.take_shed();
  if (shed.moments == 0 && shed.texts == 0) return;
  metrics_.counter(metrics::kHistoryShed, {"moments"}).Increment(static_cast<double>(shed.moments));
  metrics_.counter(metrics::kHistoryShed, {"texts"}).Increment(static_cast<double>(shed.texts));
  const auto now = clock_.steady();
  if (!last_shed_ || now - *last_shed_ > std::chrono::minutes{1}) {
    log_.warn("the history does not keep up and is written without detail",
              {{"moments_left_out", shed.moments}, {"waiting_tasks", backlog_.tasks()}});
  }
  last_shed_ = now;
  live_.with([&](LiveState& state) { state.history_sheds(clock_.wall()); });
}

}  // namespace umbel::collector
