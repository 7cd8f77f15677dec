#include "detail_api.hpp"

#include <algorithm>
#include <map>

#include "sections.hpp"
#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t kLookedThrough = 2000;  // tasks, for what workers hold of an empty queue

json::array rows_of(const std::vector<Task>& tasks) {
  json::array rows;
  for (const Task& task : tasks) rows.push_back(task_row(task));
  return rows;
}

json::value time_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(to_unix_seconds(*time)) : json::value(nullptr);
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

bool takes_from(const WorkerState& worker, std::string_view queue) {
  for (const json::value& each : split(worker.queues)) {
    if (each.get_string() == queue) return true;
  }
  return false;
}

// Only Umbel's workers say their queues.
json::value registered(const WorkerState& worker, const std::vector<CatalogueEntry>* catalogue) {
  if (catalogue == nullptr || worker.queues.empty()) return nullptr;
  json::array names;
  for (const CatalogueEntry& each : *catalogue) {
    if (takes_from(worker, each.queue.str())) names.emplace_back(each.name);
  }
  return names;
}

json::value told_object(const std::optional<Inspection>& told) {
  if (!told) return nullptr;
  json::object object = told->answers;
  object.erase("registered");  // stands in the row
  object["at"] = to_unix_seconds(told->at);
  return object;
}

}  // namespace

Result<json::object> worker_answer(const LiveState& state, const std::string& name,
                                   const std::optional<Inspection>& told,
                                   const std::vector<CatalogueEntry>* catalogue, WallTime now) {
  const auto found = state.workers().find(name);
  if (found == state.workers().end())
    return not_found("no worker is named `" + shortened(name, 80) + "`");
  const WorkerState& worker = found->second.state;
  json::object row = worker_row(found->second, state.heard_until(now));
  row["pid"] = worker.pid == 0 ? json::value(nullptr) : json::value(worker.pid);
  row["sw_sys"] = text_or_null(worker.sw_sys);
  row["freq"] = worker.freq;
  row["first_seen"] = time_or_null(worker.first_seen);
  const json::value* const said = told ? told->answers.if_contains("registered") : nullptr;
  row["registered"] = said != nullptr ? *said : registered(worker, catalogue);

  json::array busy, names;
  const WorkerDetail* const detail = state.worker_detail(name);
  const WorkerDetail nothing;
  const WorkerDetail& known = detail == nullptr ? nothing : *detail;
  known.busy.each(unix_second(now), [&](std::int64_t, const BusyMinute* minute) {
    busy.push_back(minute == nullptr ? json::value(nullptr) : json::value(minute->mean()));
  });
  for (const auto& [task, ended] : known.ended) {
    names.push_back(
        json::object{{"name", task}, {"succeeded", ended.succeeded}, {"failed", ended.failed}});
  }
  const TaskTable& tasks = state.tasks();
  return json::object{
      {"worker", std::move(row)},
      {"running",
       rows_of(tasks.oldest({.running = true, .worker = name, .queue = {}}, kShownRunning))},
      {"prefetched",
       rows_of(tasks.oldest({.running = false, .worker = name, .queue = {}}, kShownPrefetched))},
      {"spark_busy", std::move(busy)},
      {"names", std::move(names)},
      {"told", told_object(told)},
      {"now", to_unix_seconds(now)}};
}

Result<json::object> queue_answer(const LiveState& state, const std::string& name, WallTime now) {
  const auto found = state.queues().find(name);
  if (found == state.queues().end())
    return not_found("no queue is named `" + shortened(name, 80) + "`");
  json::array trend, consumers, names;
  if (const QueueDetail* const detail = state.queue_detail(name)) {
    detail->minutes().each(unix_second(now), [&](std::int64_t t, const QueueMinute* minute) {
      const auto flow = [&](std::uint64_t QueueMinute::*what) {
        return minute == nullptr || !minute->flow_known ? json::value(nullptr)
                                                        : json::value(minute->*what);
      };
      trend.push_back(json::object{
          {"t", t},
          {"ready", minute == nullptr ? json::value(nullptr) : json::value(minute->most_ready)},
          {"in", flow(&QueueMinute::in)},
          {"out", flow(&QueueMinute::out)}});
    });
  }
  for (const auto& [worker, live] : state.workers()) {
    if (live.state.status(now) == WorkerStatus::Online && takes_from(live.state, name))
      consumers.emplace_back(worker);
  }
  std::map<std::string, std::uint64_t> waiting;
  // Of an empty queue only what a worker holds is known to wait; the others left it unheard.
  const QueueFigures& figures = found->second.figures;
  const bool empty = figures.ready == 0 && figures.delayed.value_or(0) == 0;
  std::vector<Task> oldest = state.tasks().oldest({.running = false, .worker = {}, .queue = name},
                                                  empty ? kLookedThrough : kShownOldest);
  if (empty) {
    std::erase_if(oldest, [](const Task& task) { return task.state != TaskState::Received; });
    for (const Task& task : oldest) ++waiting[task.name.value_or("")];
    if (oldest.size() > kShownOldest) oldest.resize(kShownOldest);
  }
  state.tasks().each_waiting(
      [&](const std::string& queue, const std::string& task, std::uint64_t tasks) {
        if (queue == name && !empty) waiting[task] += tasks;
      });
  std::vector<std::pair<std::string, std::uint64_t>> most{waiting.begin(), waiting.end()};
  std::stable_sort(most.begin(), most.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [task, tasks] : most)
    names.push_back(json::object{{"name", text_or_null(task)}, {"waiting", tasks}});
  return json::object{{"queue", queue_row(found->second, now)},
                      {"trend", std::move(trend)},
                      {"consumers", std::move(consumers)},
                      {"names", std::move(names)},
                      {"oldest", rows_of(oldest)},
                      {"now", to_unix_seconds(now)}};
}

}  // namespace umbel::collector
