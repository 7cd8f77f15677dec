// No-op tasks over RabbitMQ: one Umbel worker process beside Celery's prefork and thread pools and
// a bare librabbitmq consumer, over the same server, in one run.
//
// Every row begins with the same messages in a queue, Celery's v2 messages of one task without
// arguments; two slots (threads or processes), 256 messages ahead. It is timed from the moment at
// which the first message has left the queue to that at which nothing is ready nor unacknowledged.
// Rows of one run stand beside each other for their ratios; the machine's own pace changes.
//
//   rabbitmq_bench [--tasks 20000] [--celery-tasks 6000] [--ahead 256] [--runs 3] [--only KEY]
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "processes.hpp"
#include "raw_consumer.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/rabbit_server.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/worker.hpp"

namespace {

using std::chrono::milliseconds;
using umbel::Steady;
using umbel::testing::RabbitServer;

constexpr const char* kQueue = "celery";
constexpr const char* kTask = "py.noop";
constexpr std::chrono::seconds kLongest{300};  // a run that takes longer is broken

struct Options {
  std::size_t tasks = 20'000, celery_tasks = 6'000, runs = 3;
  std::size_t ahead = 256;  // messages that a consumer may hold
  std::string only;
};

std::unique_ptr<umbel::Broker> open(const std::string& url, const umbel::Clock& clock) {
  return umbel::open_rabbitmq_broker({.url = umbel::parse_amqp_url(url).value()}, clock,
                                     umbel::Log{"bench", umbel::LogLevel::Warn});
}

// One virtual host with the messages in it.
class Stand {
 public:
  Stand(RabbitServer& rabbit, std::size_t tasks)
      : rabbit_{rabbit}, vhost_{rabbit.fresh_vhost()}, url_{rabbit.url(vhost_)}, tasks_{tasks} {
    const auto broker = open(url_, clock_);
    for (std::size_t done = 0; done < tasks;) {
      std::vector<umbel::OutgoingMessage> batch(std::min<std::size_t>(500, tasks - done));
      for (auto& outgoing : batch) {
        umbel::celery::TaskMessage task;
        task.task = kTask;
        task.id = umbel::TaskId{umbel::random_uuid()};
        task.root_id = task.id.str();
        task.origin = "gen1@bench";
        outgoing.queue = umbel::QueueName{kQueue};
        outgoing.message = umbel::celery::encode_task(task);
      }
      broker->publish(batch).value();
      done += batch.size();
    }
  }

  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] std::size_t tasks() const { return tasks_; }
  [[nodiscard]] umbel::bench::RawConsumer raw(std::size_t ahead = 1) const {
    return {.port = rabbit_.port(),
            .vhost = vhost_,
            .user = RabbitServer::kUser,
            .password = RabbitServer::kPassword,
            .queue = kQueue,
            .prefetch = static_cast<int>(ahead)};
  }

  // Tasks a second of whoever consumes from now on.
  [[nodiscard]] double rate() {
    umbel::bench::QueueGauge gauge{raw()};
    wait("the first message", milliseconds{1}, [&] { return gauge.ready() < tasks_; });
    const auto begin = Steady::now();
    wait("the last message", milliseconds{10}, [&] { return gauge.ready() == 0; });
    wait("the last acknowledgement", milliseconds{5}, [&] {
      for (const auto& queue : rabbit_.queues(vhost_)) {
        if (queue.name == kQueue) return queue.ready + queue.unacked == 0;
      }
      return false;
    });
    return static_cast<double>(tasks_) / umbel::bench::seconds_since(begin);
  }

 private:
  static void wait(const char* what, milliseconds look, const std::function<bool()>& done) {
    const auto begin = Steady::now();
    while (!done()) {
      if (Steady::now() - begin > kLongest)
        throw std::runtime_error{std::string{what} + " never came"};
      std::this_thread::sleep_for(look);
    }
  }

  RabbitServer& rabbit_;
  const std::string vhost_, url_;
  const std::size_t tasks_;
  umbel::SystemClock clock_;
};

double raw(RabbitServer& rabbit, const Options& with, std::size_t together) {
  const Stand stand{rabbit, with.tasks};
  return static_cast<double>(with.tasks) /
         umbel::bench::run_raw_consumer(stand.raw(with.ahead), with.tasks, together);
}

struct How {
  bool events = false, results = false;
};

double umbel_worker(RabbitServer& rabbit, const Options& with, How how) {
  Stand stand{rabbit, with.tasks};
  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const umbel::Log log{"bench", umbel::LogLevel::Warn};
  const auto broker = open(stand.url(), clock);
  const auto store = umbel::open_sqlite_store({.path = dir.file("store.db")}, clock, log).value();
  umbel::metrics::Metrics metrics{"bench"};
  umbel::TaskRegistry tasks;
  tasks.add(kTask, +[](umbel::TaskContext&) {}, {}, {.ignore_result = !how.results});
  umbel::WorkerOptions options;
  options.name = umbel::WorkerName{"bench@localhost"};
  options.queues = {umbel::QueueName{kQueue}};
  options.concurrency = 2;
  options.prefetch_multiplier = with.ahead / options.concurrency;
  options.events = how.events;
  umbel::Worker worker{options, tasks, *broker, *store, clock, metrics, log};
  if (const auto started = worker.start(); !started) throw std::runtime_error{started.error().what};
  const double rate = stand.rate();
  worker.stop();
  return rate;
}

double celery_worker(RabbitServer& rabbit, const Options& with, const std::string& pool,
                     bool events) {
  Stand stand{rabbit, with.celery_tasks};
  umbel::testing::CeleryApp app{{.broker = stand.url(), .backend = ""}};
  const auto worker = app.launch_worker(
      {.pool = pool,
       .concurrency = 2,
       .task_events = events,
       .more = {"--prefetch-multiplier", std::to_string(with.ahead / 2), "-l", "WARNING"}});
  const double rate = stand.rate();
  static_cast<void>(worker->stop());
  return rate;
}

struct Row {
  std::string key, what;
  std::function<double()> once;  // tasks/s
};

struct Ratio {
  std::string key, what, of, to, goal;
};

const std::vector<Ratio> kRatios{
    {"bare/raw", "Umbel bare, of a raw consumer acking one by one", "bare", "raw", "0.60"},
    {"full/raw", "Umbel with results and events, of the same", "full", "raw", "0.35"},
    {"bare/prefork", "Umbel bare, of Celery prefork", "bare", "prefork", "5"},
    {"bare/threads", "Umbel bare, of Celery threads", "bare", "threads", "5"},
    {"events/prefork-events", "Umbel with events, of Celery prefork with events", "events",
     "prefork-events", "5"},
    {"events/threads-events", "Umbel with events, of Celery threads with events", "events",
     "threads-events", "5"}};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"no-op tasks over RabbitMQ"};
  app.add_option("--tasks", options.tasks, "tasks in each run of Umbel and of the raw consumer");
  app.add_option("--celery-tasks", options.celery_tasks, "tasks in each run of Celery");
  app.add_option("--ahead", options.ahead, "messages that a consumer may hold; at least 2");
  app.add_option("--runs", options.runs, "runs of each row; the median is shown");
  app.add_option("--only", options.only, "one row by its key");
  CLI11_PARSE(app, argc, argv);
  try {
    RabbitServer rabbit{{.all_cores = true}};
    const std::vector<Row> rows{
        {"raw", "peer: raw librabbitmq consumer, acking one by one",
         [&] { return raw(rabbit, options, 1); }},
        {"raw-64", "peer: the same, acking 64 at once", [&] { return raw(rabbit, options, 64); }},
        {"bare", "Umbel, without task events, results ignored",
         [&] { return umbel_worker(rabbit, options, {}); }},
        {"events", "Umbel, with task events, results ignored",
         [&] { return umbel_worker(rabbit, options, {.events = true}); }},
        {"full", "Umbel, with task events and results",
         [&] { return umbel_worker(rabbit, options, {.events = true, .results = true}); }},
        {"prefork", "peer: Celery 5.2.6, prefork, without task events",
         [&] { return celery_worker(rabbit, options, "prefork", false); }},
        {"prefork-events", "peer: the same, with task events",
         [&] { return celery_worker(rabbit, options, "prefork", true); }},
        {"threads", "peer: Celery 5.2.6, threads, without task events",
         [&] { return celery_worker(rabbit, options, "threads", false); }},
        {"threads-events", "peer: the same, with task events",
         [&] { return celery_worker(rabbit, options, "threads", true); }}};
    std::map<std::string, std::vector<double>> rates;
    for (std::size_t run = 0; run < options.runs; ++run) {
      for (const Row& row : rows) {
        if (options.only.empty() || options.only == row.key) rates[row.key].push_back(row.once());
      }
    }
    std::cout << "| key | what | tasks/s |\n| --- | --- | --- |\n";
    std::map<std::string, double> medians;
    for (const Row& row : rows) {
      if (!rates.contains(row.key)) continue;
      medians[row.key] = umbel::bench::median(rates[row.key]);
      std::cout << fmt::format("| {} | {} | {:.0f} |\n", row.key, row.what, medians[row.key]);
    }
    std::cout << "\n| ratio | what | goal | measured |\n| --- | --- | --- | --- |\n";
    for (const Ratio& ratio : kRatios) {
      if (!medians.contains(ratio.of) || !medians.contains(ratio.to)) continue;
      std::cout << fmt::format("| {} | {} | {} | {:.2f} |\n", ratio.key, ratio.what, ratio.goal,
                               medians[ratio.of] / medians[ratio.to]);
    }
    std::cout.flush();
  } catch (const std::exception& failure) {
    std::cerr << "rabbitmq_bench: " << failure.what() << '\n';
    return 1;
  }
}
