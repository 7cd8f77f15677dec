#include "settled.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/celery/canvas.hpp"

namespace umbel {
namespace {

// Of these a Python caller knows all by their names; there is nothing of a task to trace.
constexpr std::array kUntraced = std::to_array<std::string_view>(
    {"NotRegistered", "TaskRevokedError", "TimeLimitExceeded", "WorkerLostError"});

bool is_traced(const FinishedRun& run) {
  if (!run.runtime) return false;  // it never ran
  for (const auto name : kUntraced) {
    if (run.traceback.starts_with(name)) return false;
  }
  return true;
}

}  // namespace

celery::TaskMessage without_arguments(const celery::TaskMessage& task) {
  celery::TaskMessage bare;
  bare.task = task.task;
  bare.id = task.id;
  bare.embed = task.embed;
  bare.retries = task.retries;
  bare.root_id = task.root_id;
  bare.parent_id = task.parent_id;
  bare.group = task.group;
  bare.reply_to = task.reply_to;
  bare.priority = task.priority;
  bare.ignore_result = task.ignore_result;
  bare.extra_headers = task.extra_headers;
  return bare;
}

Job face_of(const Job& job) {
  Job face;
  face.consumer = job.consumer;
  face.tag = job.tag;
  face.queue = job.queue;
  face.task = without_arguments(job.task);
  face.registered = job.registered;
  face.state = job.state;
  face.started = true;
  return face;
}

CallerResult started_state_of(const celery::TaskMessage& task, const std::string& worker) {
  auto result = caller_result_of(task);
  result.state = TaskState::Started;
  result.result = fmt::format(R"({{"pid": {}, "hostname": {}}})", ::getpid(), json_quoted(worker));
  return result;
}

bool ignores_result(const Job& job) {
  return (job.registered->options.ignore_result || job.task.ignore_result) &&
         !job.task.embed.contains("chord");
}

std::optional<Settled> settled_of(Ended& ended, const FinishOutcome* outcome) {
  const Job& job = ended.job;
  if (job.task.id.empty()) return std::nullopt;
  Settled settled;
  settled.result = caller_result_of(job.task);
  settled.ignored = job.registered != nullptr && job.registered->options.ignore_result;
  settled.ignored_success = job.task.ignore_result;
  if (outcome != nullptr && outcome->stored) {
    auto& run = *ended.finished;
    auto& result = settled.result;
    result.state = run.state;
    result.result = ended.for_callers ? std::move(*ended.for_callers) : std::move(run.result);
    if (is_traced(run)) result.traceback = std::move(run.traceback);
    result.children = std::move(run.children);
    settled.fallen = std::move(ended.fallen);
    if (is_final(run.state)) result.done = run.done;
  } else if (outcome != nullptr || (job.state.final && (job.redelivered || job.state.revoked))) {
    // Somebody else has ended it, and may have died before anybody was told.
    settled.from_store = true;
    settled.fallen = celery::fallen_with(job.task);
  } else {
    return std::nullopt;
  }
  settled.task = without_arguments(job.task);
  settled.queue = job.queue;
  return settled;
}

}  // namespace umbel
