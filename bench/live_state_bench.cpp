// What the collector's state costs: memory for a task in live state, CPU for an event through
// decoding and live state, CPU for a task in the history, and the time until a collector that knows
// many tasks is ready to serve.
//
// Arguments: tasks in live state (100,000), tasks in the history (200,000). A hundredth of the
// latter is unfinished.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "intake.hpp"
#include "live_state.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace {

using umbel::Event;
using umbel::Steady;
using umbel::Task;
using umbel::WallTime;
using umbel::collector::LiveState;

constexpr std::size_t kEventsPerBatch = 24;

double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double heap_bytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

std::string uuid(std::uint64_t n) {
  std::mt19937_64 random{n};
  return umbel::collector::uuid_text({.high = random(), .low = random()});
}

umbel::TaskEvent event_of(std::uint64_t n, umbel::TaskEventType type, WallTime at) {
  umbel::TaskEvent event;
  event.type = type;
  event.uuid = umbel::TaskId{uuid(n)};
  event.origin.hostname = "w" + std::to_string(n % 8) + "@host";
  event.origin.timestamp = at;
  event.origin.pid = 4711;
  if (type == umbel::TaskEventType::Received) {
    event.name = "reddit.fetch_submission";
    event.args = "()";
    event.kwargs = "{'url': 'https://www.reddit.com/r/cpp/comments/" + std::to_string(n) + "/'}";
    event.root_id = uuid(n);
    event.retries = 0;
  }
  if (type == umbel::TaskEventType::Succeeded) {
    event.result = "{'fullname': 't3_" + std::to_string(n) + "', 'stored': True}";
    event.runtime = 0.05;
  }
  return event;
}

std::vector<Event> events_of(std::uint64_t n, WallTime at) {
  return {event_of(n, umbel::TaskEventType::Received, at),
          event_of(n, umbel::TaskEventType::Started, at + std::chrono::milliseconds{3}),
          event_of(n, umbel::TaskEventType::Succeeded, at + std::chrono::milliseconds{53})};
}

std::vector<std::string> bodies_of(std::size_t tasks, WallTime now) {
  std::vector<std::string> bodies;
  std::vector<Event> batch;
  for (std::size_t n = 0; n < tasks; ++n) {
    for (Event& event : events_of(n, now)) batch.push_back(std::move(event));
    if (batch.size() < kEventsPerBatch && n + 1 < tasks) continue;
    bodies.push_back(umbel::celery::encode_events(batch));
    batch.clear();
  }
  return bodies;
}

void live_state(std::size_t tasks) {
  const umbel::SystemClock clock;
  const WallTime now = clock.wall();
  const auto bodies = bodies_of(tasks, now);
  malloc_trim(0);
  const double heap_before = heap_bytes();
  LiveState state{tasks, now};
  const double cpu_before = cpu_seconds();
  std::vector<Event> events;
  std::size_t count = 0;
  for (const std::string& body : bodies) {
    events.clear();
    (void)umbel::celery::decode_events(body, events);
    for (const Event& event : events) state.apply(event, now);
    count += events.size();
  }
  const double cpu = cpu_seconds() - cpu_before;
  events = {};
  fmt::print("live state: {} tasks, {:.0f} B of heap each ({:.0f} B by its own account)\n",
             state.task_count(), (heap_bytes() - heap_before) / static_cast<double>(tasks),
             static_cast<double>(state.tasks().bytes()) / static_cast<double>(tasks));
  fmt::print("decode and live state: {:.2f} us of CPU for an event ({} events)\n",
             cpu * 1e6 / static_cast<double>(count), count);
}

// From the broker's stream to the live state and the history, as the collector does it.
void intake(std::size_t tasks) {
  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const umbel::Log log{"bench", umbel::LogLevel::Warn};
  const auto broker =
      umbel::open_sqlite_broker({.path = dir.file("broker.db")}, clock, log).value();
  const auto store = umbel::open_sqlite_store({.path = dir.file("store.db")}, clock, log).value();
  const auto history =
      umbel::open_sqlite_history({.folder = dir.file("history")}, clock, log).value();
  for (const std::string& body : bodies_of(tasks, clock.wall()))
    broker->publish_events(body, {}).value();
  umbel::metrics::Metrics metrics{"bench"};
  umbel::collector::Live live{tasks, clock.wall(), &clock};
  umbel::collector::Intake taking{
      *broker, store->results(), *history, live, clock, metrics, log, {}, [] {
        return std::uint64_t{0};
      }};
  taking.load().value();
  const double cpu_before = cpu_seconds();
  const auto begin = Steady::now();
  taking.start();
  const auto done = [&] {
    return live.with([&](LiveState& state) { return state.totals().succeeded; }) == tasks;
  };
  while (!done()) std::this_thread::sleep_for(std::chrono::milliseconds{5});
  taking.stop();
  const double each = 1e6 / static_cast<double>(tasks);
  fmt::print(
      "broker, live state and history: {:.1f} us of CPU, {:.1f} us of time for a task of 3 "
      "events\n",
      (cpu_seconds() - cpu_before) * each, seconds_since(begin) * each);
}

void history_and_start(std::size_t tasks) {
  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const umbel::Log log{"bench", umbel::LogLevel::Warn};
  const auto store = umbel::open_sqlite_store({.path = dir.file("store.db")}, clock, log).value();
  const auto broker =
      umbel::open_sqlite_broker({.path = dir.file("broker.db")}, clock, log).value();
  {
    const auto history =
        umbel::open_sqlite_history({.folder = dir.file("history")}, clock, log).value();
    const double cpu_before = cpu_seconds();
    double preparing = 0;
    std::vector<Task> batch;
    std::vector<umbel::Moment> moments;
    umbel::HistoryPosition position;
    for (std::size_t n = 0; n < tasks; ++n) {
      const double begin = cpu_seconds();
      Task task;
      task.uuid = umbel::TaskId{uuid(n)};
      auto events = events_of(n, clock.wall());
      if (n % 100 == 0) events.pop_back();
      for (const Event& event : events) {
        const auto& about = std::get<umbel::TaskEvent>(event);
        umbel::apply(task, about);
        moments.push_back({.task = task.uuid,
                           .at = about.origin.timestamp,
                           .type = std::string{umbel::short_name(about)},
                           .worker = about.origin.hostname,
                           .detail = ""});
      }
      batch.push_back(std::move(task));
      preparing += cpu_seconds() - begin;
      if (batch.size() < 1000 && n + 1 < tasks) continue;
      position.event_offset = n + 1;
      history->append(batch, moments, position).value();
      batch.clear();
      moments.clear();
    }
    fmt::print("history: {:.1f} us of CPU for a task and its 3 moments, batches of 1,000\n",
               (cpu_seconds() - cpu_before - preparing) * 1e6 / static_cast<double>(tasks));
  }
  const auto begin = Steady::now();
  const auto history =
      umbel::open_sqlite_history({.folder = dir.file("history")}, clock, log).value();
  umbel::metrics::Metrics metrics{"bench"};
  umbel::collector::Live live{100'000, clock.wall(), &clock};
  umbel::collector::Intake taking{
      *broker, store->results(), *history, live, clock, metrics, log, {}, [] {
        return std::uint64_t{0};
      }};
  taking.load().value();
  fmt::print("start: {} tasks known, {} of them taken up, ready to serve after {:.2f} s\n", tasks,
             live.with([](LiveState& state) { return state.task_count(); }), seconds_since(begin));
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t live = argc > 1 ? std::stoul(argv[1]) : 100'000;
  const std::size_t kept = argc > 2 ? std::stoul(argv[2]) : 200'000;
  live_state(live);
  intake(std::min<std::size_t>(live, 50'000));
  history_and_start(kept);
}
