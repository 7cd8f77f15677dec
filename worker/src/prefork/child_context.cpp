#include "child_context.hpp"

#include <unistd.h>

#include <utility>

#include "../pause.hpp"

namespace umbel::prefork {

ChildContext::ChildContext(const Run& run, std::stop_token stop, Words& words,
                           metrics::Metrics& metrics, std::atomic<bool>& metrics_used,
                           const Clock& clock, const Log& log)
    : id_{run.id},
      name_{run.name},
      retries_{run.retries},
      stop_{std::move(stop)},
      words_{words},
      metrics_{metrics},
      metrics_used_{metrics_used},
      clock_{clock},
      log_{log.with({"task_id", run.id})} {}

metrics::Metrics& ChildContext::metrics() {
  metrics_used_ = true;
  return metrics_;
}

Result<std::vector<AcceptedHandle>> ChildContext::spawn(std::vector<TaskRequest> requests,
                                                        const Together& together) {
  if (const auto asked = words_.say(SpawnRequest{std::move(requests), together}); !asked) {
    return asked.error();
  }
  auto answer = words_.hear();
  if (!answer) return answer.error();
  auto* answered = std::get_if<SpawnAnswer>(&*answer);
  if (answered == nullptr) return invalid("the worker answered something else");
  if (answered->error) return std::move(*answered->error);
  return std::move(answered->handles);
}

bool ChildContext::sleep_for(std::chrono::milliseconds duration) {
  return pause_for(stop_, duration);
}

}  // namespace umbel::prefork
