#include "figures.hpp"

namespace umbel::collector {
namespace {

constexpr auto kForgetEvery = std::chrono::hours{1};

}  // namespace

std::vector<ScheduleRow> schedule_rows(const std::vector<ScheduleTicks>& schedules) {
  std::vector<ScheduleRow> rows;
  rows.reserve(schedules.size());
  for (const ScheduleTicks& each : schedules) {
    rows.push_back({.name = each.newest.schedule,
                    .last_due = each.newest.due,
                    .last_task = each.last_task,
                    .last_outcome = each.newest.outcome,
                    .missed = each.missed});
  }
  return rows;
}

Figures::Figures(Broker& broker, Store& store, History& history, Live& live, const Clock& clock,
                 Log log, FiguresOptions options)
    : broker_{broker},
      store_{store},
      history_{history},
      live_{live},
      clock_{clock},
      log_{log},
      options_{options},
      queues_outage_{"reading the queues", clock, log},
      submissions_outage_{"reading submissions", clock, log},
      schedule_outage_{"reading the schedule's ticks", clock, log},
      forget_outage_{"forgetting old history", clock, log} {}

Figures::~Figures() { stop(); }

void Figures::start() {
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void Figures::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Figures::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    ask();
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, options_.every, [] { return false; });
  }
}

void Figures::ask() {
  ask_queues();
  ask_submissions();
  ask_schedule();
  live_.with([now = clock_.wall()](LiveState& state) { state.tick(now); });
  if (!forgot_ || clock_.steady() - *forgot_ >= kForgetEvery) forget();
}

void Figures::ask_queues() {
  std::vector<QueueName> heard_of;
  live_.with([&](LiveState& state) { heard_of = state.queues_heard_of(); });
  const auto queues = broker_.queues(heard_of);
  if (!queues) {
    queues_outage_.failed(queues.error());
    live_.with([&](LiveState& state) { state.set_broker_error(queues.error().what); });
    return;
  }
  queues_outage_.over();
  live_.with([&, now = clock_.wall()](LiveState& state) {
    state.set_queues(*queues, now);
    state.set_broker_error({});
  });
}

void Figures::ask_submissions() {
  // A submission fetched again changes no count: the newest tells.
  auto newest = store_.submissions().latest(1);
  const auto count = store_.submissions().count();
  if (!newest) {
    submissions_outage_.failed(newest.error());
    return;
  }
  if (!count) {
    submissions_outage_.failed(count.error());
    return;
  }
  submissions_outage_.over();
  const auto fetched = newest->empty() ? std::nullopt : std::optional{newest->front().fetched};
  if (submissions_known_ == *count && newest_fetch_ == fetched) return;
  auto latest = store_.submissions().latest(options_.submissions);
  if (!latest) {
    submissions_outage_.failed(latest.error());
    return;
  }
  submissions_known_ = *count;
  newest_fetch_ = fetched;
  live_.with([&](LiveState& state) { state.set_submissions(std::move(*latest)); });
}

void Figures::ask_schedule() {
  const auto ticks = store_.ticks().newest_of_each();
  if (!ticks) {
    schedule_outage_.failed(ticks.error());
    live_.with([&](LiveState& state) { state.set_store_error(ticks.error().what); });
    return;
  }
  const auto error = store_.shared().get(kScheduleErrorKey, clock_.wall());
  if (!error) {
    schedule_outage_.failed(error.error());
    live_.with([&](LiveState& state) { state.set_store_error(error.error().what); });
    return;
  }
  schedule_outage_.over();
  live_.with([rows = schedule_rows(*ticks),
              wrong = schedule_error_from(error->value_or(""))](LiveState& state) mutable {
    state.set_schedule(std::move(rows));
    state.set_schedule_error(std::move(wrong));
    state.set_store_error({});
  });
}

void Figures::forget() {
  forgot_ = clock_.steady();
  const auto forgotten = history_.forget(clock_.wall() - options_.keep_history);
  if (!forgotten) {
    forget_outage_.failed(forgotten.error());
    return;
  }
  forget_outage_.over();
  if (*forgotten > 0) log_.info("old history forgotten", {{"days", *forgotten}});
}

}  // namespace umbel::collector
