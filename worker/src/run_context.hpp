// What a running task sees of its worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "umbel/celery/task_message.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

// Why a run was told to stop. Shared by the run, its soft limit and the worker.
struct RunControl {
  std::stop_source stop;
  std::atomic<bool> limit_passed{false};
  std::atomic<bool> worker_stops{false};
  std::atomic<bool> given_up{false};  // did not return: ended without it
  std::atomic<std::int64_t> started{
      0};  // when its function was called, in microseconds; 0: not yet
  // What may only be asked of a run that can be killed (Callers::can_kill).
  std::atomic<bool> overdue{false};    // did not return after it was told to stop: to be killed
  std::atomic<bool> abandoned{false};  // the worker ends without it: to be killed
  std::atomic<int> terminated{0};      // the signal that somebody asked to end it with; 0: none
};

class RunContext final : public TaskContext {
 public:
  RunContext(const celery::TaskMessage& task, std::shared_ptr<RunControl> control,
             Enqueuer& enqueuer, metrics::Metrics& metrics, const Clock& clock, const Log& log,
             QueueName queue = {});

  [[nodiscard]] const TaskId& id() const override { return id_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t retries() const override { return retries_; }
  [[nodiscard]] std::stop_token stop() const override { return control_->stop.get_token(); }
  [[nodiscard]] const Log& log() const override { return log_; }
  [[nodiscard]] metrics::Metrics& metrics() override { return metrics_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] Result<std::vector<AcceptedHandle>> spawn(std::vector<TaskRequest> requests,
                                                          const Together& together) override;
  [[nodiscard]] bool sleep_for(std::chrono::milliseconds duration) override;

  // The task's message without its arguments and what is to follow it, and where it came from.
  [[nodiscard]] const celery::TaskMessage& message() const { return message_; }
  [[nodiscard]] const QueueName& queue() const { return queue_; }
  // What it sent, for its caller.
  void add_child(ResultTree child) { children_.push_back(std::move(child)); }
  [[nodiscard]] const std::vector<ResultTree>& children() const { return children_; }

 private:
  const TaskId id_, root_;
  const std::string name_;
  const std::int64_t retries_;
  const celery::TaskMessage message_;
  const QueueName queue_;
  std::vector<ResultTree> children_;
  std::shared_ptr<RunControl> control_;
  Enqueuer& enqueuer_;
  metrics::Metrics& metrics_;
  const Clock& clock_;
  Log log_;
  std::map<std::string, int> spawned_;  // equal requests made so far in this run
};

}  // namespace umbel
