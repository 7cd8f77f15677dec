// No-op tasks through the embedded engines, beside what SQLite alone can do.
//
// The producer is a process of its own and accepts tasks in batches of 100; the worker, with two
// threads and a prefetch of 256, is this process; the collector is the real program beside it,
// writing history. Without `together` all tasks are accepted before the worker starts, so that the
// worker alone is measured. Each row is the median of its runs; the goals are those of
// docs/architecture.md.
//
//   task_loop_bench [--tasks 20000] [--runs 3] [--collector PATH] [--only ROW] [--pool prefork]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "embedded_engines.hpp"
#include "processes.hpp"
#include "sqlite_loop.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/prefork.hpp"
#include "umbel/worker/worker.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::Steady;
using umbel::bench::Child;
using umbel::bench::Engines;

constexpr seconds kLongest{300};  // a run that takes longer is broken

struct Options {
  std::size_t tasks = 20'000;
  std::size_t runs = 3;
  std::string collector;
  std::string only;
  std::string folder;  // set: be the producer of this folder
  std::string pool = "threads";
};

void add_tasks(umbel::TaskRegistry& tasks) {
  tasks.add("noop", +[](umbel::TaskContext&) {}, {}, {.ignore_result = true});
}

int produce(const Options& options) {
  Engines engines{options.folder};
  umbel::Enqueuer enqueuer{*engines.store, *engines.broker, engines.clock, engines.log,
                           "gen1@bench"};
  for (std::size_t done = 0; done < options.tasks;) {
    std::vector<umbel::TaskRequest> requests(std::min<std::size_t>(100, options.tasks - done));
    for (auto& request : requests) request.name = "noop";
    if (const auto accepted = enqueuer.submit(requests); !accepted) {
      std::cerr << accepted.error().what << '\n';
      return 1;
    }
    done += requests.size();
  }
  return 0;
}

// Waits until `done` says so. Throws if that takes too long.
void wait_for(const std::string& what, const std::function<bool()>& done) {
  const auto begin = Steady::now();
  while (!done()) {
    if (Steady::now() - begin > kLongest) throw std::runtime_error{what + " takes too long"};
    std::this_thread::sleep_for(milliseconds{5});
  }
}

std::uint64_t acknowledged(umbel::Broker& broker) {
  std::uint64_t tasks = 0;
  for (const auto& queue : broker.queues().value()) tasks += queue.acked_total.value();
  return tasks;
}

struct Setup {
  bool events = false, history = false, together = false;
};

struct Rates {
  double accepted = 0;  // tasks/s by the producer
  double ran = 0;       // tasks/s until the last acknowledgement
  double kept = 0;      // tasks/s until the history had the last event
};

Rates run(const Options& options, const Setup& setup) {
  const umbel::testing::TempDir dir;
  const std::string folder = dir.path().string();
  Engines engines{folder};
  const std::vector<std::string> producer{umbel::bench::own_path(), "--produce", folder, "--tasks",
                                          std::to_string(options.tasks)};
  std::optional<Child> collector;
  if (setup.history) {
    collector.emplace(
        std::vector<std::string>{options.collector, "--broker=sqlite:" + folder + "/broker.db",
                                 "--store=sqlite:" + folder + "/store.db", "--log-level=warn",
                                 "--port=" + std::to_string(umbel::testing::free_port())});
  }
  umbel::metrics::Metrics metrics{"bench"};
  umbel::TaskRegistry tasks;
  add_tasks(tasks);
  umbel::WorkerOptions worker_options;
  if (options.pool == "prefork") {
    worker_options.pool = umbel::PoolKind::Prefork;
    worker_options.child_command = {umbel::bench::own_path()};
  }
  worker_options.name = umbel::WorkerName{"bench@localhost"};
  worker_options.prefetch_multiplier = 128;
  worker_options.events = setup.events;
  umbel::Worker worker{worker_options, tasks,   *engines.broker, *engines.store,
                       engines.clock,  metrics, engines.log};

  Rates rates;
  const auto rate = [&](double taken) { return static_cast<double>(options.tasks) / taken; };
  auto begin = Steady::now();
  Child producing{producer};
  if (!setup.together) {
    producing.join();
    rates.accepted = rate(umbel::bench::seconds_since(begin));
    begin = Steady::now();
  }
  if (const auto started = worker.start(); !started) throw std::runtime_error{started.error().what};
  wait_for("the queue", [&] { return acknowledged(*engines.broker) >= options.tasks; });
  rates.ran = rate(umbel::bench::seconds_since(begin));
  if (setup.together) producing.join();
  worker.stop();
  if (!setup.history) return rates;

  const auto position = engines.broker->subscribe({.name = "bench", .after = std::nullopt}).value();
  const auto last = position->figures().value().last;
  const auto history =
      umbel::open_sqlite_history({.folder = folder + "/history"}, engines.clock, engines.log)
          .value();
  wait_for("the history", [&] {
    const auto read = history->position();
    return read.has_value() && read->event_offset >= last;
  });
  rates.kept = rate(umbel::bench::seconds_since(begin));
  return rates;
}

struct Row {
  std::string key, what, goal;
  std::function<double()> once;  // tasks/s
};

std::vector<Row> rows_of(const Options& options) {
  const auto loop = [&options](std::size_t batch) {
    const umbel::testing::TempDir dir;
    return static_cast<double>(options.tasks) /
           umbel::bench::run_sqlite_loop(dir.file("loop.db"), options.tasks, batch);
  };
  std::vector<Row> rows{
      {"sqlite", "peer: a bare SQLite loop, batches of 100", "-", [loop] { return loop(100); }},
      {"sqlite-single", "peer: a bare SQLite loop, one by one", "-", [loop] { return loop(1); }},
      {"accept", "accepted and published, batches of 100", "-",
       [&options] { return run(options, {}).accepted; }},
      {"bare", "run, without task events", "25,000", [&options] { return run(options, {}).ran; }},
      {"together", "accepted and run at the same time, without task events", "-",
       [&options] { return run(options, {.together = true}).ran; }},
      {"events", "run, with task events", "-",
       [&options] { return run(options, {.events = true}).ran; }}};
  if (!options.collector.empty()) {
    // Both rows are of the same runs: what the first has seen is kept for the second.
    const auto kept = std::make_shared<std::deque<double>>();
    rows.push_back({"history", "run, with task events and a collector writing history", "12,000",
                    [&options, kept] {
                      const auto rates = run(options, {.events = true, .history = true});
                      kept->push_back(rates.kept);
                      return rates.ran;
                    }});
    rows.push_back({"kept", "the same until the history has it all", "12,000", [&options, kept] {
                      if (kept->empty()) {
                        return run(options, {.events = true, .history = true}).kept;
                      }
                      const double rate = kept->front();
                      kept->pop_front();
                      return rate;
                    }});
  }
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  if (auto child = umbel::ChildRole::take(argc, argv)) {
    const umbel::SystemClock clock;
    umbel::metrics::Metrics metrics{"bench"};
    umbel::TaskRegistry tasks;
    add_tasks(tasks);
    return child->serve(tasks, clock, metrics, umbel::Log::none());
  }
  Options options;
  CLI::App app{"no-op tasks through the embedded engines"};
  app.add_option("--tasks", options.tasks, "tasks in each run");
  app.add_option("--runs", options.runs, "runs of each row; the median is shown");
  app.add_option("--collector", options.collector, "path of umbel-collector");
  app.add_option("--only", options.only, "one row by its key");
  app.add_option("--pool", options.pool, "threads or prefork")
      ->check(CLI::IsMember({"threads", "prefork"}));
  app.add_option("--produce", options.folder, "be the producer of this folder");
  CLI11_PARSE(app, argc, argv);
  if (!options.folder.empty()) return produce(options);

  std::cout << "| key | what | goal, tasks/s | tasks/s |\n| --- | --- | --- | --- |\n";
  for (const Row& row : rows_of(options)) {
    if (!options.only.empty() && options.only != row.key) continue;
    std::vector<double> rates;
    for (std::size_t i = 0; i < options.runs; ++i) rates.push_back(row.once());
    std::cout << fmt::format("| {} | {} | {} | {:.0f} |", row.key, row.what, row.goal,
                             umbel::bench::median(rates))
              << std::endl;
  }
}
