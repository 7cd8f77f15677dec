#include "rabbitmq_worker.hpp"

#include <signal.h>

#include <iostream>
#include <memory>

#include "processes.hpp"
#include "rabbitmq_stand.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/results_redis/redis_results.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/worker/prefork.hpp"
#include "umbel/worker/worker.hpp"

namespace umbel::bench {
namespace {

TaskRegistry tasks_of_bench() {
  TaskRegistry tasks;
  tasks.add(kNoop, +[](TaskContext&) {}, {}, {.ignore_result = true});
  tasks.add(kAdd, +[](TaskContext&, std::int64_t x, std::int64_t y) { return x + y; }, {"x", "y"});
  return tasks;
}

}  // namespace

int work(const WorkerRole& role) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // of the threads to come too
  const SystemClock clock;
  const Log log{"bench", LogLevel::Error};  // it is stopped in the middle of its work, and says so
  const auto broker = open_rabbitmq_broker({.url = parse_amqp_url(role.url).value()}, clock, log);
  const auto store = open_sqlite_store({.path = role.store}, clock, log).value();
  std::unique_ptr<CallerResults> callers;
  if (!role.backend.empty()) callers = make_redis_results(parse_redis_url(role.backend).value());
  metrics::Metrics metrics{"bench"};
  const auto tasks = tasks_of_bench();
  WorkerOptions options;
  options.name = WorkerName{"bench@localhost"};
  options.queues = {QueueName{kQueue}};
  options.concurrency = 2;
  options.prefetch_multiplier = role.ahead / options.concurrency;
  options.events = role.events;
  options.callers = callers.get();
  if (role.pool == "prefork") {
    options.pool = PoolKind::Prefork;
    options.child_command = {own_path()};
  }
  Worker worker{options, tasks, *broker, *store, clock, metrics, log};
  if (const auto started = worker.start(); !started) {
    std::cerr << started.error().what << '\n';
    return 1;
  }
  int signal = 0;
  sigwait(&ends, &signal);
  worker.stop();
  return 0;
}

bool is_task_process(int& argc, char** argv, int& status) {
  auto child = ChildRole::take(argc, argv);
  if (!child) return false;
  const SystemClock clock;
  metrics::Metrics metrics{"bench"};
  status = child->serve(tasks_of_bench(), clock, metrics, Log::none());
  return true;
}

}  // namespace umbel::bench
