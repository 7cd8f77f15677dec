#include "umbel/model/task.hpp"

#include <array>
#include <utility>

namespace umbel {
namespace {

struct StateName {
  TaskState state;
  std::string_view name;
};
constexpr std::array<StateName, 9> kStates{{{TaskState::Pending, "PENDING"},
                                            {TaskState::Received, "RECEIVED"},
                                            {TaskState::Started, "STARTED"},
                                            {TaskState::Success, "SUCCESS"},
                                            {TaskState::Failure, "FAILURE"},
                                            {TaskState::Revoked, "REVOKED"},
                                            {TaskState::Retry, "RETRY"},
                                            {TaskState::Rejected, "REJECTED"},
                                            {TaskState::Custom, "CUSTOM"}}};

// Celery's order (celery/states.py): a state of a lower rank does not replace one of a higher.
int rank(TaskState state) {
  switch (state) {
    case TaskState::Success:
      return 8;
    case TaskState::Failure:
      return 7;
    case TaskState::Custom:
      return 6;
    case TaskState::Revoked:
      return 5;
    case TaskState::Started:
      return 4;
    case TaskState::Received:
      return 3;
    case TaskState::Rejected:
      return 2;
    case TaskState::Retry:
      return 1;
    case TaskState::Pending:
      return 0;
  }
  return 0;
}

std::string upper(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

struct Target {
  TaskState state = TaskState::Pending;
  std::string custom;
};

// What the event would make of the task. As in Celery, a custom event takes its name for a state,
// even for one that exists.
Target target_of(const TaskEvent& event) {
  switch (event.type) {
    case TaskEventType::Sent:
      return {TaskState::Pending, {}};
    case TaskEventType::Received:
      return {TaskState::Received, {}};
    case TaskEventType::Started:
      return {TaskState::Started, {}};
    case TaskEventType::Succeeded:
      return {TaskState::Success, {}};
    case TaskEventType::Failed:
      return {TaskState::Failure, {}};
    case TaskEventType::Rejected:
      return {TaskState::Rejected, {}};
    case TaskEventType::Revoked:
      return {TaskState::Revoked, {}};
    case TaskEventType::Retried:
      return {TaskState::Retry, {}};
    case TaskEventType::Custom:
      break;
  }
  std::string name = upper(event.custom_type);
  const auto known = task_state_from(name);
  if (known && *known != TaskState::Custom) return {*known, {}};
  return {TaskState::Custom, std::move(name)};
}

std::optional<WallTime>* time_of(Task& task, TaskEventType type) {
  switch (type) {
    case TaskEventType::Sent:
      return &task.sent;
    case TaskEventType::Received:
      return &task.received;
    case TaskEventType::Started:
      return &task.started;
    case TaskEventType::Succeeded:
      return &task.succeeded;
    case TaskEventType::Failed:
      return &task.failed;
    case TaskEventType::Rejected:
      return &task.rejected;
    case TaskEventType::Revoked:
      return &task.revoked;
    case TaskEventType::Retried:
      return &task.retried;
    case TaskEventType::Custom:
      break;
  }
  return nullptr;
}

template <class T>
void take(std::optional<T>& field, const std::optional<T>& from) {
  if (from) field = from;
}

// What a late task-received may still add (state.py: Task.merge_rules).
void take_request(Task& task, const TaskEvent& event) {
  take(task.name, event.name);
  take(task.args, event.args);
  take(task.kwargs, event.kwargs);
  // A retry is sent by the task itself; that does not make it its own parent.
  if (event.parent_id != task.uuid.str()) take(task.parent_id, event.parent_id);
  take(task.root_id, event.root_id);
  take(task.retries, event.retries);
  take(task.eta, event.eta);
  take(task.expires, event.expires);
}

void take_everything(Task& task, const TaskEvent& event) {
  take_request(task, event);
  take(task.queue, event.queue);
  take(task.exchange, event.exchange);
  take(task.routing_key, event.routing_key);
  take(task.result, event.result);
  take(task.runtime, event.runtime);
  take(task.exception, event.exception);
  take(task.traceback, event.traceback);
  take(task.clock, event.origin.clock);
  task.timestamp = event.origin.timestamp;
}

// When the state that ends the task was reached; not the time of what was merged last, which may be
// an older start that came late.
WallTime ended(const Task& task) {
  const auto& time = task.state == TaskState::Success   ? task.succeeded
                     : task.state == TaskState::Failure ? task.failed
                                                        : task.revoked;
  return time.value_or(task.timestamp);
}

// An event of an attempt that is over, come late: a retry before the end that is known, or what
// happened on the same worker before its retry. Clocks of two workers are not compared where the
// end does not decide.
bool is_of_an_earlier_attempt(const Task& task, const TaskEvent& event) {
  if (event.type == TaskEventType::Retried && is_final(task.state))
    return event.origin.timestamp < ended(task);
  const bool begins = event.type == TaskEventType::Received || event.type == TaskEventType::Started;
  const auto& over = task.state == TaskState::Retry      ? task.retried
                     : task.state == TaskState::Rejected ? task.rejected
                                                         : std::nullopt;
  return begins && over && event.origin.timestamp < *over && event.origin.hostname == task.worker;
}

// A refusal ends what its worker told before. By Celery's order of states the task would be taken
// for running ever after.
bool ends_in_refusal(const Task& task, const TaskEvent& event) {
  if (event.type != TaskEventType::Rejected) return false;
  if (task.state != TaskState::Received && task.state != TaskState::Started) return false;
  const auto& began = task.state == TaskState::Started ? task.started : task.received;
  return !began || *began <= event.origin.timestamp;
}

// A start that is not the last one come again.
bool is_new_start(const Task& task, const TaskEvent& event) {
  if (task.started != event.origin.timestamp) return true;
  return !task.started_by.empty() && task.started_by != event.origin.hostname;
}

}  // namespace

std::string_view to_text(TaskState state) {
  for (const auto& known : kStates) {
    if (known.state == state) return known.name;
  }
  return "PENDING";
}

std::optional<TaskState> task_state_from(std::string_view text) {
  for (const auto& known : kStates) {
    if (known.name == text) return known.state;
  }
  return std::nullopt;
}

bool is_final(TaskState state) {
  return state == TaskState::Success || state == TaskState::Failure || state == TaskState::Revoked;
}

std::string_view Task::state_text() const {
  return state == TaskState::Custom && !custom_state.empty() ? std::string_view{custom_state}
                                                             : to_text(state);
}

Merge apply(Task& task, const TaskEvent& event) {
  Merge merge{false, task.state};
  const bool late = is_of_an_earlier_attempt(task, event);
  const bool refused = ends_in_refusal(task, event);
  if (task.uuid.empty()) task.uuid = event.uuid;
  task.unknown_since.reset();
  if (event.type == TaskEventType::Sent) {
    task.client = event.origin.hostname;
  } else {
    task.worker = event.origin.hostname;
  }
  if (event.type == TaskEventType::Started && is_new_start(task, event)) {
    ++task.starts;
    task.started_by = event.origin.hostname;
  }
  if (auto* const time = time_of(task, event.type)) *time = event.origin.timestamp;

  if (late) {
    take_request(task, event);
    return merge;
  }
  Target target = target_of(event);
  const bool retry = target.state == TaskState::Retry || task.state == TaskState::Retry;
  if (!retry && !refused && rank(target.state) < rank(task.state)) {
    target.state == TaskState::Received ? take_request(task, event) : take_everything(task, event);
    return merge;
  }
  take_everything(task, event);
  merge.changed_state = target.state != task.state || target.custom != task.custom_state;
  task.state = target.state;
  task.custom_state = std::move(target.custom);
  return merge;
}

}  // namespace umbel
