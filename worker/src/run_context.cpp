#include "run_context.hpp"

#include <fmt/format.h>

#include "pause.hpp"
#include "umbel/celery/json.hpp"

namespace umbel {
namespace {

// What children take over from it.
celery::TaskMessage face_of(const celery::TaskMessage& task) {
  celery::TaskMessage face;
  face.task = task.task;
  face.id = task.id;
  face.root_id = task.root_id;
  face.parent_id = task.parent_id;
  face.reply_to = task.reply_to;
  for (const auto* const name : {"stamped_headers", "stamps"}) {
    if (const auto* value = task.extra_headers.if_contains(name)) {
      face.extra_headers[name] = *value;
    }
  }
  return face;
}

}  // namespace

RunContext::RunContext(const celery::TaskMessage& task, std::shared_ptr<RunControl> control,
                       Enqueuer& enqueuer, metrics::Metrics& metrics, const Clock& clock,
                       const Log& log, QueueName queue)
    : id_{task.id},
      root_{task.root_id.empty() ? task.id : TaskId{task.root_id}},
      name_{task.task},
      retries_{task.retries},
      message_{face_of(task)},
      queue_{std::move(queue)},
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
    if (request.headers.empty() && !message_.extra_headers.empty()) {
      request.headers = celery::to_json(message_.extra_headers);
    }
    if (request.id) continue;
    const auto what =
        fmt::format("spawn|{}|{}|{}|{}", id_.str(), request.name, request.args, request.kwargs);
    request.id = TaskId{named_uuid(fmt::format("{}|{}", what, spawned_[what]++))};
  }
  auto handles = enqueuer_.submit(requests, together);
  if (handles) {
    for (const auto& handle : *handles) children_.push_back({handle.id.str()});
  }
  return handles;
}

bool RunContext::sleep_for(std::chrono::milliseconds duration) {
  return pause_for(control_->stop.get_token(), duration);
}

}  // namespace umbel
