// From submit() to the first line of the task function, over the embedded engines or RabbitMQ.
//
// Three processes and the server: a producer that submits tasks one by one at a fixed rate, a
// worker, and in rows with a collector the real one. An instant is when a task was due, not when
// the producer came to it: a producer that falls behind shows as latency. The first second is left
// out.
//
// Over the embedded engines, and in RabbitMQ's rows `accepted`, the producer is an Enqueuer called
// from several threads (so that a late answer delays a part of what follows only): every task is
// accepted in the store first. Over RabbitMQ it else publishes as a Python producer does, without
// the store and without confirms, so that Celery's workers, and Umbel's beside them, are measured
// by what they do.
//
//   latency_bench [--broker rabbitmq] [--rates 1000,3000] [--seconds 10] [--runs 1]
//                 [--collector PATH] [--only ROW,…]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "latencies.hpp"
#include "processes.hpp"
#include "raw_consumer.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/rabbit_server.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/worker.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::Steady;
using umbel::bench::Child;
using umbel::bench::Latencies;
using umbel::bench::Latency;
using umbel::testing::RabbitServer;

constexpr seconds kLongest{120};  // a run that takes longer is broken
constexpr const char* kTask = "stamp";
constexpr const char* kQueue = "celery";
constexpr std::size_t kHeldEach = 16;  // messages that a worker holds for each of its slots

struct Options {
  std::string broker = "sqlite";
  std::vector<std::size_t> rates;  // tasks/s
  std::vector<std::size_t> celery_rates{1500};
  std::size_t seconds = 10;
  std::size_t runs = 1;
  std::size_t concurrency = 2;
  std::string collector;
  std::vector<std::string> only;
  // Set with one of those below: be that process.
  std::string folder, amqp;
  bool produce = false, publish = false, work = false, events = false;
  umbel::bench::RawConsumer raw;
};

// The same for all processes of a machine.
std::int64_t micros(Steady::time_point time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

// Store and broker of a run, as each of its processes opens them.
struct Engines {
  Engines(const std::string& folder, const std::string& amqp)
      : broker{amqp.empty()
                   ? umbel::open_sqlite_broker({.path = folder + "/broker.db"}, clock, log).value()
                   : umbel::open_rabbitmq_broker({.url = umbel::parse_amqp_url(amqp).value()},
                                                 clock, log)},
        store{umbel::open_sqlite_store({.path = folder + "/store.db"}, clock, log).value()} {}

  umbel::SystemClock clock;
  umbel::Log log{"bench", umbel::LogLevel::Error};
  std::unique_ptr<umbel::Broker> broker;
  std::unique_ptr<umbel::Store> store;
};

// Calls `submit` with each task's arguments when it is due; every `step`th from the `first`.
void at_rate(const Options& options, Steady::time_point begin, std::size_t first, std::size_t step,
             const std::function<void(const std::string&)>& submit) {
  const auto rate = options.rates.front();
  for (auto i = first; i < rate * options.seconds; i += step) {
    const auto due = begin + std::chrono::microseconds{i * 1'000'000 / rate};
    std::this_thread::sleep_until(due);
    submit(fmt::format("[{},{},{}]", i, micros(due), micros(Steady::now())));
  }
}

int produce(const Options& options) {
  Engines engines{options.folder, options.amqp};
  umbel::Enqueuer enqueuer{*engines.store, *engines.broker, engines.clock, engines.log,
                           "gen1@bench"};
  // A server's answer takes longer than a file's.
  const std::size_t producers = options.amqp.empty() ? 4 : 16;
  const auto begin = Steady::now() + milliseconds{50};
  const auto submit = [&](const std::string& args) {
    umbel::TaskRequest request;
    request.name = kTask;
    request.queue = umbel::QueueName{kQueue};
    request.args = args;
    if (const auto accepted = enqueuer.submit({&request, 1}); !accepted) {
      std::cerr << accepted.error().what << '\n';
      std::_Exit(1);
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < producers; ++i) {
    threads.emplace_back([&, i] { at_rate(options, begin, i, producers, submit); });
  }
  return 0;
}

int publish(const Options& options) {
  auto to = options.raw;
  to.user = RabbitServer::kUser;
  to.password = RabbitServer::kPassword;
  to.queue = kQueue;
  umbel::bench::RawProducer producer{to};
  at_rate(options, Steady::now() + milliseconds{50}, 0, 1,
          [&](const std::string& args) { producer.publish(kTask, umbel::random_uuid(), args); });
  return 0;
}

std::string report_of(const std::string& folder) { return folder + "/latencies"; }

// Hands back a line for each task, as latencies_in() reads them.
int work(const Options& options) {
  Engines engines{options.folder, options.amqp};
  struct Sample {
    std::size_t number = 0;
    std::int64_t from_due = 0, from_submit = 0;
  };
  std::mutex mutex;
  std::vector<Sample> samples;
  std::vector<bool> seen(options.rates.front() * options.seconds);
  std::size_t left = seen.size();
  umbel::TaskRegistry tasks;
  tasks.add(
      kTask,
      std::function<void(umbel::TaskContext&, std::int64_t, std::int64_t, std::int64_t)>{
          [&](umbel::TaskContext&, std::int64_t number, std::int64_t due, std::int64_t submitted) {
            const auto now = micros(Steady::now());
            const auto index = static_cast<std::size_t>(number);
            const std::lock_guard lock{mutex};
            if (seen.at(index)) return;
            seen[index] = true;
            --left;
            samples.push_back({index, now - due, now - submitted});
          }},
      {"number", "due", "submitted"}, {.ignore_result = true});
  umbel::metrics::Metrics metrics{"bench"};
  umbel::WorkerOptions worker_options;
  worker_options.name = umbel::WorkerName{"bench@localhost"};
  worker_options.queues = {umbel::QueueName{kQueue}};
  worker_options.concurrency = options.concurrency;
  worker_options.prefetch_multiplier = kHeldEach;
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
  for (const auto& sample : samples) {
    file << sample.number << ' ' << sample.from_due << ' ' << sample.from_submit << '\n';
  }
  return file.flush().good() ? 0 : 1;
}

void wait(const char* what, seconds limit, const std::function<bool()>& done) {
  for (const auto begin = Steady::now(); !done();) {
    if (Steady::now() - begin > limit) throw std::runtime_error{what};
    std::this_thread::sleep_for(milliseconds{20});
  }
}

struct Row {
  std::string key, what;
  bool events = false, collector = false, accepted = false;
  std::string celery{};  // its pool; empty: Umbel's worker
};

class Bench {
 public:
  explicit Bench(const Options& options) : with_{options} {
    if (options.broker == "rabbitmq")
      rabbit_.emplace(umbel::testing::RabbitOptions{.all_cores = true});
  }

  Latencies run(const Row& row, std::size_t rate) {
    const umbel::testing::TempDir dir;
    const std::string folder = dir.path().string();
    const std::string vhost = rabbit_ ? rabbit_->fresh_vhost() : "";
    const std::string amqp = rabbit_ ? rabbit_->url(vhost) : "";
    Engines engines{folder, amqp};  // makes the files, so that nobody waits for that
    std::optional<Child> watching;
    if (row.collector) {
      const auto broker = amqp.empty() ? "sqlite:" + folder + "/broker.db" : amqp;
      watching.emplace(std::vector<std::string>{
          with_.collector, "--broker=" + broker, "--store=sqlite:" + folder + "/store.db",
          "--log-level=error", "--port=" + std::to_string(umbel::testing::free_port())});
    }
    std::vector<std::string> arguments{umbel::bench::own_path(),
                                       "--folder",
                                       folder,
                                       "--rates",
                                       std::to_string(rate),
                                       "--seconds",
                                       std::to_string(with_.seconds),
                                       "--concurrency",
                                       std::to_string(with_.concurrency)};
    if (!amqp.empty()) arguments.insert(arguments.end(), {"--amqp", amqp});
    if (!row.celery.empty()) return run_celery(row, rate, folder, vhost, arguments);
    auto working = arguments;
    working.emplace_back("--work");
    if (row.events) working.emplace_back("--events");
    Child worker{working};
    wait("the worker does not consume", seconds{30}, [&] {
      if (rabbit_) return consumed(vhost);
      const auto queues = engines.broker->queues().value();
      return std::ranges::any_of(queues, [](const auto& queue) { return queue.consumers > 0; });
    });
    send(arguments, vhost, row.accepted || !rabbit_);
    worker.join();
    return umbel::bench::latencies_in(report_of(folder), rate);
  }

 private:
  [[nodiscard]] bool consumed(const std::string& vhost) {
    return std::ranges::any_of(rabbit_->queues(vhost), [](const auto& queue) {
      return queue.name == kQueue && queue.consumers > 0;
    });
  }

  void send(std::vector<std::string> arguments, const std::string& vhost, bool accepted) {
    if (accepted) {
      arguments.emplace_back("--produce");
    } else {
      arguments.insert(arguments.end(),
                       {"--publish", "--vhost", vhost, "--port", std::to_string(rabbit_->port())});
    }
    Child producer{arguments};
    producer.join();
  }

  Latencies run_celery(const Row& row, std::size_t rate, const std::string& folder,
                       const std::string& vhost, const std::vector<std::string>& arguments) {
    umbel::testing::CeleryApp app{{.broker = rabbit_->url(vhost),
                                   .backend = "",
                                   .environment = {{"UMBEL_BENCH_SAMPLES", report_of(folder)},
                                                   {"PYTHONPATH", UMBEL_SOURCE_DIR
                                                    "/tests/celery:" UMBEL_SOURCE_DIR "/bench"}}}};
    const auto worker =
        app.worker({.pool = row.celery,
                    .concurrency = static_cast<int>(with_.concurrency),
                    .task_events = row.events,
                    .more = {"--prefetch-multiplier", std::to_string(kHeldEach), "-I", "stamp_task",
                             "-l", "INFO", "--without-gossip"}});
    wait("the worker does not consume", seconds{30}, [&] { return consumed(vhost); });
    send(arguments, vhost, false);
    wait("tasks did not come", kLongest, [&] {
      std::ifstream file{report_of(folder)};
      return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>{file}, {}, '\n')) ==
             rate * with_.seconds;
    });
    static_cast<void>(worker->stop());
    return umbel::bench::latencies_in(report_of(folder), rate);
  }

  const Options& with_;
  std::optional<RabbitServer> rabbit_;
};

double median_of(const std::vector<Latencies>& all, Latency Latencies::*from,
                 double Latency::*value) {
  std::vector<double> values;
  for (const auto& each : all) values.push_back(each.*from.*value);
  return umbel::bench::median(std::move(values));
}

void show(Bench& bench, const Options& options, const Row& row, std::size_t rate) {
  const auto name = fmt::format("{}-{}", row.key, rate);
  if (!options.only.empty() && std::ranges::find(options.only, name) == options.only.end()) return;
  std::vector<Latencies> all;
  for (std::size_t i = 0; i < options.runs; ++i) all.push_back(bench.run(row, rate));
  const auto value = [&all](Latency Latencies::*from, double Latency::*which) {
    return median_of(all, from, which);
  };
  std::cout << fmt::format(
                   "| {} | {} tasks/s, {} | {:.2f} | {:.2f} | {:.1f} | {:.1f} | {:.2f} | {:.2f} |",
                   name, rate, row.what, value(&Latencies::from_due, &Latency::p50),
                   value(&Latencies::from_due, &Latency::p99),
                   value(&Latencies::from_due, &Latency::p999),
                   value(&Latencies::from_due, &Latency::worst),
                   value(&Latencies::from_submit, &Latency::p50),
                   value(&Latencies::from_submit, &Latency::p99))
            << std::endl;
}

void measure(Options options) {
  const bool rabbit = options.broker == "rabbitmq";
  if (options.rates.empty()) {
    options.rates = rabbit ? std::vector<std::size_t>{1500, 3000, 5000, 10'000}
                           : std::vector<std::size_t>{1000, 3000};
  }
  std::vector<Row> rows{{.key = "bare", .what = "without task events"},
                        {.key = "events", .what = "with task events", .events = true}};
  if (rabbit) {
    rows.push_back({.key = "accepted", .what = "accepted in the store first", .accepted = true});
  }
  if (!options.collector.empty()) {
    rows.push_back({.key = "history",
                    .what = "with task events and a collector",
                    .events = true,
                    .collector = true});
  }
  Bench bench{options};
  std::cout << "| key | what | p50, ms | p99, ms | p99.9, ms | worst, ms | p50 from submit(), ms | "
               "p99 from submit(), ms |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const auto rate : options.rates) {
    for (const Row& row : rows) show(bench, options, row, rate);
  }
  if (!rabbit) return;
  for (const auto rate : options.celery_rates) {
    for (const char* pool : {"prefork", "threads"}) {
      show(bench, options,
           {.key = fmt::format("celery-{}", pool),
            .what = fmt::format("peer: Celery 5.2.6 {}", pool),
            .celery = pool},
           rate);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"enqueue to start"};
  app.add_option("--broker", options.broker, "sqlite (the embedded one) or rabbitmq")
      ->check(CLI::IsMember({"sqlite", "rabbitmq"}));
  app.add_option("--rates", options.rates, "tasks/s, one or more")->delimiter(',');
  app.add_option("--celery-rates", options.celery_rates, "of Celery's workers")->delimiter(',');
  app.add_option("--seconds", options.seconds, "how long each run submits; 2 or more")
      ->check(CLI::Range(2, 3600));
  app.add_option("--runs", options.runs, "runs of each row; the median is shown");
  app.add_option("--concurrency", options.concurrency, "slots of the worker's pool");
  app.add_option("--collector", options.collector, "path of umbel-collector");
  app.add_option("--only", options.only, "rows by their keys")->delimiter(',');
  app.add_option("--folder", options.folder, "where the files of a run are")->group("");
  app.add_option("--amqp", options.amqp, "its RabbitMQ")->group("");
  app.add_flag("--produce", options.produce, "be the producer that accepts")->group("");
  app.add_flag("--publish", options.publish, "be the producer that publishes")->group("");
  app.add_option("--vhost", options.raw.vhost, "where it publishes")->group("");
  app.add_option("--port", options.raw.port, "the server's port")->group("");
  app.add_flag("--work", options.work, "be the worker")->group("");
  app.add_flag("--events", options.events, "send task events")->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.produce) return produce(options);
    if (options.publish) return publish(options);
    if (options.work) return work(options);
    measure(options);
  } catch (const std::exception& failure) {
    std::cerr << "latency_bench: " << failure.what() << '\n';
    return 1;
  }
}
