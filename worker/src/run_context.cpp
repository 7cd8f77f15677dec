#include "run_context.hpp"

#include <fmt/format.h>

#include "pause.hpp"

namespace umbel {

RunContext::RunContext(const celery::TaskMessage& task, std::shared_ptr<RunControl> control,
                       Enqueuer& enqueuer, metrics::Metrics& metrics, const Clock& clock,
                       const Log& log)
    : id_{task.id},
      root_{task.root_id.empty() ? task.id : TaskId{task.root_id}},
      name_{task.task},
      retries_{task.retries},
      control_{std::move(control)},
      enqueuer_{enqueuer},
      metrics_{metrics},
      clock_{clock},
      log_{log.with({"task_id", task.id.str()})} {}

Result<std::vector<AcceptedHandle>> RunContext::spawn(std::vector<TaskRequest> requests,
                                                      const Together& together) {
  for (auto& request : requests) {
    if (request.root.empty()) request.root = root_;
    if (request.parent.empty()) request.parent = id_;
    if (request.id) continue;
    const auto what =
        fmt::format("spawn|{}|{}|{}|{}", id_.str(), request.name, request.args, request.kwargs);
    request.id = TaskId{named_uuid(fmt::format("{}|{}", what, spawned_[what]++))};
  }
  return enqueuer_.submit(requests, together);
}

bool RunContext::sleep_for(std::chrono::milliseconds duration) {
  return pause_for(control_->stop.get_token(), duration);
}

}  // namespace umbel
