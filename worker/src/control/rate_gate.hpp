// Lets tasks with a rate limit pass one by one, in the order in which they came; all others at
// once.
//
// What waits here keeps its message unacknowledged and its place in the prefetch, as in Celery.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "held_task.hpp"
#include "job.hpp"
#include "soft_limits.hpp"
#include "token_bucket.hpp"

namespace umbel {

// Thread-safe. References outlive it; `timer` calls nothing any more before it is destroyed.
class RateGate {
 public:
  // With the rates that the tasks declare. `pass` takes what may start, perhaps from the timer's
  // thread.
  RateGate(const TaskRegistry& tasks, const Clock& clock, SoftLimits& timer,
           std::function<void(Job)> pass);

  // From now on; 0: no limit, and what waits may start. `text` is what rate() answers.
  void limit(const std::string& task, std::string text, double per_second);
  [[nodiscard]] std::string rate(const std::string& task) const;  // empty: no limit

  void enter(Job job);
  [[nodiscard]] std::vector<Job> take_waiting();                          // all
  [[nodiscard]] std::vector<Job> take_waiting(const Consumer* consumer);  // of this one
  [[nodiscard]] std::vector<HeldTask> waiting() const;
  [[nodiscard]] std::size_t count() const;

 private:
  struct Bucket {
    std::string text;
    std::optional<TokenBucket> tokens;  // nothing: no limit
    std::deque<Job> waiting;
    std::optional<SoftLimits::Key> timer;  // that will call release()
  };
  void release(const std::string& task);
  // What may start now; sets the timer for the next. The lock is held.
  [[nodiscard]] std::vector<Job> ready(const std::string& task, Bucket& bucket);
  void pass_all(std::vector<Job> jobs);

  const Clock& clock_;
  SoftLimits& timer_;
  std::function<void(Job)> pass_;
  mutable std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
  std::atomic<bool> any_{false};
};

}  // namespace umbel
