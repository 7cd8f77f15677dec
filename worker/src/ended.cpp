#include "ended.hpp"

#include <fmt/format.h>

#include "canvas_desk.hpp"
#include "umbel/base/text.hpp"

namespace umbel {
namespace {

AcceptedTask next_attempt(const Job& job, const Ending& ending, const EndedBy& by, WallTime now) {
  auto task = job.task;
  if (ending.postponed) {
    task.extra_headers[kPostponedHeader] = postponements_of(task) + 1;
  } else {
    task.retries += 1;
  }
  task.eta = now + *ending.retry_in;
  task.parent_id = task.id.str();  // as Celery does
  task.origin = by.origin;
  auto message = celery::encode_task(task);
  return {task.id, task.task, job.queue, std::move(message), task.eta};
}

TaskEvent event_of(const Ending& ending, const Job& job, WallTime now,
                   std::optional<double> runtime) {
  TaskEvent event;
  event.uuid = job.task.id;
  event.origin.timestamp = now;
  switch (ending.state) {
    case TaskState::Success:
      event.type = TaskEventType::Succeeded;
      event.result = ending.shown;
      event.runtime = runtime;
      break;
    case TaskState::Retry:
      event.type = TaskEventType::Retried;
      event.exception = ending.shown;
      event.traceback = ending.traceback;
      break;
    case TaskState::Revoked:
      event.type = TaskEventType::Revoked;
      event.terminated = ending.signal.has_value();
      if (ending.signal) event.signum = std::to_string(*ending.signal);
      event.expired = ending.expired;
      break;
    default:
      event.type = TaskEventType::Failed;
      event.exception = ending.shown;
      if (runtime) event.traceback = ending.traceback;
  }
  return event;
}

std::string line_of(const Ending& ending, const Job& job, std::optional<double> runtime) {
  const auto called = fmt::format("Task {}[{}]", job.task.task, job.task.id.str());
  switch (ending.state) {
    case TaskState::Success:
      return fmt::format("{} succeeded in {:.4f}s: {}", called, runtime.value_or(0), ending.shown);
    case TaskState::Retry:
      return fmt::format("{} retry: Retry in {:g}s: {}", called,
                         static_cast<double>(ending.retry_in->count()) / 1000, ending.shown);
    case TaskState::Revoked:
      if (!ending.signal && !ending.expired) {
        return fmt::format("Discarding revoked task: {}[{}]", job.task.task, job.task.id.str());
      }
      return fmt::format("{} revoked: {}", called, ending.signal ? "terminated" : "expired");
    default:
      return fmt::format("{} raised: {}", called, ending.shown);
  }
}

}  // namespace

void conclude(Ended& ended, const Ending& ending, const EndedBy& by, WallTime now,
              std::optional<double> runtime) {
  const Job& job = ended.job;
  FinishedRun run;
  if (ending.retry_in) {
    run.retry = next_attempt(job, ending, by, now);
    if (const auto size = run.retry->message.body.size(); size > celery::kMaxBody) {
      conclude(ended, failed(too_large_to_try_again(size)), by, now, runtime);
      return;
    }
  }
  run.id = job.task.id;
  run.name = job.task.task;
  run.queue = job.queue;
  run.run = job.state.run;
  run.state = ending.state;
  run.result = ending.result;
  run.traceback = ending.traceback;
  run.worker = by.worker;
  run.runtime = runtime;
  run.done = now;
  if (ended.context) run.children = ended.context->children();
  ended.event = event_of(ending, job, now, runtime);
  if (by.log_tasks) ended.line = line_of(ending, job, runtime);
  ended.message = ending.message;
  ended.for_callers = ending.python;
  ended.chords.clear();
  ended.finished = std::move(run);
  if (by.canvas == nullptr || ending.retry_in) return;
  if (const auto followed = by.canvas->follow(ended, ending, now); !followed) {
    conclude(ended, failed(cannot_be_followed(followed.error().what)), by, now, runtime);
  }
}

bool conclude_as_known(Ended& ended, const EndedBy& by, WallTime now) {
  const Job& job = ended.job;
  if (!job.state.revoked) return false;
  Ending ending;
  ending.state = TaskState::Revoked;
  ended.event = event_of(ending, job, now, std::nullopt);
  if (by.log_tasks) {
    ended.line = fmt::format("Discarding revoked task: {}[{}]", job.task.task, job.task.id.str());
  }
  if (by.canvas != nullptr) by.canvas->revoke_rest(ended, revoked_by_request(), now);
  return true;
}

Ended only_acknowledge(Job job) {
  Ended ended;
  ended.job = std::move(job);
  return ended;
}

}  // namespace umbel
