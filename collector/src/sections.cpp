#include "sections.hpp"

#include <cmath>

#include "attempts.hpp"
#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestText = 1100;  // bytes; a worker cuts at about 1,024 characters itself

json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::value optional_number(const std::optional<double>& value) {
  return value ? number(*value) : json::value(nullptr);
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

json::value seconds(const std::optional<WallTime>& time) {
  return time ? json::value(to_unix_seconds(*time)) : json::value(nullptr);
}

double seconds(std::chrono::microseconds duration) {
  return rounded(std::chrono::duration<double>(duration).count());
}

json::value words(const std::optional<std::string>& text) {
  return text ? json::value(shortened(*text, kLongestText)) : json::value(nullptr);
}

json::value words_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::value count_or_null(bool known, std::uint64_t value) {
  return known ? json::value(value) : json::value(nullptr);
}

json::value optional_count(const std::optional<std::uint64_t>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::value schedule_error(const std::optional<ScheduleError>& error) {
  if (!error) return nullptr;
  return json::object{{"since", to_unix_seconds(error->since)},
                      {"in_force_since", to_unix_seconds(error->in_force_since)},
                      {"what", shortened(error->what, kLongestText)}};
}

}  // namespace

json::array split(std::string_view list) {
  json::array parts;
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (comma != 0) parts.emplace_back(json::string{list.substr(0, comma)});
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return parts;
}

const char* to_text(WorkerStatus status) {
  switch (status) {
    case WorkerStatus::Online:
      return "online";
    case WorkerStatus::Lost:
      return "lost";
    case WorkerStatus::Left:
      break;
  }
  return "left";
}

json::object truth_section(const Truth& truth) {
  return {
      {"level", to_text(truth.level)}, {"text", truth.text}, {"link", words_or_null(truth.link)}};
}

std::string_view data_source(const LiveState& state) {
  if (state.submissions().empty()) return "none";
  return state.submissions().front().simulated ? "simulated" : "reddit";
}

json::object totals_section(const LiveState& state, const About& about, WallTime now) {
  const Totals& totals = state.totals();
  return {{"succeeded", totals.succeeded},     {"failed", totals.failed},
          {"retried", totals.retried},         {"received", totals.received},
          {"running", state.running()},        {"unknown", state.tasks().unknown()},
          {"waiting", state.waiting()},        {"taken", optional_count(state.taken(now))},
          {"started_at", seconds(about.since)}};
}

json::array blind_rows(const LiveState& state, WallTime now) {
  json::array rows;
  const std::int64_t last = unix_second(now);
  for (const BlindSpan& span : state.blind_spans().between(last - Series::kKept, last)) {
    rows.push_back(json::object{{"from", span.from},
                                {"to", span.to},
                                {"reason", to_text(span.reason)},
                                {"lost_for_good", lost_for_good(span.reason)},
                                {"lost", span.lost},
                                {"worker", words_or_null(span.who)}});
  }
  return rows;
}

json::object monitor_section(const LiveState& state, const About& about, WallTime now) {
  return {{"lag_seconds", seconds(state.lag(now))},
          {"events_per_second", state.events_per_second(now)},
          {"missed_events", state.totals().missed_events},
          {"cut_batches", state.totals().cut_batches},
          {"history_error", words_or_null(state.monitor().history_error)},
          {"history_shed", seconds(state.monitor().history_shed)},
          {"broker_error", words_or_null(state.monitor().broker_error)},
          {"store_error", words_or_null(state.monitor().store_error)},
          {"schedule_error", schedule_error(state.monitor().schedule_error)},
          {"blind", blind_rows(state, now)},
          {"version", about.version}};
}

json::object worker_row(const LiveWorker& worker, WallTime now) {
  const WorkerState& state = worker.state;
  const std::string software =
      state.sw_ver.empty() ? state.sw_ident : state.sw_ident + " " + state.sw_ver;
  const double clock_behind = seconds(worker.clock.behind());
  json::array load;
  for (const double each : state.loadavg) load.emplace_back(number(each));
  return {{"name", state.name.str()},
          {"status", to_text(state.status(now))},
          {"active", state.active},
          {"slots", state.slots},
          {"stuck", state.stuck},
          {"processed", state.processed},
          {"loadavg", std::move(load)},
          {"queues", split(state.queues)},
          {"last_seen", seconds(state.last_seen)},
          {"sw", words_or_null(software)},
          {"pool", words_or_null(worker.pool)},
          {"silent", worker.silent},
          {"untold", worker.runs.untold()},
          {"twins", worker.twins.seen(now)},
          {"clock_behind", clock_behind == 0 ? json::value(nullptr) : json::value(clock_behind)}};
}

json::object queue_row(const LiveQueue& queue, WallTime now) {
  const QueueFigures& figures = queue.figures;
  json::value oldest = nullptr;
  if (figures.oldest_ready) oldest = std::max(0.0, seconds(now - *figures.oldest_ready));
  const auto count_or_null = [](const std::optional<std::uint64_t>& value) {
    return value ? json::value(*value) : json::value(nullptr);
  };
  const auto rate = [](const std::optional<double>& value) {
    return optional_number(value ? std::optional{rounded(*value)} : std::nullopt);
  };
  return {{"name", figures.name.str()},
          {"ready", figures.ready},
          {"delayed", count_or_null(figures.delayed)},
          {"unacked", count_or_null(figures.unacked)},
          {"consumers", figures.consumers},
          {"oldest_age", std::move(oldest)},
          {"in_rate", rate(queue.in_rate)},
          {"out_rate", rate(queue.out_rate)},
          {"drain_seconds", rate(queue.drain_seconds)},
          {"why", queue.why ? json::value(queue.why->text) : json::value(nullptr)},
          {"stalled_since", seconds(queue.stalled_since)},
          {"oldest_task", words_or_null(queue.oldest_task.str())}};
}

json::object task_row(const Task& task) {
  return {{"id", task.uuid.str()},
          {"name", words(task.name)},
          {"state", task.state_text()},
          {"args", words(task.args)},
          {"kwargs", words(task.kwargs)},
          {"worker", words(task.worker)},
          {"queue", words(task.queue)},
          {"received", seconds(task.received ? task.received : task.sent)},
          {"started", seconds(task.started)},
          {"finished", seconds(finished_at(task))},
          {"runtime", optional_number(task.runtime)},
          {"result", words(task.result)},
          {"exception", words(task.exception)},
          {"retries", task.retries.value_or(0)},
          {"unknown_since", seconds(task.unknown_since)}};
}

json::object submission_row(const Submission& submission) {
  return {{"fullname", submission.fullname},
          {"subreddit", submission.subreddit},
          {"title", submission.title},
          {"author", submission.author},
          {"score", submission.score},
          {"num_comments", submission.num_comments},
          {"permalink", submission.permalink},
          {"created", to_unix_seconds(submission.created)},
          {"fetched", to_unix_seconds(submission.fetched)},
          {"source", submission.source},
          {"simulated", submission.simulated}};
}

json::object schedule_row(const ScheduleRow& row, const LiveState& state) {
  const bool ran = row.last_outcome == TickOutcome::Enqueued && !row.last_task.empty();
  const Task* const task = ran ? state.find(row.last_task) : nullptr;
  return {{"name", row.name},
          {"last_due", to_unix_seconds(row.last_due)},
          {"last_task", words_or_null(row.last_task.str())},
          {"last_outcome", row.last_outcome == TickOutcome::Enqueued ? "enqueued" : "missed"},
          {"last_state", task == nullptr ? json::value(nullptr) : json::value(task->state_text())},
          {"missed", row.missed}};
}

json::object point(const Second& second) {
  const auto count = [&](Count what) {
    return count_or_null(second.seen, second.counts[static_cast<std::size_t>(what)]);
  };
  return {{"t", second.t},
          {"succeeded", count(Count::Succeeded)},
          {"failed", count(Count::Failed)},
          {"retried", count(Count::Retried)},
          {"received", count(Count::Received)},
          {"running", optional_count(second.running)},
          {"ready", optional_count(second.ready)}};
}

json::object series_section(const Series& series, std::int64_t last) {
  json::object points;
  for (const char* name : {"succeeded", "failed", "retried", "received", "running", "ready"}) {
    points[name].emplace_array().reserve(static_cast<std::size_t>(Series::kKept));
  }
  for (const Second& second : series.until(last)) {
    for (auto& [name, value] : point(second)) {
      if (name != "t") points[name].get_array().push_back(std::move(value));
    }
  }
  return {{"step", 1}, {"from", last - Series::kKept + 1}, {"points", std::move(points)}};
}

json::object all_sections(const LiveState& state, const About& about, WallTime now,
                          std::int64_t last_second) {
  json::array workers;
  for (const auto& [name, worker] : state.workers())
    workers.push_back(worker_row(worker, state.heard_until(now)));
  json::array queues;
  for (const auto& [name, queue] : state.queues()) queues.push_back(queue_row(queue, now));
  json::array tasks;
  state.each_task([&](const Task& task, std::uint64_t) {
    tasks.push_back(task_row(task));
    return tasks.size() < kShownTasks;
  });
  json::array submissions;
  for (const Submission& each : state.submissions()) submissions.push_back(submission_row(each));
  json::array schedule;
  for (const ScheduleRow& each : state.schedule()) schedule.push_back(schedule_row(each, state));
  return {{"truth", truth_section(state.truth(now))},
          {"data_source", data_source(state)},
          {"totals", totals_section(state, about, now)},
          {"monitor", monitor_section(state, about, now)},
          {"workers", std::move(workers)},
          {"queues", std::move(queues)},
          {"tasks", std::move(tasks)},
          {"submissions", std::move(submissions)},
          {"series", series_section(state.series(), last_second)},
          {"schedule", std::move(schedule)}};
}

}  // namespace umbel::collector
