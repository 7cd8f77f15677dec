#include "kept_elsewhere.hpp"

#include <utility>

namespace umbel::collector {

Result<StoredTask> find_elsewhere(CallerResults* kept, const TaskId& id) {
  if (kept == nullptr) return not_found("no result is kept elsewhere");
  auto found = kept->find(id);
  if (!found) {
    if (found.error().code == Errc::Invalid) return not_found(found.error().what);
    return found.error();
  }
  auto& result = found->result;
  StoredTask task;
  task.id = id;
  task.name = std::move(found->name);
  task.queue = QueueName{std::move(found->queue)};
  task.state = result.state;
  task.result = std::move(result.result);
  task.traceback = std::move(result.traceback);
  task.worker = std::move(found->worker);
  task.done = result.done;
  return task;
}

}  // namespace umbel::collector
