// No-op tasks over RabbitMQ: one Umbel worker beside Celery's prefork and thread pools and a bare
// librabbitmq consumer, over the same server, in one run.
//
// The same for everybody: a process of its own, two slots, up to 256 messages ahead, as many
// messages in a durable queue at its beginning, Celery's v2 messages of one task. Measured is what
// is acknowledged between two moments of steady work: the first `warm` tasks are left out, so that
// no program's start counts, and the queue is never empty, so that no end does. Umbel acknowledges
// late, behind its store; Celery early, as it does by default. Rows of one run stand beside each
// other for their ratios; the machine's own pace changes. CPU for a task is the program's own, with
// its task processes, and the server's.
//
//   rabbitmq_bench [--runs 3] [--only KEY,…] [--tasks N] [--celery-tasks N] [--warm N] [--ahead
//   256]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "processes.hpp"
#include "rabbitmq_stand.hpp"
#include "rabbitmq_worker.hpp"
#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/rabbit_server.hpp"
#include "umbel/testing/redis_server.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace {

using umbel::bench::kAdd;
using umbel::bench::kNoop;
using umbel::bench::Measured;
using umbel::bench::Stand;
using umbel::testing::RabbitServer;

struct Options {
  std::size_t tasks = 25'000, celery_tasks = 8'000;  // counted
  std::size_t warm = 4'000, ahead = 256, runs = 3;
  std::vector<std::string> only;
  // Set: be a consumer.
  umbel::bench::WorkerRole work;
  umbel::bench::RawConsumer raw;
  std::size_t together = 1;

  // In the queue at the beginning: when the last counted one is gone there are some left.
  [[nodiscard]] std::size_t queued() const {
    return warm + std::max(tasks, celery_tasks) + 2 * ahead;
  }
};

struct How {
  bool events = false, results = false, redis = false;
};

class Bench {
 public:
  explicit Bench(const Options& options) : with_{options} {}

  Measured raw(std::size_t together) {
    Stand stand{rabbit_, with_.queued(), kNoop};
    const umbel::bench::Child consumer{
        {umbel::bench::own_path(), "--raw", stand.vhost(), "--port", std::to_string(rabbit_.port()),
         "--ahead", std::to_string(with_.ahead), "--together", std::to_string(together)}};
    return stand.measure(consumer.pid(), with_.warm, with_.tasks);
  }

  Measured umbel(const std::string& pool, How how) {
    Stand stand{rabbit_, with_.queued(), task_of(how)};
    const umbel::testing::TempDir dir;
    std::vector<std::string> arguments{umbel::bench::own_path(),   "--work", stand.url(), "--store",
                                       dir.file("store.db"),       "--pool", pool,        "--ahead",
                                       std::to_string(with_.ahead)};
    if (how.events) arguments.emplace_back("--events");
    if (how.redis) arguments.insert(arguments.end(), {"--backend", redis().url()});
    const umbel::bench::Child worker{arguments};
    return stand.measure(worker.pid(), with_.warm, with_.tasks);
  }

  Measured celery(const std::string& pool, How how) {
    Stand stand{rabbit_, with_.queued(), task_of(how)};
    umbel::testing::CeleryApp app{
        {.broker = stand.url(), .backend = how.redis ? redis().url() : ""}};
    const auto worker = app.launch_worker(
        {.pool = pool,
         .concurrency = 2,
         .task_events = how.events,
         .more = {"--prefetch-multiplier", std::to_string(with_.ahead / 2), "-l", "WARNING"}});
    return stand.measure(worker->pid(), with_.warm / 4, with_.celery_tasks);
  }

 private:
  static const char* task_of(How how) { return how.results || how.redis ? kAdd : kNoop; }
  umbel::testing::RedisServer& redis() {
    if (!redis_) redis_.emplace();
    return *redis_;
  }

  const Options& with_;
  RabbitServer rabbit_{{.all_cores = true}};
  std::optional<umbel::testing::RedisServer> redis_;
};

struct Row {
  std::string key, what;
  std::function<Measured(Bench&)> once;
};

const std::vector<Row> kRows{
    {"raw", "peer: raw librabbitmq consumer, acking one by one",
     [](Bench& bench) { return bench.raw(1); }},
    {"raw-64", "peer: the same, acking 64 at once", [](Bench& bench) { return bench.raw(64); }},
    {"bare", "Umbel threads, results ignored",
     [](Bench& bench) { return bench.umbel("threads", {}); }},
    {"events", "the same, with task events",
     [](Bench& bench) { return bench.umbel("threads", {.events = true}); }},
    {"results", "Umbel threads, with results",
     [](Bench& bench) { return bench.umbel("threads", {.results = true}); }},
    {"full", "the same, with task events",
     [](Bench& bench) { return bench.umbel("threads", {.events = true, .results = true}); }},
    {"redis", "Umbel threads, with results in Redis too",
     [](Bench& bench) { return bench.umbel("threads", {.redis = true}); }},
    {"processes", "Umbel prefork, results ignored",
     [](Bench& bench) { return bench.umbel("prefork", {}); }},
    {"processes-events", "the same, with task events",
     [](Bench& bench) { return bench.umbel("prefork", {.events = true}); }},
    {"processes-redis", "Umbel prefork, with results in Redis too",
     [](Bench& bench) { return bench.umbel("prefork", {.redis = true}); }},
    {"prefork", "peer: Celery 5.2.6 prefork, results ignored",
     [](Bench& bench) { return bench.celery("prefork", {}); }},
    {"prefork-events", "peer: the same, with task events",
     [](Bench& bench) { return bench.celery("prefork", {.events = true}); }},
    {"prefork-redis", "peer: Celery 5.2.6 prefork, with results in Redis",
     [](Bench& bench) { return bench.celery("prefork", {.redis = true}); }},
    {"threads", "peer: Celery 5.2.6 threads, results ignored",
     [](Bench& bench) { return bench.celery("threads", {}); }},
    {"threads-events", "peer: the same, with task events",
     [](Bench& bench) { return bench.celery("threads", {.events = true}); }}};

struct Ratio {
  std::string key, what, of, to, goal;
};

const std::vector<Ratio> kRatios{
    {"bare/raw", "Umbel threads, of a raw consumer acking one by one", "bare", "raw", "0.60"},
    {"full/raw", "the same, with results and task events", "full", "raw", "0.35"},
    {"bare/prefork", "Umbel threads, of Celery prefork", "bare", "prefork", "5"},
    {"bare/threads", "Umbel threads, of Celery threads", "bare", "threads", "5"},
    {"processes/prefork", "Umbel prefork, of Celery prefork", "processes", "prefork", "5"},
    {"events/prefork-events", "Umbel threads, of Celery prefork, both with task events", "events",
     "prefork-events", "5"},
    {"events/threads-events", "Umbel threads, of Celery threads, both with task events", "events",
     "threads-events", "5"},
    {"processes-events/prefork-events", "Umbel prefork, of Celery prefork, both with task events",
     "processes-events", "prefork-events", "5"},
    {"redis/prefork-redis", "Umbel threads, of Celery prefork, both with results in Redis", "redis",
     "prefork-redis", "5"},
    {"processes-redis/prefork-redis",
     "Umbel prefork, of Celery prefork, both with results in Redis", "processes-redis",
     "prefork-redis", "5"},
    {"redis/results", "Umbel threads with results: in Redis too, of the store alone", "redis",
     "results", "-"}};

double median(const std::vector<Measured>& all, double Measured::*figure) {
  std::vector<double> values;
  for (const auto& each : all) values.push_back(each.*figure);
  return umbel::bench::median(std::move(values));
}

void measure(const Options& options) {
  Bench bench{options};
  const auto wanted = [&options](const std::string& key) {
    return options.only.empty() || std::ranges::find(options.only, key) != options.only.end();
  };
  std::map<std::string, std::vector<Measured>> measured;
  for (std::size_t run = 0; run < options.runs; ++run) {
    for (const Row& row : kRows) {
      if (wanted(row.key)) measured[row.key].push_back(row.once(bench));
    }
  }
  std::cout << "| key | what | tasks/s | own CPU, us | server's, us |\n"
               "| --- | --- | --- | --- | --- |\n";
  std::map<std::string, double> rates;
  for (const Row& row : kRows) {
    if (!measured.contains(row.key)) continue;
    const auto& runs = measured[row.key];
    rates[row.key] = median(runs, &Measured::rate);
    std::cout << fmt::format("| {} | {} | {:.0f} | {:.1f} | {:.1f} |\n", row.key, row.what,
                             rates[row.key], median(runs, &Measured::own) * 1e6,
                             median(runs, &Measured::server) * 1e6);
  }
  std::cout << "\n| ratio | what | goal | measured |\n| --- | --- | --- | --- |\n";
  for (const Ratio& ratio : kRatios) {
    if (!rates.contains(ratio.of) || !rates.contains(ratio.to)) continue;
    std::cout << fmt::format("| {} | {} | {} | {:.2f} |\n", ratio.key, ratio.what, ratio.goal,
                             rates[ratio.of] / rates[ratio.to]);
  }
  std::cout.flush();
}

}  // namespace

int main(int argc, char** argv) {
  if (int status = 0; umbel::bench::is_task_process(argc, argv, status)) return status;
  Options options;
  CLI::App app{"no-op tasks over RabbitMQ"};
  app.add_option("--tasks", options.tasks, "tasks counted in each run of Umbel and the consumer");
  app.add_option("--celery-tasks", options.celery_tasks, "tasks counted in each run of Celery");
  app.add_option("--warm", options.warm, "tasks before that; a quarter of it for Celery");
  app.add_option("--ahead", options.ahead, "messages that a consumer may hold")
      ->check(CLI::Range(2, 10'000));
  app.add_option("--runs", options.runs, "runs of each row; the median is shown");
  app.add_option("--only", options.only, "rows by their keys")->delimiter(',');
  app.add_option("--work", options.work.url, "be Umbel's worker of this broker")->group("");
  app.add_option("--store", options.work.store, "its store")->group("");
  app.add_option("--pool", options.work.pool, "its pool")->group("");
  app.add_option("--backend", options.work.backend, "where it tells results")->group("");
  app.add_flag("--events", options.work.events, "it tells of tasks")->group("");
  app.add_option("--raw", options.raw.vhost, "be the raw consumer of this virtual host")->group("");
  app.add_option("--port", options.raw.port, "its port")->group("");
  app.add_option("--together", options.together, "its acknowledgements")->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.work.url.empty()) {
      options.work.ahead = options.ahead;
      return umbel::bench::work(options.work);
    }
    if (!options.raw.vhost.empty()) {
      options.raw.user = RabbitServer::kUser;
      options.raw.password = RabbitServer::kPassword;
      options.raw.queue = umbel::bench::kQueue;
      options.raw.prefetch = static_cast<int>(options.ahead);
      umbel::bench::run_raw_consumer(options.raw, options.together);
    }
    measure(options);
  } catch (const std::exception& failure) {
    std::cerr << "rabbitmq_bench: " << failure.what() << '\n';
    return 1;
  }
}
