#include "in_flight.hpp"

#include <iterator>
#include <utility>

namespace umbel {

std::optional<Job> InFlight::claim(Job job) {
  const std::lock_guard lock{mutex_};
  const auto [place, fresh] = waiting_.try_emplace(job.task.id);
  if (fresh) return job;
  place->second.push_back(std::move(job));
  return std::nullopt;
}

std::vector<Job> InFlight::leave(const TaskId& id) {
  const std::lock_guard lock{mutex_};
  auto node = waiting_.extract(id);
  if (node.empty()) return {};
  return std::move(node.mapped());
}

std::vector<Job> InFlight::take_waiting() {
  const std::lock_guard lock{mutex_};
  std::vector<Job> all;
  for (auto& [id, jobs] : waiting_) {
    std::move(jobs.begin(), jobs.end(), std::back_inserter(all));
    jobs.clear();
  }
  return all;
}

}  // namespace umbel
