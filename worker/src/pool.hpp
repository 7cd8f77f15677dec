// The slots that run tasks: what waits for one, what runs in each, how many there are.
//
// A slot is a thread; where it calls a task's function is its Caller's: on that thread, or in a
// process of the slot's own (--pool=prefork). Everything else is the same for both.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "caller.hpp"
#include "control/held_task.hpp"
#include "ended.hpp"
#include "run_context.hpp"

namespace umbel {

// For heartbeats, readiness and `inspect stats`.
struct PoolFigures {
  std::size_t size = 0;              // slots wanted
  std::size_t active = 0;            // running, without the stuck
  std::size_t stuck = 0;             // given up, and not returned
  std::size_t lost = 0;              // slots of the pool that these take up
  std::size_t unready = 0;           // slots that cannot call at present
  std::uint64_t started = 0;         // runs since the beginning
  std::vector<pid_t> processes;      // of the slots; empty: they call on their threads
  std::vector<std::uint64_t> jobs;   // that each slot has run
  std::optional<std::string> fault;  // why a slot is not ready
};

// Thread-safe. What the functions refer to outlives it; the destructor waits for every task
// function to return.
class Pool {
 public:
  using Run = std::function<void(Ended&, const std::shared_ptr<RunControl>&, SlotTools& tools)>;

  // Tells the store that jobs start, so that nobody can revoke them any more; it may leave some
  // untold.
  using Begin = std::function<void(std::span<Job>)>;
  // Runs of less than this are told of together, as many as fit in it: a transaction for each would
  // cost as much as they do.
  static constexpr std::chrono::milliseconds kTogether{5};
  static constexpr std::size_t kMostTogether = 64;

  static constexpr std::size_t kMostSlots = 512;

  // `run` runs a job; `done` takes it afterwards, unless it was abandoned meanwhile, and must not
  // call the pool.
  Pool(std::size_t slots, std::shared_ptr<Callers> callers, Begin begin, Run run,
       std::function<void(Ended)> done, Instruments& instruments);
  ~Pool();

  // After close() the job comes back.
  [[nodiscard]] std::optional<Job> submit(Job job);
  // Nothing starts any more. Answers what has not started.
  [[nodiscard]] std::vector<Job> close();
  // From now on so many slots, from 1 to kMostSlots; what is more ends what it runs first, the
  // stuck before those that work. After close(): nothing. Answers how many it is.
  std::size_t resize(std::size_t slots);
  // Every slot ends what it runs and is replaced by a new one, which may start before that.
  void renew();
  // Ends the run of this task with a signal; where nothing can be killed it is told to stop. Its
  // ending says whether that had an effect. Null: it does not run here.
  std::shared_ptr<RunControl> terminate(const TaskId& id, int signal);
  // Takes out what has not started of one consumer.
  [[nodiscard]] std::vector<Job> take_waiting(const Consumer* consumer);
  // Takes out all that has not started.
  [[nodiscard]] std::vector<Job> take_waiting();
  // The run will not return: what it answers will be dropped, and its slot is lost until it does.
  // Answers what is needed to end it without that: the job without its slot and its arguments.
  // Nothing: it has returned, or was abandoned, already. Where runs can be killed, this one is, and
  // ends as that: nothing.
  [[nodiscard]] std::optional<Job> give_up(const RunControl* control);
  // Waits until nothing runs but what was given up. False: `until` passed.
  bool wait_idle(Steady::time_point until);
  // Sets the stop token of all that runs, because the worker stops.
  void interrupt();
  // What still runs is no longer ours: what it answers will be dropped, and it is killed where that
  // is possible. Answers copies of the jobs, good for giving them back.
  [[nodiscard]] std::vector<Job> abandon();

  [[nodiscard]] PoolFigures figures() const;
  [[nodiscard]] bool can_kill() const { return callers_->can_kill(); }
  // The tasks that run, without the stuck; the process of each is its slot's, or ours.
  [[nodiscard]] std::vector<HeldTask> running() const;
  // Those of them that bear one of these values under `key`: ids and the value.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> running_with_stamps(
      const std::string& key, const std::vector<std::string>& values) const;
  [[nodiscard]] std::vector<HeldTask> waiting() const;  // the next one first
  [[nodiscard]] std::size_t load() const;               // running or waiting, without the stuck
  // Runs since the beginning by task.
  [[nodiscard]] std::map<std::string, std::uint64_t> totals() const;
  [[nodiscard]] std::size_t size() const;    // slots wanted
  [[nodiscard]] std::size_t active() const;  // running, without the stuck
  [[nodiscard]] std::size_t stuck() const;   // given up, and not returned
  // Slots that are stuck or cannot call at present. A stuck one that was replaced is not among
  // them.
  [[nodiscard]] std::size_t lost() const;
  [[nodiscard]] std::size_t unreturned() const;                // active and stuck
  [[nodiscard]] std::vector<std::string> stuck_names() const;  // of their tasks, each once
  [[nodiscard]] std::uint64_t started() const;                 // since the beginning

 private:
  struct Slot;
  struct Running {
    Ended ended;
    Slot* slot = nullptr;  // that it runs in; lives longer than this
    std::shared_ptr<RunControl> control = std::make_shared<RunControl>();
    Caller* caller = nullptr;            // of the slot; lives longer than this
    std::shared_ptr<Consumer> consumer;  // of the job, readable while it runs
    DeliveryTag tag = 0;
    TaskId id;
    std::string name;
    QueueName queue;
    bool abandoned = false;
    bool stuck = false;
    GaugeHold active;
  };
  struct Slot {
    SlotTools tools;
    std::uint64_t jobs = 0;
    bool left = false;     // its thread has ended or is about to
    bool retired = false;  // replaced: it takes no more jobs, and counts no more
    std::jthread thread;
  };
  void add_slots();                                 // up to `wanted_`; the lock is held
  void retire_stuck();                              // down to `wanted_`; the lock is held
  [[nodiscard]] std::size_t lost_to_stuck() const;  // slots; the lock is held
  void take_left(std::list<Slot>& into);  // those whose threads have ended; the lock is held
  void work(Slot& slot, const std::stop_token& stop);
  // False: told to stop, or there are too many slots.
  [[nodiscard]] bool make_ready(std::unique_lock<std::mutex>& lock, Slot& slot,
                                const std::stop_token& stop);
  // Waits for a job, until told to stop or until there are too many slots: then false.
  [[nodiscard]] bool wait_for_job(std::unique_lock<std::mutex>& lock, Slot& slot,
                                  const std::stop_token& stop);
  // The next job, after it and perhaps some of those behind it have been told of as starting.
  // Nothing: the pool was closed meanwhile. `lock` is held before and after.
  [[nodiscard]] std::optional<Job> take_next(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] std::size_t told_together() const;
  [[nodiscard]] bool can_start() const;  // the next job; the lock is held

  std::shared_ptr<Callers> callers_;
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
  std::unordered_map<const RegisteredTask*, std::uint64_t> totals_;
  std::optional<double> lately_;  // seconds that a run took, smoothed
  bool telling_ = false;          // a slot tells the store of some that start
  bool closed_ = false;
  bool interrupted_ = false;
  std::size_t wanted_ = 0, there_ = 0;  // slots
  std::list<Slot> slots_;
};

}  // namespace umbel
