// Calls tasks in processes, one for each slot: --pool=prefork.
//
// The slot's thread starts its process, hands it one run at a time, answers what the task asks for
// meanwhile, and is the only one to signal and to wait for it. Whatever the task does to its
// process, the slot has a new one for the next run.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "../caller.hpp"
#include "../instruments.hpp"
#include "child_process.hpp"
#include "frames.hpp"
#include "start_plan.hpp"
#include "umbel/base/log.hpp"
#include "umbel/metrics/metrics.hpp"

namespace umbel::prefork {

// What the processes of a worker have in common. Thread-safe.
class ChildCallers final : public Callers {
 public:
  struct Options {
    std::vector<std::string> command;
    std::string tasks;  // the worker's task set
    Lifetime lifetime{};
  };
  // References outlive it and its callers.
  ChildCallers(Options options, metrics::Metrics& metrics, Instruments& instruments, Log log);
  [[nodiscard]] std::unique_ptr<Caller> make() override;
  [[nodiscard]] bool can_kill() const override { return true; }

 private:
  friend class ChildCaller;
  const Options options_;
  metrics::Metrics& metrics_;
  Instruments& instruments_;
  Log log_;
  std::atomic<std::uint64_t> jobs_{0};
  std::atomic<bool> refused_told_{false};
};

class ChildCaller final : public Caller {
 public:
  explicit ChildCaller(ChildCallers& all);
  ~ChildCaller() override;

  [[nodiscard]] bool can_call() override;
  void ready(const std::stop_token& stop) override;
  [[nodiscard]] Called call(const Call& call) override;
  void wake() override;
  [[nodiscard]] std::optional<pid_t> process() const override;
  [[nodiscard]] std::optional<std::string> fault() const override;

 private:
  // The call under way.
  struct Under {
    const Call& call;
    std::uint64_t job;
    std::optional<Steady::time_point> deadline;
    std::optional<Lost::Why> killed_for{};
    bool signalled = false, rung = false;
    std::optional<Called> outcome{};
  };
  [[nodiscard]] Result<void> start(const std::stop_token& stop);
  [[nodiscard]] Result<void> greeted(const std::stop_token& stop);
  void take(std::unique_ptr<ChildProcess> process);
  void let_go();  // of a process that has worked long enough, or is not wanted any more
  // Waits for words, for the end of the process or for wake(), until `until`.
  struct Seen {
    bool words = false, end = false;
  };
  [[nodiscard]] Seen wait(std::optional<Steady::time_point> until, bool to_write);
  [[nodiscard]] bool send(std::string_view bytes, Under& under);
  void look_at_control(Under& under);
  void kill_for(Under& under, Lost::Why why);
  // Reads what there is. False: the process will say nothing more.
  [[nodiscard]] bool hear(Under& under);
  void heard(Frame frame, Under& under);
  void answer(const SpawnRequest& request, Under& under);
  [[nodiscard]] Called lost(Under& under);
  void count_task();

  ChildCallers& all_;
  Descriptor wake_;  // an eventfd
  std::unique_ptr<ChildProcess> process_;
  FrameReader reader_;
  StartPlan plan_;
  std::uint64_t tasks_ = 0;  // of this process
  bool worn_ = false;        // to be replaced
  std::atomic<pid_t> pid_{0};
  mutable std::mutex mutex_;  // of fault_
  std::optional<std::string> fault_;
};

}  // namespace umbel::prefork
