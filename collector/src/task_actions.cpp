#include "task_actions.hpp"

namespace umbel::collector {

Permission may_retry(const Task& task, bool arguments_known) {
  if (!task.name || task.name->empty())
    return {.allowed = false, .why = "its name is not known: the events that told it were missed"};
  if (!is_final(task.state) && task.state != TaskState::Rejected)
    return {.allowed = false, .why = "it has not ended; it can be run again once it has"};
  if (!arguments_known) {
    return {.allowed = false,
            .why = "its arguments are not known whole: only a shortened text of them was told"};
  }
  return {.allowed = true, .why = "as a new task of the same name, arguments and queue"};
}

Permission may_revoke(const Task& task) {
  if (task.state == TaskState::Revoked) return {.allowed = false, .why = "it is revoked already"};
  if (is_final(task.state)) return {.allowed = false, .why = "it has ended"};
  if (task.state == TaskState::Rejected)
    return {.allowed = false, .why = "the worker has rejected it, so that it will not run"};
  if (task.state == TaskState::Started || task.state == TaskState::Custom)
    return {.allowed = false, .why = "it runs already; a running task cannot be called off"};
  return {.allowed = true, .why = "it will not start; a worker that comes to it drops it"};
}

}  // namespace umbel::collector
