// The worker engine: takes tasks from queues, runs them in a pool of threads, keeps results, says
// what it does.
//
// One task's way: delivered, decoded, received (event), started (event), run, result stored,
// message acknowledged, ended (event). The result is stored before the ack, so a worker that dies
// in between runs the task again and finds that it is done. Storing, acknowledging and telling are
// batched by one thread: whatever has finished meanwhile goes in one transaction.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/results/caller_results.hpp"
#include "umbel/runtime/readiness.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/store/store.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

// Where tasks are called.
enum class PoolKind {
  Threads,  // on threads of this process: fast; a task that crashes takes the worker with it
  Prefork,  // in processes of their own: one that crashes, or is killed, ends its task alone
};

struct WorkerOptions {
  WorkerName name;                // `name@host`
  std::vector<QueueName> queues;  // empty: all that the registered tasks name, and `umbel`
  // Where a task goes that another one names without a queue, when nobody has registered it: to
  // Celery's own workers.
  QueueName default_queue{"celery"};
  PoolKind pool = PoolKind::Threads;
  std::size_t concurrency = 2;  // slots
  // With PoolKind::Prefork: what starts a task process (prefork.hpp).
  std::vector<std::string> child_command;
  // A task process is replaced after so many tasks, or when it holds more KiB of resident memory
  // after one; 0: never.
  std::uint64_t max_tasks_per_child = 0, max_memory_per_child = 0;
  std::size_t prefetch_multiplier = 4;  // messages held = concurrency times this
  std::chrono::milliseconds heartbeat{2000};
  std::chrono::milliseconds stop_soft{
      6000};  // running tasks may finish; then they are told to stop
  std::chrono::milliseconds stop_hard{
      8000};  // from the beginning of the stop; then what is unfinished is handed back and named
  // For tasks that declare none; seconds. The hard one only with PoolKind::Prefork.
  std::optional<double> soft_time_limit = std::nullopt, time_limit = std::nullopt;
  // A task that has not returned so long after its soft time limit ends as failed, and its slot is
  // lost until it does.
  std::chrono::milliseconds stuck_after{30'000};
  // A consumer that fails for longer is given up for a new one; what it held comes again.
  std::chrono::milliseconds reconnect_after{5000};
  std::string metrics_address;  // `host:port` told in heartbeats; empty: none
  bool log_tasks = false;       // a line for each task received and ended
  bool events = true;           // task events at the start; worker events always go
  // Most and least slots: the pool begins with the least and follows the load. Nothing: it keeps
  // its size.
  std::optional<std::pair<std::size_t, std::size_t>> autoscale = std::nullopt;
  std::chrono::milliseconds autoscale_keep{30'000};  // since it grew, before it shrinks
  std::chrono::milliseconds autoscale_every{1000};
  bool mingle = true;         // other workers are asked for the time and for what is revoked
  bool mingle_first = false;  // and nothing is taken before they had their second to answer
  bool gossip = true;  // its clock follows the other workers', and it votes in elections, to lose
  std::string state_file;      // keeps what is revoked over a restart; empty: it is forgotten
  bool pool_restarts = false;  // whether remote control may restart the pool
  std::string broker_url, result_backend;  // for who asks; their passwords are never told
  // Where callers outside read, beside the store; outlives the worker. Null: nobody is told.
  CallerResults* callers = nullptr;
  // While that place is out, messages are not acknowledged before their callers were told: for so
  // long.
  std::chrono::milliseconds callers_patience{30'000};
  bool track_started = false;       // callers are told of every start
  std::function<void()> shut_down;  // ends this program as a signal would; empty: nobody can
};

// start() connects and begins, once; Invalid: a task or the options want a hard time limit of
// PoolKind::Threads. stop() is graceful: nothing new is taken and what has not
// started goes back at once; running tasks have `stop_soft` to end, then their stop tokens are set;
// at `stop_hard` what still runs is handed back, named in one log line, and its result will be
// ignored. stop() never waits for a task that does not return, but the destructor must: code cannot
// be taken away from under a running thread. A program that does not want to wait asks stuck() and
// ends the process (main.cpp does). Thread-safe.
class Worker final : public Service {
 public:
  // References outlive the worker; the registry is complete.
  Worker(WorkerOptions options, const TaskRegistry& tasks, Broker& broker, Store& store,
         const Clock& clock, metrics::Metrics& metrics, Log log);
  ~Worker() override;
  [[nodiscard]] Result<void> start() override;
  void stop() override;
  // Whether it consumes, can store results and has a slot that works now, for /readyz.
  [[nodiscard]] Result<void> ready() const;
  // The same condition by condition, for /readyz: `broker`, `store`, `slots`; also pings the first
  // two. `to` must not be asked any more once the worker is gone.
  void add_conditions(Readiness& to) const;
  [[nodiscard]] std::size_t stuck()
      const;  // after stop(): task functions that have not returned yet

 private:
  struct Impl;
  template <class Ask>
  Result<void> ask(const Ask& of) const;
  [[nodiscard]] Result<void> takes() const;
  [[nodiscard]] Result<void> keeps() const;
  [[nodiscard]] Result<void> slots() const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace umbel
