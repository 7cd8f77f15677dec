// No-op tasks through the embedded engines: accepted, delivered, run, stored, acknowledged, and
// told in events.
//
// A producer in a thread of its own accepts tasks in batches of 100 beforehand, so that the worker
// alone is measured; then one worker with two threads drains the queue. Arguments: number of tasks
// (20,000), then `events` or `no-events`.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/worker.hpp"

namespace {

using umbel::Steady;

double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

void accept(umbel::Enqueuer& enqueuer, std::size_t count) {
  for (std::size_t done = 0; done < count;) {
    std::vector<umbel::TaskRequest> requests(std::min<std::size_t>(100, count - done));
    for (auto& request : requests) request.name = "noop";
    if (const auto accepted = enqueuer.submit(requests); !accepted) {
      throw std::runtime_error{accepted.error().what};
    }
    done += requests.size();
  }
}

// Tasks that have not been acknowledged.
std::uint64_t left(umbel::Broker& broker) {
  std::uint64_t tasks = 0;
  for (const auto& queue : broker.queues().value()) tasks += queue.ready + queue.unacked;
  return tasks;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::stoul(argv[1]) : 20'000;
  const bool events = argc <= 2 || std::string{argv[2]} != "no-events";
  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const umbel::Log log{"bench", umbel::LogLevel::Warn};
  const auto broker =
      umbel::open_sqlite_broker({.path = dir.file("broker.db")}, clock, log).value();
  const auto store = umbel::open_sqlite_store({.path = dir.file("store.db")}, clock, log).value();
  umbel::metrics::Metrics metrics{"bench"};
  umbel::TaskRegistry tasks;
  tasks.add("noop", +[](umbel::TaskContext&) {}, {}, {.ignore_result = true});
  umbel::Enqueuer enqueuer{*store, *broker, clock, log, "gen1@bench"};

  const auto accepting = Steady::now();
  accept(enqueuer, count);
  const double accepted = seconds_since(accepting);

  umbel::WorkerOptions options;
  options.name = umbel::WorkerName{"bench@localhost"};
  options.prefetch_multiplier = 128;
  options.events = events;
  umbel::Worker worker{options, tasks, *broker, *store, clock, metrics, log};
  const auto running = Steady::now();
  if (const auto started = worker.start(); !started) throw std::runtime_error{started.error().what};
  while (left(*broker) > 0) std::this_thread::sleep_for(std::chrono::milliseconds{5});
  const double ran = seconds_since(running);
  worker.stop();

  const auto rate = [&](double seconds) { return static_cast<double>(count) / seconds; };
  std::cout << fmt::format("{} tasks, events {}: accepted {:.0f}/s, run {:.0f}/s\n", count,
                           events ? "on" : "off", rate(accepted), rate(ran));
}
