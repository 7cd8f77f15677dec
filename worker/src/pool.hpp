// The threads that run tasks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "ended.hpp"
#include "run_context.hpp"

namespace umbel {

// Thread-safe. What the functions refer to outlives it; the destructor waits for every task
// function to return.
class Pool {
 public:
  using Run =
      std::function<void(Ended&, const std::shared_ptr<RunControl>&, std::mt19937_64& random)>;

  // Tells the store that jobs start, so that nobody can revoke them any more; it may leave some
  // untold.
  using Begin = std::function<void(std::span<Job>)>;
  // Runs of less than this are told of together, as many as fit in it: a transaction for each would
  // cost as much as they do.
  static constexpr std::chrono::milliseconds kTogether{5};
  static constexpr std::size_t kMostTogether = 64;

  // `run` runs a job; `done` takes it afterwards, unless it was abandoned meanwhile, and must not
  // call the pool.
  Pool(std::size_t threads, Begin begin, Run run, std::function<void(Ended)> done,
       Instruments& instruments);
  ~Pool();

  // After close() the job comes back.
  [[nodiscard]] std::optional<Job> submit(Job job);
  // Nothing starts any more. Answers what has not started.
  [[nodiscard]] std::vector<Job> close();
  // Takes out what has not started of one consumer.
  [[nodiscard]] std::vector<Job> take_waiting(const Consumer* consumer);
  // Takes out all that has not started.
  [[nodiscard]] std::vector<Job> take_waiting();
  // The run will not return: what it answers will be dropped, and its slot is lost until it does.
  // False: it has returned, or was abandoned, already.
  bool give_up(const RunControl* control);
  // Waits until nothing runs but what was given up. False: `until` passed.
  bool wait_idle(Steady::time_point until);
  // Sets the stop token of all that runs, because the worker stops.
  void interrupt();
  // What still runs is no longer ours: what it answers will be dropped. Answers copies of the jobs,
  // good for giving them back.
  [[nodiscard]] std::vector<Job> abandon();

  [[nodiscard]] std::size_t size() const { return threads_.size(); }
  [[nodiscard]] std::size_t active() const;                    // running, without the stuck
  [[nodiscard]] std::size_t stuck() const;                     // given up, and not returned
  [[nodiscard]] std::size_t unreturned() const;                // both
  [[nodiscard]] std::vector<std::string> stuck_names() const;  // of their tasks, each once
  [[nodiscard]] std::uint64_t started() const;                 // since the beginning

 private:
  struct Running {
    Ended ended;
    std::shared_ptr<RunControl> control = std::make_shared<RunControl>();
    std::shared_ptr<Consumer> consumer;  // of the job, readable while it runs
    DeliveryTag tag = 0;
    TaskId id;
    std::string name;
    QueueName queue;
    bool abandoned = false;
    bool stuck = false;
    GaugeHold active;
  };
  void work(const std::stop_token& stop);
  // The next job, after it and perhaps some of those behind it have been told of as starting.
  // Nothing: the pool was closed meanwhile. `lock` is held before and after.
  [[nodiscard]] std::optional<Job> take_next(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] std::size_t told_together() const;

  Begin begin_;
  Run run_;
  std::function<void(Ended)> done_;
  Instruments& instruments_;
  mutable std::mutex mutex_;
  std::condition_variable_any submitted_, idle_;
  std::deque<Job> waiting_;
  std::list<Running> running_;
  std::size_t stuck_ = 0;
  std::uint64_t started_ = 0;
  std::optional<double> lately_;  // seconds that a run took, smoothed
  bool closed_ = false;
  bool interrupted_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace umbel
