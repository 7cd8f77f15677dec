// From submit() to the first line of the task function, on the embedded engines.
//
// Three processes: a producer that submits tasks one by one at a fixed rate from four threads (so
// that a late answer delays a quarter of what follows only), a worker, and with `events` the real
// collector. An instant is when a task was due, not when the producer came to it: a producer that
// falls behind shows as latency. The first second is left out.
//
//   latency_bench [--rates 1000,3000] [--seconds 10] [--runs 1] [--collector PATH] [--only ROW]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "embedded_engines.hpp"
#include "processes.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/worker.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::Steady;
using umbel::bench::Child;
using umbel::bench::Engines;

constexpr seconds kLongest{120};  // a run that takes longer is broken
constexpr std::size_t kProducers = 4;

struct Options {
  std::vector<std::size_t> rates{1000, 3000};  // tasks/s
  std::size_t seconds = 10;
  std::size_t runs = 1;
  std::size_t concurrency = 2;
  std::string collector, only;
  std::string folder;  // set with one of those below: be that process
  bool produce = false, work = false, events = false;
};

// The same for all processes of a machine.
std::int64_t micros(Steady::time_point time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

int produce(const Options& options) {
  Engines engines{options.folder};
  umbel::Enqueuer enqueuer{*engines.store, *engines.broker, engines.clock, engines.log,
                           "gen1@bench"};
  const auto rate = options.rates.front();
  const auto count = rate * options.seconds;
  const auto begin = Steady::now() + milliseconds{50};
  const auto submit = [&](std::size_t first) {
    for (auto i = first; i < count; i += kProducers) {
      const auto due = begin + std::chrono::microseconds{i * 1'000'000 / rate};
      std::this_thread::sleep_until(due);
      umbel::TaskRequest request;
      request.name = "stamp";
      request.args = fmt::format("[{},{},{}]", i, micros(due), micros(Steady::now()));
      if (const auto accepted = enqueuer.submit({&request, 1}); !accepted) {
        std::cerr << accepted.error().what << '\n';
        std::_Exit(1);
      }
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kProducers; ++i) threads.emplace_back(submit, i);
  return 0;
}

// What the worker's process hands back: a line for each task, "from due, from submit()" in us.
std::string report_of(const std::string& folder) { return folder + "/latencies"; }

int work(const Options& options) {
  Engines engines{options.folder};
  struct Sample {
    std::int64_t from_due = 0, from_submit = 0;
  };
  const auto rate = options.rates.front();
  std::mutex mutex;
  std::vector<Sample> samples;
  std::vector<bool> seen(rate * options.seconds);
  std::size_t left = seen.size();
  umbel::TaskRegistry tasks;
  tasks.add(
      "stamp",
      std::function<void(umbel::TaskContext&, std::int64_t, std::int64_t, std::int64_t)>{
          [&](umbel::TaskContext&, std::int64_t number, std::int64_t due, std::int64_t submitted) {
            const auto now = micros(Steady::now());
            const auto index = static_cast<std::size_t>(number);
            const std::lock_guard lock{mutex};
            if (seen.at(index)) return;
            seen[index] = true;
            --left;
            if (index >= rate) samples.push_back({now - due, now - submitted});
          }},
      {"number", "due", "submitted"}, {.ignore_result = true});
  umbel::metrics::Metrics metrics{"bench"};
  umbel::WorkerOptions worker_options;
  worker_options.name = umbel::WorkerName{"bench@localhost"};
  worker_options.concurrency = options.concurrency;
  worker_options.prefetch_multiplier = 16;
  worker_options.events = options.events;
  umbel::Worker worker{worker_options, tasks,   *engines.broker, *engines.store,
                       engines.clock,  metrics, engines.log};
  if (const auto started = worker.start(); !started) {
    std::cerr << started.error().what << '\n';
    return 1;
  }
  const auto give_up = Steady::now() + kLongest;
  for (;;) {
    std::this_thread::sleep_for(milliseconds{20});
    const std::lock_guard lock{mutex};
    if (left == 0) break;
    if (Steady::now() > give_up) {
      std::cerr << left << " tasks did not come\n";
      return 1;
    }
  }
  worker.stop();
  std::ofstream file{report_of(options.folder)};
  for (const auto& sample : samples) file << sample.from_due << ' ' << sample.from_submit << '\n';
  return file.good() ? 0 : 1;
}

struct Latency {
  double p50 = 0, p99 = 0, p999 = 0, worst = 0;  // ms
};

struct Latencies {
  Latency from_due, from_submit;
};

double at(const std::vector<std::int64_t>& sorted, double share) {
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return static_cast<double>(sorted[std::min(index, sorted.size() - 1)]) / 1000;
}

Latency summary(std::vector<std::int64_t> values) {
  if (values.empty()) throw std::runtime_error{"no task was measured"};
  std::ranges::sort(values);
  return {at(values, 0.5), at(values, 0.99), at(values, 0.999), at(values, 1)};
}

Latencies run(const Options& options, std::size_t rate, bool events, bool collector) {
  const umbel::testing::TempDir dir;
  const std::string folder = dir.path().string();
  Engines engines{folder};  // makes the files, so that nobody waits for that
  std::optional<Child> watching;
  if (collector) {
    watching.emplace(
        std::vector<std::string>{options.collector, "--broker=sqlite:" + folder + "/broker.db",
                                 "--store=sqlite:" + folder + "/store.db", "--log-level=warn",
                                 "--port=" + std::to_string(umbel::testing::free_port())});
  }
  std::vector<std::string> arguments{umbel::bench::own_path(),
                                     "--folder",
                                     folder,
                                     "--rates",
                                     std::to_string(rate),
                                     "--seconds",
                                     std::to_string(options.seconds),
                                     "--concurrency",
                                     std::to_string(options.concurrency)};
  auto working = arguments;
  working.emplace_back("--work");
  if (events) working.emplace_back("--events");
  Child worker{working};
  const auto give_up = Steady::now() + seconds{30};
  for (bool consumed = false; !consumed;) {
    if (Steady::now() > give_up) throw std::runtime_error{"the worker does not consume"};
    std::this_thread::sleep_for(milliseconds{20});
    for (const auto& queue : engines.broker->queues().value()) consumed |= queue.consumers > 0;
  }
  arguments.emplace_back("--produce");
  Child producer{arguments};
  producer.join();
  worker.join();
  std::vector<std::int64_t> from_due, from_submit;
  std::ifstream file{report_of(folder)};
  for (std::int64_t due = 0, submit = 0; file >> due >> submit;) {
    from_due.push_back(due);
    from_submit.push_back(submit);
  }
  return {summary(std::move(from_due)), summary(std::move(from_submit))};
}

double median_of(const std::vector<Latencies>& all, Latency Latencies::*from,
                 double Latency::*value) {
  std::vector<double> values;
  for (const auto& each : all) values.push_back(each.*from.*value);
  return umbel::bench::median(std::move(values));
}

void show(const Options& options, std::size_t rate, const std::string& key, const std::string& what,
          bool events, bool collector) {
  const auto name = fmt::format("{}-{}", key, rate);
  if (!options.only.empty() && options.only != name) return;
  std::vector<Latencies> all;
  for (std::size_t i = 0; i < options.runs; ++i) {
    all.push_back(run(options, rate, events, collector));
  }
  const auto value = [&all](Latency Latencies::*from, double Latency::*which) {
    return median_of(all, from, which);
  };
  std::cout << fmt::format(
                   "| {} | {} tasks/s, {} | {:.2f} | {:.2f} | {:.1f} | {:.1f} | {:.2f} | {:.2f} |",
                   name, rate, what, value(&Latencies::from_due, &Latency::p50),
                   value(&Latencies::from_due, &Latency::p99),
                   value(&Latencies::from_due, &Latency::p999),
                   value(&Latencies::from_due, &Latency::worst),
                   value(&Latencies::from_submit, &Latency::p50),
                   value(&Latencies::from_submit, &Latency::p99))
            << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"enqueue to start on the embedded engines"};
  app.add_option("--rates", options.rates, "tasks/s, one or more")->delimiter(',');
  app.add_option("--seconds", options.seconds, "how long each run submits; 2 or more")
      ->check(CLI::Range(2, 3600));
  app.add_option("--runs", options.runs, "runs of each row; the median is shown");
  app.add_option("--concurrency", options.concurrency, "threads of the worker's pool");
  app.add_option("--collector", options.collector, "path of umbel-collector");
  app.add_option("--only", options.only, "one row by its key");
  app.add_option("--folder", options.folder, "where the files of a run are")->group("");
  app.add_flag("--produce", options.produce, "be the producer")->group("");
  app.add_flag("--work", options.work, "be the worker")->group("");
  app.add_flag("--events", options.events, "send task events")->group("");
  CLI11_PARSE(app, argc, argv);
  if (options.produce) return produce(options);
  if (options.work) return work(options);

  std::cout << "| key | what | p50, ms | p99, ms | p99.9, ms | worst, ms | p50 from submit(), ms | "
               "p99 from submit(), ms |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const auto rate : options.rates) {
    show(options, rate, "bare", "without task events", false, false);
    show(options, rate, "events", "with task events", true, false);
    if (!options.collector.empty()) {
      show(options, rate, "history", "with task events and a collector", true, true);
    }
  }
}
