// What a task sees of its worker from within a process of its own: the worker's part is asked for
// over the frames.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>

#include "frames.hpp"
#include "umbel/worker/task.hpp"
#include "words.hpp"

namespace umbel::prefork {

class ChildContext final : public TaskContext {
 public:
  // `metrics_used` is set when the task asks for the metrics.
  ChildContext(const Run& run, std::stop_token stop, Words& words, metrics::Metrics& metrics,
               std::atomic<bool>& metrics_used, const Clock& clock, const Log& log);

  [[nodiscard]] const TaskId& id() const override { return id_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t retries() const override { return retries_; }
  [[nodiscard]] std::stop_token stop() const override { return stop_; }
  [[nodiscard]] const Log& log() const override { return log_; }
  [[nodiscard]] metrics::Metrics& metrics() override;
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] Result<std::vector<AcceptedHandle>> spawn(std::vector<TaskRequest> requests,
                                                          const Together& together) override;
  [[nodiscard]] bool sleep_for(std::chrono::milliseconds duration) override;

 private:
  const TaskId id_;
  const std::string name_;
  const std::int64_t retries_;
  std::stop_token stop_;
  Words& words_;
  metrics::Metrics& metrics_;
  std::atomic<bool>& metrics_used_;
  const Clock& clock_;
  Log log_;
};

}  // namespace umbel::prefork
