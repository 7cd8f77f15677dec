// The worker as remote control sees it: the face that the commands work on, over the real parts.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "autoscaler.hpp"
#include "controlled.hpp"
#include "event_sender.hpp"
#include "fetcher.hpp"
#include "heartbeat.hpp"
#include "intake.hpp"
#include "pool.hpp"
#include "rate_gate.hpp"
#include "revocations.hpp"
#include "time_limits.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/worker/worker.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class WorkerControlled final : public Controlled {
 public:
  struct Parts {
    const WorkerOptions& options;
    const TaskRegistry& tasks;
    const Clock& clock;
    LamportClock& lamport;
    Revocations& revocations;
    EventSender& events;
    Pool& pool;
    RateGate& gate;
    Intake& intake;
    Fetcher& fetcher;
    Heartbeat& heartbeat;
    TimeLimits& time_limits;
    Broker& broker;
    Autoscaler* autoscaler;  // null: none
    ConsumedQueues& queues;
    std::function<void(std::shared_ptr<RunControl>)> told_to_stop;  // and cannot be killed
    std::function<void(std::size_t)> resized;
    std::function<void(const AutoscaleRange&)> ranged;
  };
  WorkerControlled(Parts parts, Log log);

  [[nodiscard]] const std::string& node() const override { return node_; }
  [[nodiscard]] LamportClock& clock() override { return parts_.lamport; }
  [[nodiscard]] RevokedSet& revoked() override { return parts_.revocations.ids; }
  [[nodiscard]] RevokedStamps& revoked_stamps() override { return parts_.revocations.stamps; }
  [[nodiscard]] const TaskRegistry& tasks() const override { return parts_.tasks; }

  [[nodiscard]] std::vector<HeldTask> active() override { return parts_.pool.running(); }
  [[nodiscard]] std::vector<HeldTask> reserved() override;
  [[nodiscard]] std::vector<HeldTask> scheduled() override { return parts_.intake.scheduled(); }
  [[nodiscard]] WorkerFacts facts() override;
  [[nodiscard]] boost::json::object conf(bool with_defaults) override;
  [[nodiscard]] std::string report() override;
  [[nodiscard]] std::uint64_t resident_memory() override;

  [[nodiscard]] std::vector<ConsumedQueue> queues() override { return parts_.queues.list(); }
  [[nodiscard]] Result<void> add_queue(const ConsumedQueue& queue) override {
    return parts_.fetcher.add_queue(queue);
  }
  [[nodiscard]] Result<void> cancel_queue(const QueueName& queue) override {
    return parts_.fetcher.cancel_queue(queue);
  }

  [[nodiscard]] bool terminate(const std::string& id, int signal) override;
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> active_with_stamps(
      const std::string& key, const std::vector<std::string>& values) override {
    return parts_.pool.running_with_stamps(key, values);
  }

  void limit_rate(const std::string& task, const std::string& text, double per_second) override {
    parts_.gate.limit(task, text, per_second);
  }
  [[nodiscard]] std::string rate_limit(const std::string& task) override {
    return parts_.gate.rate(task);
  }
  void limit_time(const std::string& task, std::optional<double> soft,
                  std::optional<double> hard) override {
    parts_.time_limits.set(task, {soft, hard});
  }

  [[nodiscard]] TimeLimitPair time_limits(const RegisteredTask& task) override {
    return parts_.time_limits.declared(task.entry.name, task.options);
  }

  [[nodiscard]] bool tell_of_tasks(bool on) override { return parts_.events.tell_of_tasks(on); }
  void beat() override { parts_.heartbeat.beat(); }

  [[nodiscard]] std::size_t pool_size() override { return parts_.pool.size(); }
  [[nodiscard]] Result<void> resize_pool(std::size_t slots) override;
  [[nodiscard]] bool pool_restarts() const override { return parts_.options.pool_restarts; }
  [[nodiscard]] Result<void> restart_pool() override;
  [[nodiscard]] std::optional<AutoscaleRange> autoscale() override;
  [[nodiscard]] AutoscaleRange autoscale(std::optional<std::size_t> most,
                                         std::optional<std::size_t> least) override;

  void shut_down(const std::string& reason) override;
  void elect(const std::string& id, const std::string& topic,
             const boost::json::value& action) override;

 private:
  Parts parts_;
  Log log_;
  const std::string node_;
  const Steady::time_point started_;
  std::atomic<bool> shut_down_{false};
};

// A broker's URL without its password and options, as Celery shows it.
[[nodiscard]] std::string shown_url(const std::string& url);

}  // namespace umbel
