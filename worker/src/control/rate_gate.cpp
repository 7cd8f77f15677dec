#include "rate_gate.hpp"

#include <iterator>
#include <utility>

namespace umbel {

RateGate::RateGate(const TaskRegistry& tasks, const Clock& clock, SoftLimits& timer,
                   std::function<void(Job)> pass)
    : clock_{clock}, timer_{timer}, pass_{std::move(pass)} {
  for (const auto& entry : tasks.entries()) {
    const auto& rate = tasks.find(entry.name)->options.rate_limit;
    if (!rate.empty()) limit(entry.name, rate, parse_rate(rate).per_second);
  }
}

void RateGate::limit(const std::string& task, std::string text, double per_second) {
  std::vector<Job> jobs;
  {
    const std::lock_guard lock{mutex_};
    auto& bucket = buckets_[task];
    bucket.text = std::move(text);
    bucket.tokens.reset();
    if (bucket.timer) timer_.forget(*std::exchange(bucket.timer, std::nullopt));
    if (per_second > 0) bucket.tokens.emplace(per_second, clock_.steady());
    any_ = true;
    jobs = ready(task, bucket);
  }
  pass_all(std::move(jobs));
}

std::string RateGate::rate(const std::string& task) const {
  const std::lock_guard lock{mutex_};
  const auto found = buckets_.find(task);
  return found == buckets_.end() ? std::string{} : found->second.text;
}

void RateGate::enter(Job job) {
  if (any_.load(std::memory_order_acquire)) {
    std::unique_lock lock{mutex_};
    const auto found = buckets_.find(job.task.task);
    if (found != buckets_.end() && (found->second.tokens || !found->second.waiting.empty())) {
      found->second.waiting.push_back(std::move(job));
      auto jobs = ready(found->first, found->second);
      lock.unlock();
      pass_all(std::move(jobs));
      return;
    }
  }
  pass_(std::move(job));
}

std::vector<Job> RateGate::ready(const std::string& task, Bucket& bucket) {
  std::vector<Job> jobs;
  const auto now = clock_.steady();
  while (!bucket.waiting.empty() && (!bucket.tokens || bucket.tokens->take(now))) {
    jobs.push_back(std::move(bucket.waiting.front()));
    bucket.waiting.pop_front();
  }
  if (!bucket.waiting.empty() && !bucket.timer) {
    bucket.timer = timer_.after(bucket.tokens->until_next(now), [this, task] { release(task); });
  }
  return jobs;
}

void RateGate::release(const std::string& task) {
  std::vector<Job> jobs;
  {
    const std::lock_guard lock{mutex_};
    auto& bucket = buckets_[task];
    bucket.timer.reset();
    jobs = ready(task, bucket);
  }
  pass_all(std::move(jobs));
}

void RateGate::pass_all(std::vector<Job> jobs) {
  for (auto& job : jobs) pass_(std::move(job));
}

std::vector<Job> RateGate::take_waiting() {
  const std::lock_guard lock{mutex_};
  std::vector<Job> jobs;
  for (auto& [task, bucket] : buckets_) {
    std::move(bucket.waiting.begin(), bucket.waiting.end(), std::back_inserter(jobs));
    bucket.waiting.clear();
  }
  return jobs;
}

std::vector<Job> RateGate::take_waiting(const Consumer* consumer) {
  const std::lock_guard lock{mutex_};
  std::vector<Job> jobs;
  for (auto& [task, bucket] : buckets_) {
    std::deque<Job> kept;
    for (auto& job : bucket.waiting) {
      if (job.consumer.get() == consumer) {
        jobs.push_back(std::move(job));
      } else {
        kept.push_back(std::move(job));
      }
    }
    bucket.waiting = std::move(kept);
  }
  return jobs;
}

std::vector<HeldTask> RateGate::waiting() const {
  const std::lock_guard lock{mutex_};
  std::vector<HeldTask> tasks;
  for (const auto& [task, bucket] : buckets_) {
    for (const auto& job : bucket.waiting) tasks.push_back(held_task(job));
  }
  return tasks;
}

std::size_t RateGate::count() const {
  const std::lock_guard lock{mutex_};
  std::size_t count = 0;
  for (const auto& [task, bucket] : buckets_) count += bucket.waiting.size();
  return count;
}

}  // namespace umbel
