#include "umbel/scheduler/ticker.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel {
namespace {

constexpr const char* kEnqueued = "enqueued";
constexpr const char* kTakenElsewhere = "taken_elsewhere";
constexpr const char* kMissed = "missed";
constexpr const char* kFailed = "failed";

// A schedule that was changed is a new one, as far as the time before it was seen is concerned:
// what it would have fired then is not missed.
std::string sighting_key(const ScheduleEntry& entry) {
  return entry.name + " | " + entry.schedule_text;
}

bool settles(const Error& error) { return error.code == Errc::Invalid; }

}  // namespace

TaskId tick_task_id(std::string_view schedule, WallTime due) {
  return TaskId{named_uuid("tick|" + std::string{schedule} + "|" + std::to_string(to_micros(due)))};
}

SubmitTick submit_through(Enqueuer& enqueuer) {
  return [&enqueuer](const TaskRequest& request, const Tick& tick) -> Result<void> {
    Together together;
    together.tick = tick;
    const auto accepted = enqueuer.submit({&request, 1}, together);
    if (!accepted) return accepted.error();
    return {};
  };
}

Ticker::Ticker(SubmitTick submit, TickLedger& ledger, const Clock& clock, metrics::Metrics& metrics,
               Log log)
    : submit_{std::move(submit)},
      ledger_{ledger},
      clock_{clock},
      metrics_{metrics},
      log_{std::move(log)},
      retry_{.max_retries = std::numeric_limits<int>::max(),
             .first_delay = std::chrono::milliseconds{100},
             .factor = 2.0,
             .max_delay = std::chrono::seconds{5},
             .jitter = 0.5},
      random_{std::random_device{}()} {}

void Ticker::replace(std::vector<ScheduleEntry> entries) {
  const std::lock_guard lock{mutex_};
  replacement_ = std::move(entries);
}

void Ticker::take_replacement() {
  std::optional<std::vector<ScheduleEntry>> entries;
  {
    const std::lock_guard lock{mutex_};
    entries = std::exchange(replacement_, std::nullopt);
  }
  if (!entries) return;
  for (const auto& entry : plan_.entries()) {
    metrics_.remove(metrics::kScheduleNextRun, {entry.name});
    const bool stays = std::ranges::any_of(
        *entries, [&](const ScheduleEntry& other) { return other.name == entry.name; });
    if (!stays) metrics_.remove(metrics::kScheduleLastRun, {entry.name});
  }
  plan_.replace(std::move(*entries));
  std::array<double, 2> by_state{};
  for (std::size_t i = 0; i < plan_.entries().size(); ++i) {
    const auto& entry = plan_.entries()[i];
    by_state[entry.enabled ? 1 : 0] += 1;
    for (const auto* outcome : {kEnqueued, kTakenElsewhere, kMissed, kFailed}) {
      count(entry, outcome, 0);
    }
    show_next(i);
  }
  metrics_.gauge(metrics::kScheduleEntries, {"true"}).Set(by_state[1]);
  metrics_.gauge(metrics::kScheduleEntries, {"false"}).Set(by_state[0]);
}

std::chrono::microseconds Ticker::pass(const std::stop_token& stop) {
  take_replacement();
  const auto waiting = retry_at_ - clock_.steady();
  if (failures_ > 0 && waiting > Steady::duration::zero()) {
    return std::min<std::chrono::microseconds>(
        std::chrono::ceil<std::chrono::microseconds>(waiting), TickPlan::kLongestSleep);
  }
  bool asked = false;
  for (const auto entry : plan_.unsettled()) {
    if (stop.stop_requested()) return std::chrono::microseconds{0};
    if (const auto done = learn(entry); !done) return back_off(done.error());
    asked = true;
  }
  for (const auto& tick : plan_.due(clock_.wall())) {
    if (stop.stop_requested()) return std::chrono::microseconds{0};
    if (const auto done = fire(tick); !done) return back_off(done.error());
    asked = true;
  }
  if (asked && failures_ > 0) {
    log_.info("store answers again", {{"failed_attempts", failures_}});
    failures_ = 0;
  }
  return plan_.sleep_from(clock_.wall());
}

// Where an entry stands when this process first meets it.
Result<void> Ticker::learn(std::size_t index) {
  const auto& entry = plan_.entries()[index];
  const auto now = clock_.wall();
  const auto first_seen = ledger_.first_seen(sighting_key(entry), now);
  if (!first_seen) return first_seen.error();
  const auto latest = ledger_.latest(entry.name);
  if (!latest) return latest.error();
  auto from = *first_seen;
  if (*latest) {
    from = std::max(from, (*latest)->due);
    if ((*latest)->outcome == TickOutcome::Enqueued) {
      metrics_.gauge(metrics::kScheduleLastRun, {entry.name}).Set(to_unix_seconds((*latest)->due));
    }
  }
  // Written by a clock that was ahead: nothing is known of the time up to now.
  plan_.settle(index, std::min(from, now));
  show_next(index);
  return {};
}

Result<void> Ticker::fire(DueTick tick) {
  const auto& entry = plan_.entries()[tick.entry];
  if (tick.missed > 0) {
    // Another scheduler may have worked while this one did not.
    const auto latest = ledger_.latest(entry.name);
    if (!latest) return latest.error();
    const auto now = clock_.wall();
    if (*latest) plan_.settle(tick.entry, std::min((*latest)->due, now));
    const auto still = plan_.due(tick.entry, now);
    if (!still) {
      show_next(tick.entry);
      return {};
    }
    tick = *still;
  }
  if (tick.missed > 0) {
    const auto recorded =
        ledger_.record_missed(entry.name, tick.last_missed, tick.missed, clock_.wall());
    if (!recorded) return recorded.error();
    if (*recorded) {
      count(entry, kMissed, tick.missed);
      log_.warn("ticks missed", {{"schedule", entry.name},
                                 {"ticks", tick.missed},
                                 {"latest", iso8601(tick.last_missed)}});
    }
    plan_.settle(tick.entry, tick.last_missed);
  }
  TaskRequest request;
  request.name = entry.task;
  request.args = entry.args;
  request.kwargs = entry.kwargs;
  request.id = tick_task_id(entry.name, tick.due);
  request.queue = entry.queue;
  const auto accepted = submit_(request, Tick{entry.name, tick.due});
  if (accepted) {
    const std::chrono::duration<double> lag = clock_.wall() - tick.due;
    metrics_.histogram(metrics::kScheduleLag).Observe(std::max(lag.count(), 0.0));
    count(entry, kEnqueued);
    log_.debug("tick enqueued", {{"schedule", entry.name}, {"task_id", request.id->str()}});
  } else if (accepted.error().code == Errc::Conflict) {
    count(entry, kTakenElsewhere);
  } else if (settles(accepted.error())) {
    if (const auto done = refuse(entry, tick, accepted.error()); !done) return done;
  } else {
    return accepted;
  }
  if (accepted || accepted.error().code == Errc::Conflict) {
    metrics_.gauge(metrics::kScheduleLastRun, {entry.name}).Set(to_unix_seconds(tick.due));
  }
  plan_.settle(tick.entry, tick.due);
  show_next(tick.entry);
  return {};
}

// The request itself is at fault, so trying again is no use. The ledger learns that this tick is
// over.
Result<void> Ticker::refuse(const ScheduleEntry& entry, const DueTick& tick, const Error& why) {
  const auto recorded = ledger_.record_missed(entry.name, tick.due, 1, clock_.wall());
  if (!recorded) return recorded.error();
  count(entry, *recorded ? kFailed : kTakenElsewhere);
  log_.error("tick refused", {{"schedule", entry.name}, {"task", entry.task}, {"why", why.what}});
  return {};
}

void Ticker::count(const ScheduleEntry& entry, const char* outcome, std::uint64_t ticks) {
  metrics_.counter(metrics::kScheduleTicks, {entry.name, outcome})
      .Increment(static_cast<double>(ticks));
}

void Ticker::show_next(std::size_t entry) {
  if (const auto next = plan_.next(entry)) {
    metrics_.gauge(metrics::kScheduleNextRun, {plan_.entries()[entry].name})
        .Set(to_unix_seconds(*next));
  }
}

std::chrono::microseconds Ticker::back_off(const Error& error) {
  if (failures_ == 0) log_.warn("store does not answer; ticks wait", {{"why", error.what}});
  const auto uniform = std::uniform_real_distribution<double>{}(random_);
  const std::chrono::microseconds delay =
      retry_.delay_after(failures_, uniform).value_or(retry_.max_delay);
  ++failures_;
  retry_at_ = clock_.steady() + delay;
  return std::min<std::chrono::microseconds>(delay, TickPlan::kLongestSleep);
}

}  // namespace umbel
