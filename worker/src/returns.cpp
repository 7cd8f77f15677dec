#include "returns.hpp"

#include <iterator>
#include <map>
#include <utility>

namespace umbel {

void Returns::give(std::vector<Job> jobs) {
  std::map<std::shared_ptr<Consumer>, std::vector<Job>> by_consumer;
  for (auto& job : jobs) by_consumer[job.consumer].push_back(std::move(job));
  for (auto& [consumer, held] : by_consumer) {
    std::vector<DeliveryTag> tags;
    for (const auto& job : held) tags.push_back(job.tag);
    const auto done = consumer->requeue(tags);
    if (done) continue;
    instruments_.broker_failed("requeue");
    log_.warn("messages not given back yet",
              {{"messages", held.size()}, {"reason", done.error().what}});
    const std::lock_guard lock{mutex_};
    std::move(held.begin(), held.end(), std::back_inserter(left_));
  }
}

void Returns::later(std::vector<Job> jobs) {
  const std::lock_guard lock{mutex_};
  std::move(jobs.begin(), jobs.end(), std::back_inserter(left_));
}

void Returns::again() {
  std::vector<Job> jobs;
  {
    const std::lock_guard lock{mutex_};
    jobs = std::exchange(left_, {});
  }
  if (!jobs.empty()) give(std::move(jobs));
}

std::size_t Returns::left() const {
  const std::lock_guard lock{mutex_};
  return left_.size();
}

}  // namespace umbel
