#include "job.hpp"

#include <algorithm>

#include "umbel/model/retry_policy.hpp"

namespace umbel {

std::int64_t postponements_of(const celery::TaskMessage& task) {
  const auto* header = task.extra_headers.if_contains(kPostponedHeader);
  if (header == nullptr || !header->is_int64()) return 0;
  return std::clamp<std::int64_t>(header->get_int64(), 0, kMostPostponements);
}

void note_broken_off(const std::vector<Job>& jobs, ResultStore& results, Instruments& instruments,
                     const Log& log) {
  std::vector<HandedBack> started;
  for (const auto& job : jobs) {
    if (job.started || job.begun) started.push_back({job.task.id, job.task.task, job.queue});
  }
  if (started.empty()) return;
  if (const auto noted = results.hand_back(started); !noted) {
    instruments.store_failed("hand_back");
    log.warn("runs that are handed back will count as lost workers",
             {{"tasks", started.size()}, {"reason", noted.error().what}});
  }
}

}  // namespace umbel
