// What a message costs between bytes and a value: the collector decodes every event, a worker every
// task.
//
// The events are those that Celery sends for one task that succeeds, with the fields and the order
// of fields of its dispatcher.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "umbel/celery/events.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/model/task.hpp"

namespace {

using umbel::Event;

const std::string& uuid() {
  static const std::string text = "6f53f8a2-5587-47a7-808f-92c5b03d4c9d";
  return text;
}

std::string base_fields() {
  return R"({"hostname": "worker1@production-host", "utcoffset": 0, "pid": 18595, "clock": 78, "uuid": ")" +
         uuid() + "\", ";
}

std::string received() {
  return base_fields() +
         R"j("name": "application.tasks.fetch", "args": "('https://example.org/a', 5)", "kwargs": "{'retry': True}", )j" +
         R"("root_id": ")" + uuid() +
         R"(", "parent_id": null, "retries": 0, "eta": null, "expires": null, "timestamp": 1795350738.1396167, "type": "task-received"})";
}

std::string started() {
  return base_fields() + R"("timestamp": 1795350738.1397543, "type": "task-started"})";
}

std::string succeeded() {
  return base_fields() +
         R"("result": "'ok'", "runtime": 0.513916571999971, "timestamp": 1795350738.6536167, "type": "task-succeeded"})";
}

std::string heartbeat() {
  return R"({"hostname": "worker1@production-host", "utcoffset": 0, "pid": 18595, "clock": 98, "freq": 2.0, "active": 2, "processed": 8, "loadavg": [3.71, 1.67, 0.74],
 "sw_ident": "py-celery", "sw_ver": "5.2.6", "sw_sys": "Linux", "timestamp": 1795350740.1139648, "type": "worker-heartbeat"})";
}

// A batch of `tasks` tasks from received to succeeded; Celery's own batches hold up to 24 events.
std::string batch(int tasks) {
  std::string body{'['};
  for (int i = 0; i < tasks; ++i) {
    if (i > 0) body += ", ";
    body += received() + ", " + started() + ", " + succeeded();
  }
  return body + ']';
}

void decode_bodies(benchmark::State& state, const std::string& body) {
  std::vector<Event> events;
  std::size_t count = 0;
  for (auto _ : state) {
    events.clear();
    const auto skipped = umbel::celery::decode_events(body, events);
    if (!skipped.has_value() || *skipped != 0 || events.empty()) {
      state.SkipWithError("not decoded");
      break;
    }
    benchmark::DoNotOptimize(events.data());
    count += events.size();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.counters["time_per_event"] = benchmark::Counter(
      static_cast<double>(count), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void decode_batch_of_24(benchmark::State& state) { decode_bodies(state, batch(8)); }
void decode_single_received(benchmark::State& state) {
  decode_bodies(state, "[" + received() + "]");
}
void decode_single_started(benchmark::State& state) { decode_bodies(state, "[" + started() + "]"); }
void decode_heartbeat(benchmark::State& state) { decode_bodies(state, heartbeat()); }

void merge_events(benchmark::State& state) {
  std::vector<Event> events;
  if (!umbel::celery::decode_events(batch(1), events)) state.SkipWithError("not decoded");
  for (auto _ : state) {
    umbel::Task task;
    for (const Event& event : events) umbel::apply(task, std::get<umbel::TaskEvent>(event));
    benchmark::DoNotOptimize(task);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(events.size()));
}

void encode_batch_of_24(benchmark::State& state) {
  std::vector<Event> events;
  if (!umbel::celery::decode_events(batch(8), events)) state.SkipWithError("not decoded");
  for (auto _ : state) benchmark::DoNotOptimize(umbel::celery::encode_events(events));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(events.size()));
}

umbel::celery::TaskMessage task_message() {
  umbel::celery::TaskMessage task;
  task.task = "reddit.fetch_submission";
  task.id = umbel::TaskId{uuid()};
  task.args = {"https://www.reddit.com/r/cpp/comments/abcdef/a_title", 5};
  task.kwargs = {{"retry", true}};
  task.root_id = uuid();
  task.origin = "gen26150@production-host";
  return task;
}

void encode_task(benchmark::State& state) {
  const auto task = task_message();
  for (auto _ : state) benchmark::DoNotOptimize(umbel::celery::encode_task(task));
  state.SetItemsProcessed(state.iterations());
}

void decode_task(benchmark::State& state) {
  const auto message = umbel::celery::encode_task(task_message());
  for (auto _ : state) {
    const auto task = umbel::celery::decode_task(message);
    if (!task.has_value()) {
      state.SkipWithError("not decoded");
      break;
    }
    benchmark::DoNotOptimize(task->args.size());
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(decode_batch_of_24);
BENCHMARK(decode_single_received);
BENCHMARK(decode_single_started);
BENCHMARK(decode_heartbeat);
BENCHMARK(merge_events);
BENCHMARK(encode_batch_of_24);
BENCHMARK(decode_task);
BENCHMARK(encode_task);

}  // namespace

BENCHMARK_MAIN();
