// For tests: a worker for remote control to work on that has nothing behind it.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "control/controlled.hpp"
#include "control/stats.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel::testing {

class FakeControlled final : public Controlled {
 public:
  FakeControlled() {
    tasks_.add<int>("cap.add",
                    std::function<int(TaskContext&, int, int)>{
                        [](TaskContext&, int a, int b) { return a + b; }},
                    {"a", "b"});
    TaskOptions limited;
    limited.retry.max_retries = 1;
    limited.queue = QueueName{"slow"};
    tasks_.add<int>("cap.limited", std::function<int(TaskContext&)>{[](TaskContext&) { return 0; }},
                    {}, limited);
    tasks_.add<int>("celery.hidden",
                    std::function<int(TaskContext&)>{[](TaskContext&) { return 0; }}, {});
  }

  FakeClock clock_;
  LamportClock lamport;
  RevokedSet revoked_set{clock_};
  RevokedStamps stamps;
  TaskRegistry tasks_;
  std::string name = "w1@cap";
  std::vector<HeldTask> active_tasks, reserved_tasks, scheduled_tasks;
  std::map<std::string, Stamps> active_stamps;  // by id
  WorkerFacts facts_;
  std::uint64_t memory = 0;
  std::vector<ConsumedQueue> queues_{{QueueName{"celery"}}};
  bool has_exchanges = true;
  bool queue_fails = false;
  std::vector<std::pair<std::string, int>> terminated;
  std::map<std::string, std::pair<std::string, double>> rates;
  std::map<std::string, std::pair<std::optional<double>, std::optional<double>>> times;
  bool tells = true;
  int beats = 0, renewals = 0;
  std::size_t slots = 2;
  bool restarts = false;
  std::optional<AutoscaleRange> range;
  std::vector<std::string> shutdowns, elections;

  [[nodiscard]] const std::string& node() const override { return name; }
  [[nodiscard]] LamportClock& clock() override { return lamport; }
  [[nodiscard]] RevokedSet& revoked() override { return revoked_set; }
  [[nodiscard]] RevokedStamps& revoked_stamps() override { return stamps; }
  [[nodiscard]] const TaskRegistry& tasks() const override { return tasks_; }
  [[nodiscard]] std::vector<HeldTask> active() override { return active_tasks; }
  [[nodiscard]] std::vector<HeldTask> reserved() override { return reserved_tasks; }
  [[nodiscard]] std::vector<HeldTask> scheduled() override { return scheduled_tasks; }
  [[nodiscard]] WorkerFacts facts() override { return facts_; }
  [[nodiscard]] boost::json::object conf(bool with_defaults) override {
    return {{"broker_url", "amqp://guest:********@h//"}, {"with_defaults", with_defaults}};
  }
  [[nodiscard]] std::string report() override { return "\nsoftware -> umbel\n"; }
  [[nodiscard]] std::uint64_t resident_memory() override { return memory; }
  [[nodiscard]] std::vector<ConsumedQueue> queues() override { return queues_; }
  [[nodiscard]] Result<void> add_queue(const ConsumedQueue& queue) override {
    if (queue_fails) return unavailable("the broker is out");
    if (queue.binding && !has_exchanges) return invalid("this broker has no exchanges");
    queues_.push_back(queue);
    return {};
  }
  [[nodiscard]] Result<void> cancel_queue(const QueueName& queue) override {
    std::erase_if(queues_, [&](const ConsumedQueue& each) { return each.name == queue; });
    return {};
  }
  [[nodiscard]] bool terminate(const std::string& id, int signal) override {
    const bool runs =
        std::ranges::any_of(active_tasks, [&](const HeldTask& task) { return task.id == id; });
    if (runs) terminated.emplace_back(id, signal);
    return runs;
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> active_with_stamps(
      const std::string& key, const std::vector<std::string>& values) override {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& [id, borne] : active_stamps) {
      for (const auto& [stamp, of] : borne) {
        for (const auto& value : of) {
          if (stamp == key && std::ranges::find(values, value) != values.end()) {
            found.emplace_back(id, value);
          }
        }
      }
    }
    return found;
  }
  void limit_rate(const std::string& task, const std::string& text, double per_second) override {
    rates[task] = {text, per_second};
  }
  [[nodiscard]] std::string rate_limit(const std::string& task) override {
    return rates.contains(task) ? rates[task].first : "";
  }
  void limit_time(const std::string& task, std::optional<double> soft,
                  std::optional<double> hard) override {
    times[task] = {soft, hard};
  }
  [[nodiscard]] TimeLimitPair time_limits(const RegisteredTask& task) override {
    const auto set = times.find(task.entry.name);
    if (set == times.end()) return {task.options.soft_time_limit, task.options.time_limit};
    return {set->second.first, set->second.second};
  }
  [[nodiscard]] bool tell_of_tasks(bool on) override { return std::exchange(tells, on) != on; }
  void beat() override { ++beats; }
  [[nodiscard]] std::size_t pool_size() override { return slots; }
  [[nodiscard]] Result<void> resize_pool(std::size_t to) override {
    slots = to;
    return {};
  }
  [[nodiscard]] bool pool_restarts() const override { return restarts; }
  [[nodiscard]] Result<void> restart_pool() override {
    ++renewals;
    return {};
  }
  [[nodiscard]] std::optional<AutoscaleRange> autoscale() override { return range; }
  [[nodiscard]] AutoscaleRange autoscale(std::optional<std::size_t> most,
                                         std::optional<std::size_t> least) override {
    if (most) range->most = *most;
    if (least) range->least = *least;
    return *range;
  }
  void shut_down(const std::string& reason) override { shutdowns.push_back(reason); }
  void elect(const std::string& id, const std::string& topic,
             const boost::json::value& action) override {
    elections.push_back(id + " " + topic + " " + boost::json::serialize(action));
  }
};

}  // namespace umbel::testing
