#include "job.hpp"

#include <map>

namespace umbel {

void hand_back(std::vector<Job> jobs, Instruments& instruments, const Log& log) {
  std::map<Consumer*, std::vector<DeliveryTag>> tags;
  for (const auto& job : jobs) tags[job.consumer.get()].push_back(job.tag);
  for (const auto& [consumer, held] : tags) {
    if (const auto done = consumer->requeue(held); !done) {
      instruments.broker_failed("requeue");
      log.warn("messages not given back; they come again when this consumer's hold ends",
               {{"messages", held.size()}, {"reason", done.error().what}});
    }
  }
}

}  // namespace umbel
