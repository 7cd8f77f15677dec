#include "umbel/scheduler/ticker.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel {
namespace {

constexpr const char* kEnqueued = "enqueued";
constexpr const char* kTakenElsewhere = "taken_elsewhere";
constexpr const char* kMissed = "missed";
constexpr const char* kFailed = "failed";

constexpr std::size_t kLedgerBatch = 500;  // schedules that are taken up in one transaction

TickedTask ticked_task(const ScheduleEntry& entry, const DueTick& tick) {
  TickedTask ticked;
  ticked.request.name = entry.task;
  ticked.request.args = entry.args;
  ticked.request.kwargs = entry.kwargs;
  ticked.request.id = tick_task_id(entry.name, tick.due);
  ticked.request.queue = entry.queue;
  ticked.tick = Tick{entry.name, tick.due, tick.missed};
  return ticked;
}

}  // namespace

TaskId tick_task_id(std::string_view schedule, WallTime due) {
  return TaskId{named_uuid("tick|" + std::string{schedule} + "|" + std::to_string(to_micros(due)))};
}

SubmitTicks submit_through(Enqueuer& enqueuer) {
  return [&enqueuer](std::span<const TickedTask> ticks) -> Result<std::vector<Result<void>>> {
    const auto submitted = enqueuer.submit_ticks(ticks);
    if (!submitted) return submitted.error();
    std::vector<Result<void>> answers;
    answers.reserve(submitted->size());
    for (const auto& each : *submitted) {
      answers.push_back(each ? Result<void>{} : Result<void>{each.error()});
    }
    return answers;
  };
}

Ticker::Ticker(SubmitTicks submit, TickLedger& ledger, const Clock& clock,
               metrics::Metrics& metrics, Log log, AskPauses ask_pauses)
    : submit_{std::move(submit)},
      ledger_{ledger},
      clock_{clock},
      metrics_{metrics},
      log_{std::move(log)},
      ask_pauses_{std::move(ask_pauses)},
      retry_{.max_retries = std::numeric_limits<int>::max(),
             .first_delay = std::chrono::milliseconds{100},
             .factor = 2.0,
             .max_delay = std::chrono::seconds{5},
             .jitter = 0.5},
      random_{std::random_device{}()} {
  for (const auto* direction : {"forward", "backward"}) {
    metrics_.counter(metrics::kClockSteps, {direction}).Increment(0);
  }
}

void Ticker::replace(std::vector<ScheduleEntry> entries) {
  const std::lock_guard lock{mutex_};
  replacement_ = std::move(entries);
}

void Ticker::take_replacement(std::vector<ScheduleEntry> entries, WallTime since) {
  std::unordered_set<std::string_view> stays;
  for (const auto& entry : entries) stays.insert(entry.name);
  for (const auto& entry : plan_.entries()) {
    metrics_.remove(metrics::kScheduleNextRun, {entry.name});
    metrics_.remove(metrics::kSchedulePaused, {entry.name});
    if (!stays.contains(entry.name)) metrics_.remove(metrics::kScheduleLastRun, {entry.name});
  }
  auto ended = plan_.replace(std::move(entries), since);
  std::ranges::move(ended, std::back_inserter(ended_));
  std::array<double, 2> by_state{};
  for (std::size_t i = 0; i < plan_.entries().size(); ++i) {
    const auto& entry = plan_.entries()[i];
    by_state[entry.enabled ? 1 : 0] += 1;
    metrics_.gauge(metrics::kSchedulePaused, {entry.name}).Set(plan_.paused(i) ? 1 : 0);
    for (const auto* outcome : {kEnqueued, kTakenElsewhere, kMissed, kFailed}) {
      count(entry, outcome, 0);
    }
    show_next(i);
  }
  metrics_.gauge(metrics::kScheduleEntries, {"true"}).Set(by_state[1]);
  metrics_.gauge(metrics::kScheduleEntries, {"false"}).Set(by_state[0]);
}

std::chrono::microseconds Ticker::pass(const std::stop_token& stop) {
  watch_clock();
  const auto waiting = retry_at_ - clock_.steady();
  if (failures_ > 0 && waiting > Steady::duration::zero()) {
    return std::min<std::chrono::microseconds>(
        std::chrono::ceil<std::chrono::microseconds>(waiting), TickPlan::kLongestSleep);
  }
  const auto did = work(stop);
  if (!did) return back_off(did.error());
  if (*did == Did::Something && failures_ > 0) {
    log_.info("store answers again", {{"failed_attempts", failures_}});
    failures_ = 0;
  }
  if (stop.stop_requested()) return std::chrono::microseconds{0};
  const auto sleep = plan_.sleep_from(clock_.wall());
  const bool at_a_tick = sleep < TickPlan::kLongestSleep;
  return ahead_ < 0 && at_a_tick
             ? std::min<std::chrono::microseconds>(sleep + kBehindAnother, TickPlan::kLongestSleep)
             : sleep;
}

// Entries are replaced only after what was due by the old ones has been fired, and the new ones
// count from that very instant: no tick falls between them, none belongs to both.
Result<Ticker::Did> Ticker::work(const std::stop_token& stop) {
  if (const auto heeded = heed_pauses(); !heeded) return heeded.error();
  const auto now = clock_.wall();
  const auto fired = fire_due(now, stop);
  if (!fired || stop.stop_requested()) return fired;
  std::optional<std::vector<ScheduleEntry>> entries;
  {
    const std::lock_guard lock{mutex_};
    entries = std::exchange(replacement_, std::nullopt);
  }
  if (entries) {
    take_replacement(std::move(*entries), now);
    if (const auto heeded = heed_pauses(); !heeded) return heeded.error();
  }
  const auto known = take_up_new(stop);
  if (!known || *known == Did::Nothing) return known ? fired : known;
  const auto rest = fire_due(clock_.wall(), stop);
  return rest ? Result<Did>{Did::Something} : rest;
}

Result<void> Ticker::heed_pauses() {
  if (!ask_pauses_) return {};
  const auto pauses = ask_pauses_();
  if (!pauses) return pauses.error();
  std::map<std::string_view, const SchedulePause*> paused;
  for (const auto& pause : *pauses) paused.emplace(pause.name, &pause);
  for (std::size_t i = 0; i < plan_.entries().size(); ++i) {
    const auto& name = plan_.entries()[i].name;
    const auto pause = paused.find(name);
    if ((pause != paused.end()) == plan_.paused(i)) continue;
    if (pause != paused.end()) {
      plan_.pause(i);
      metrics_.remove(metrics::kScheduleNextRun, {name});
      log_.info("schedule paused", {{"schedule", name},
                                    {"since", iso8601(pause->second->since)},
                                    {"reason", pause->second->reason}});
    } else {
      plan_.resume(i, clock_.wall());
      log_.info("schedule resumed", {{"schedule", name}});
    }
    metrics_.gauge(metrics::kSchedulePaused, {name}).Set(plan_.paused(i) ? 1 : 0);
  }
  return {};
}

// Tells the ledger what is in force no longer, and asks it where new entries stand.
Result<Ticker::Did> Ticker::take_up_new(const std::stop_token& stop) {
  auto did = Did::Nothing;
  while (!ended_.empty() && !stop.stop_requested()) {
    const auto some = std::min(kLedgerBatch, ended_.size());
    const std::vector<std::string> names(ended_.end() - static_cast<std::ptrdiff_t>(some),
                                         ended_.end());
    if (const auto done = ledger_.lay_down(names); !done) return done.error();
    ended_.resize(ended_.size() - some);
    did = Did::Something;
  }
  const auto unsettled = plan_.unsettled();
  for (std::size_t at = 0; at < unsettled.size() && !stop.stop_requested(); at += kLedgerBatch) {
    const auto some = std::min(kLedgerBatch, unsettled.size() - at);
    const auto done = settle_by_ledger(std::span{unsettled}.subspan(at, some), clock_.wall());
    if (!done) return done.error();
    did = Did::Something;
  }
  return did;
}

Result<void> Ticker::settle_by_ledger(std::span<const std::size_t> entries, WallTime now) {
  std::vector<ScheduleInForce> schedules;
  schedules.reserve(entries.size());
  for (const auto index : entries) {
    const auto& entry = plan_.entries()[index];
    schedules.push_back({entry.name, entry.schedule_text, plan_.since(index)});
  }
  const auto standings = ledger_.take_up(schedules, now);
  if (!standings) return standings.error();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& entry = plan_.entries()[entries[i]];
    const auto& [since, latest] = (*standings)[i];
    // A `since` in the future was written by a clock that was ahead.
    auto from = std::min(since, now);
    if (latest) {
      from = since > now ? latest->due : std::max(from, latest->due);
      if (latest->outcome == TickOutcome::Enqueued) show_last(entry, latest->due);
    }
    plan_.settle(entries[i], from);
    show_next(entries[i]);
  }
  return {};
}

Result<Ticker::Did> Ticker::fire_due(WallTime now, const std::stop_token& stop) {
  const auto ticks = plan_.due(now);
  if (!ticks.empty()) ahead_ = 0;
  for (std::size_t at = 0; at < ticks.size(); at += kBatch) {
    if (stop.stop_requested()) break;
    const auto batch = std::span{ticks}.subspan(at, std::min(kBatch, ticks.size() - at));
    if (const auto done = fire(batch); !done) return done.error();
  }
  return ticks.empty() ? Did::Nothing : Did::Something;
}

Result<void> Ticker::fire(std::span<const DueTick> ticks) {
  std::vector<TickedTask> tasks;
  tasks.reserve(ticks.size());
  for (const auto& tick : ticks) tasks.push_back(ticked_task(plan_.entries()[tick.entry], tick));
  const auto answers = submit_(tasks);
  if (!answers) return answers.error();
  std::vector<std::size_t> behind;
  std::vector<std::pair<DueTick, Error>> refused;
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const auto& tick = ticks[i];
    const auto& entry = plan_.entries()[tick.entry];
    const auto& answer = (*answers)[i];
    if (answer) ++ahead_;
    if (!answer && answer.error().code == Errc::Conflict) --ahead_;
    if (answer) {
      fired(tick);
    } else if (answer.error().code == Errc::Conflict && tick.missed) {
      // Another scheduler worked while this one did not; the ledger knows how far it came.
      behind.push_back(tick.entry);
      continue;
    } else if (answer.error().code == Errc::Conflict) {
      count(entry, kTakenElsewhere);
      show_last(entry, tick.due);
    } else {
      refused.emplace_back(tick, answer.error());
      continue;
    }
    plan_.settle(tick.entry, tick.due);
    show_next(tick.entry);
  }
  for (const auto& [tick, why] : refused) {
    const auto recorded = refuse(tick, why);
    if (!recorded) return recorded.error();
    if (!*recorded && tick.missed) {
      behind.push_back(tick.entry);
      continue;
    }
    plan_.settle(tick.entry, tick.due);
    show_next(tick.entry);
  }
  return behind.empty() ? Result<void>{} : settle_by_ledger(behind, clock_.wall());
}

void Ticker::fired(const DueTick& tick) {
  const auto& entry = plan_.entries()[tick.entry];
  const std::chrono::duration<double> lag = clock_.wall() - tick.due;
  metrics_.histogram(metrics::kScheduleLag).Observe(std::max(lag.count(), 0.0));
  count(entry, kEnqueued);
  show_last(entry, tick.due);
  log_.debug("tick enqueued", {{"schedule", entry.name}, {"due", iso8601(tick.due)}});
  if (!tick.missed) return;
  count(entry, kMissed, tick.missed->count);
  log_.warn("ticks missed", {{"schedule", entry.name},
                             {"ticks", tick.missed->count},
                             {"latest", iso8601(tick.missed->latest)}});
}

// The request itself is at fault, so trying again is no use. The ledger learns that this tick is
// over, with those missed before it. False: it knows better.
Result<bool> Ticker::refuse(const DueTick& tick, const Error& why) {
  const auto& entry = plan_.entries()[tick.entry];
  const auto before = tick.missed ? tick.missed->count : 0;
  const MissedTicks over{
      .after = tick.missed ? tick.missed->after : tick.due - std::chrono::microseconds{1},
      .latest = tick.due,
      .count = before + 1};
  const auto recorded = ledger_.record_missed(entry.name, over, clock_.wall());
  if (!recorded || (!*recorded && tick.missed)) return recorded;
  count(entry, *recorded ? kFailed : kTakenElsewhere);
  if (*recorded) count(entry, kMissed, before);
  log_.error("tick refused", {{"schedule", entry.name}, {"task", entry.task}, {"why", why.what}});
  return recorded;
}

// Ticks do not mind (what is passed over counts as missed, what the ledger has is not fired again),
// but people want to know why.
void Ticker::watch_clock() {
  const auto wall = clock_.wall();
  const auto apart = wall.time_since_epoch() - std::chrono::floor<std::chrono::microseconds>(
                                                   clock_.steady().time_since_epoch());
  const auto before = std::exchange(clocks_apart_, apart);
  if (!before) return;
  const auto step = apart - *before;
  if (std::chrono::abs(step) < kClockStep) return;
  const char* const direction = step.count() > 0 ? "forward" : "backward";
  metrics_.counter(metrics::kClockSteps, {direction}).Increment();
  log_.warn(
      "the wall clock moved",
      {{"direction", direction}, {"by", spoken(std::chrono::abs(step))}, {"now", iso8601(wall)}});
}

void Ticker::count(const ScheduleEntry& entry, const char* outcome, std::uint64_t ticks) {
  metrics_.counter(metrics::kScheduleTicks, {entry.name, outcome})
      .Increment(static_cast<double>(ticks));
}

void Ticker::show_last(const ScheduleEntry& entry, WallTime due) {
  metrics_.gauge(metrics::kScheduleLastRun, {entry.name}).Set(to_unix_seconds(due));
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
