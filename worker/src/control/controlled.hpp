// What a remote-control command may read of a worker and change in it.
//
// The commands are functions over this face, so each can be tried without threads, a broker or a
// pool; worker_controlled.hpp is the real one.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consumed_queues.hpp"
#include "held_task.hpp"
#include "lamport_clock.hpp"
#include "revoked_set.hpp"
#include "time_limits.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

struct AutoscaleRange {
  std::size_t most = 1, least = 1;
};

struct AutoscaleFigures {
  AutoscaleRange range;
  std::size_t current = 0;   // slots
  std::size_t reserved = 0;  // tasks that want one, running or not
};

struct PoolFacts {
  bool processes_of_its_own = false;  // prefork
  std::size_t slots = 0;
  std::vector<pid_t> processes;
  std::optional<std::int64_t> tasks_per_child;
  std::optional<double> soft_limit, hard_limit;  // seconds, of tasks without
  std::vector<std::uint64_t> jobs;               // of each process since it exists
  std::size_t active = 0;
  std::size_t stuck = 0;  // threads whose task was given up and has not returned
};

struct WorkerFacts {
  std::map<std::string, std::uint64_t> total;  // tasks started since the worker exists, by name
  double uptime = 0;                           // seconds
  PoolFacts pool;
  boost::json::object broker;  // as Celery's connection describes itself
  std::size_t prefetch = 0;
  std::optional<AutoscaleFigures> autoscale;
};

// Implementations are thread-safe.
class Controlled {
 public:
  virtual ~Controlled() = default;

  [[nodiscard]] virtual const std::string& node() const = 0;
  [[nodiscard]] virtual LamportClock& clock() = 0;
  [[nodiscard]] virtual RevokedSet& revoked() = 0;
  [[nodiscard]] virtual RevokedStamps& revoked_stamps() = 0;
  [[nodiscard]] virtual const TaskRegistry& tasks() const = 0;

  [[nodiscard]] virtual std::vector<HeldTask> active() = 0;
  [[nodiscard]] virtual std::vector<HeldTask> reserved() = 0;   // they may start, and have not
  [[nodiscard]] virtual std::vector<HeldTask> scheduled() = 0;  // they wait for their eta
  [[nodiscard]] virtual WorkerFacts facts() = 0;
  [[nodiscard]] virtual boost::json::object conf(bool with_defaults) = 0;  // without secrets
  [[nodiscard]] virtual std::string report() = 0;
  [[nodiscard]] virtual std::uint64_t resident_memory() = 0;  // bytes; 0: unknown

  [[nodiscard]] virtual std::vector<ConsumedQueue> queues() = 0;
  // Invalid: this broker cannot bind a queue like that.
  [[nodiscard]] virtual Result<void> add_queue(const ConsumedQueue& queue) = 0;
  [[nodiscard]] virtual Result<void> cancel_queue(const QueueName& queue) = 0;

  // Ends a running task. False: it does not run here.
  [[nodiscard]] virtual bool terminate(const std::string& id, int signal) = 0;
  // Tasks that are active and bear one of these values under `key`: their ids.
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> active_with_stamps(
      const std::string& key, const std::vector<std::string>& values) = 0;

  // 0: no limit. `text`: as it was asked for.
  virtual void limit_rate(const std::string& task, const std::string& text, double per_second) = 0;
  [[nodiscard]] virtual std::string rate_limit(const std::string& task) = 0;  // empty: none
  virtual void limit_time(const std::string& task, std::optional<double> soft,
                          std::optional<double> hard) = 0;

  // What was set for it here, else what it declares.
  [[nodiscard]] virtual TimeLimitPair time_limits(const RegisteredTask& task) = 0;

  // True: that was a change.
  [[nodiscard]] virtual bool tell_of_tasks(bool on) = 0;
  virtual void beat() = 0;  // a heartbeat now

  [[nodiscard]] virtual std::size_t pool_size() = 0;
  [[nodiscard]] virtual Result<void> resize_pool(std::size_t slots) = 0;
  [[nodiscard]] virtual bool pool_restarts() const = 0;
  [[nodiscard]] virtual Result<void> restart_pool() = 0;
  [[nodiscard]] virtual std::optional<AutoscaleRange> autoscale() = 0;
  [[nodiscard]] virtual AutoscaleRange autoscale(std::optional<std::size_t> most,
                                                 std::optional<std::size_t> least) = 0;

  virtual void shut_down(const std::string& reason) = 0;
  virtual void elect(const std::string& id, const std::string& topic,
                     const boost::json::value& action) = 0;
};

}  // namespace umbel
