#include "revoking.hpp"

#include <algorithm>

#include "control_command.hpp"
#include "task_actions.hpp"
#include "task_detail.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector {
namespace {

struct Workers {
  std::vector<std::string> online;
  bool others = false;  // some of them are not Umbel's, and ask no store
};

Workers workers_now(const ApiParts& parts) {
  return parts.live.with([&, now = parts.clock.wall()](LiveState& state) {
    Workers found;
    for (const auto& [name, worker] : state.workers()) {
      if (worker.state.status(now) != WorkerStatus::Online) continue;
      found.online.push_back(name);
      found.others = found.others || !worker.comes_back();
    }
    return found;
  });
}

std::string revoked_document() {
  return celery::to_json(
      celery::exception_document("TaskRevokedError", "revoked", "celery.exceptions"));
}

ControlQuestion request_of(const TaskId& id, const RevokeHow& how,
                           std::vector<std::string> destination) {
  return {"revoke",
          {{"task_id", id.str()}, {"terminate", how.terminate}, {"signal", how.signal}},
          std::move(destination)};
}

// Where a worker is known to have the task, its answer decides; otherwise one that agrees does.
Result<void> ask_workers(const ApiParts& parts, const TaskId& id, const RevokeHow& how,
                         const Workers& workers, const std::string& holder) {
  const auto answers = parts.control.ask(request_of(id, how, workers.online));
  if (!answers) return answers.error();
  const bool held =
      std::find(workers.online.begin(), workers.online.end(), holder) != workers.online.end();
  if (held && !answers->by_node.contains(holder))
    return Error{Errc::TimedOut, holder + " did not answer; others did"};
  std::optional<Error> refusal;
  for (const auto& [node, value] : answers->by_node) {
    if (held && node != holder) continue;
    const auto said = answer_of(value);
    if (said) return {};
    refusal = Error{Errc::Conflict, node + " says: " + said.error().what};
  }
  return *refusal;
}

Result<Revocation> revoke_in_store(const ApiParts& parts, const Task& task) {
  const NamedTask named{task.uuid, task.name.value_or(""), QueueName{task.queue.value_or("")}};
  const auto answer =
      parts.store.results().revoke({&named, 1}, revoked_document(), parts.clock.wall());
  if (!answer) return answer.error();
  return answer->front();
}

bool runs(const Task& task) {
  return task.state == TaskState::Started || task.state == TaskState::Custom;
}

}  // namespace

Result<void> revoke_task(const ApiParts& parts, const TaskId& id, const RevokeHow& how) {
  const Workers workers = workers_now(parts);
  const auto task = whole_task({parts.live, parts.history, parts.clock}, parts.store, id);
  if (!task) {
    if (task.error().code != Errc::NotFound || !workers.others) return task.error();
    return ask_workers(parts, id, how, workers, {});  // of a producer that tells of nothing
  }
  if (how.terminate && runs(*task))
    return ask_workers(parts, id, how, workers, task->worker.value_or(""));
  if (const auto may = may_revoke(*task); !may.allowed) return Error{Errc::Conflict, may.why};
  const auto stored = parts.store.results().find(id);
  if (!stored && stored.error().code != Errc::NotFound) return stored.error();
  if (!stored && workers.others) return ask_workers(parts, id, how, workers, {});
  const auto revoked = revoke_in_store(parts, *task);
  if (!revoked) return revoked.error();
  if (*revoked == Revocation::Ended) return Error{Errc::Conflict, "it has ended"};
  if (*revoked == Revocation::Running) {
    if (how.terminate) return ask_workers(parts, id, how, workers, task->worker.value_or(""));
    return Error{Errc::Conflict, "it runs already; a running task cannot be called off"};
  }
  if (workers.others) {
    if (const auto told = parts.control.tell(request_of(id, how, {})); !told) return told.error();
  }
  return {};
}

}  // namespace umbel::collector
