// A task as a monitor knows it, and how events change it.
//
// The merge is Celery's own (events/state.py: Task.event): the order of arrival and the precedence
// of states decide, save that a task that its worker refused after taking it is rejected, and that
// none is its own parent. Events arrive out of order, twice, or not at all; whatever the order, a
// task ends in the same state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/model/event.hpp"

namespace umbel {

// The names of Celery (celery/states.py). Custom = the upper-cased name of a `task-<name>` event we
// do not know, e.g. PROGRESS.
enum class TaskState {
  Pending,
  Received,
  Started,
  Success,
  Failure,
  Revoked,
  Retry,
  Rejected,
  Custom
};

[[nodiscard]] std::string_view to_text(TaskState state);  // "PENDING" …; Custom: "CUSTOM"
[[nodiscard]] std::optional<TaskState> task_state_from(std::string_view);  // exact, upper case
[[nodiscard]] bool is_final(TaskState state);  // Success, Failure, Revoked

// Everything Flower's 31 keys need, plus what Umbel adds. Times are the sender's. Copyable value.
struct Task {
  TaskId uuid;
  TaskState state = TaskState::Pending;
  std::string custom_state;  // for TaskState::Custom, e.g. "PROGRESS"
  std::optional<std::string> name;
  std::optional<WallTime> sent, received, started, succeeded, failed, retried, revoked, rejected;
  std::optional<std::string> args, kwargs;
  std::optional<std::string> eta, expires;
  std::optional<std::int64_t> retries;
  std::optional<std::string> worker;  // the last sender that is not a producer
  std::optional<std::string> client;  // the sender of task-sent
  std::optional<std::string> result, exception, traceback;
  std::optional<double> runtime;
  WallTime timestamp{};  // of the event that set the state
  std::optional<std::string> queue, exchange, routing_key;
  std::optional<std::int64_t> clock;
  std::optional<std::string> root_id, parent_id;
  // Distinct task-started events seen (the last one come again does not count): above 1 + retries,
  // it ran more than once.
  std::int64_t starts = 0;
  std::string started_by;  // the worker of the last task-started; need not be kept: without it a
                           // start is told by its time alone
  // Of a monitor: what became of the task since then cannot be known, as the worker that held it is
  // gone or does not hold it any more, and nobody told of an end. Its state is the last one told.
  // Any event puts an end to it. Not kept in a history.
  std::optional<WallTime> unknown_since;

  [[nodiscard]] std::string_view state_text() const;  // custom_state for Custom

  friend bool operator==(const Task&, const Task&) = default;
};

struct Merge {
  bool changed_state = false;
  TaskState before = TaskState::Pending;
};

// Merges `event`, which must carry the task's own id. Fields that the event does not carry are left
// as they are.
Merge apply(Task& task, const TaskEvent& event);

}  // namespace umbel
