// Events for tests, short to say.
#pragma once

#include <string>

#include "umbel/model/event.hpp"

namespace umbel::collector {

inline Event task_event(TaskEventType type, const std::string& id, WallTime at) {
  TaskEvent event;
  event.type = type;
  event.uuid = TaskId{id};
  event.origin.hostname = "w1@host";
  event.origin.timestamp = at;
  return event;
}
inline Event received(const std::string& id, WallTime at, const std::string& name = "add") {
  Event event = task_event(TaskEventType::Received, id, at);
  auto& task = std::get<TaskEvent>(event);
  task.name = name;
  task.args = "()";
  task.kwargs = "{'x': 1}";
  return event;
}
inline Event started(const std::string& id, WallTime at) {
  return task_event(TaskEventType::Started, id, at);
}
inline Event succeeded(const std::string& id, WallTime at) {
  Event event = task_event(TaskEventType::Succeeded, id, at);
  std::get<TaskEvent>(event).result = "3";
  std::get<TaskEvent>(event).runtime = 0.5;
  return event;
}
inline Event failed(const std::string& id, WallTime at) {
  Event event = task_event(TaskEventType::Failed, id, at);
  std::get<TaskEvent>(event).exception = "ValueError('boom')";
  return event;
}
inline Event retried(const std::string& id, WallTime at) {
  return task_event(TaskEventType::Retried, id, at);
}

inline Event worker_event(WorkerEventType type, const std::string& name, WallTime at) {
  WorkerEvent event;
  event.type = type;
  event.origin.hostname = name;
  event.origin.timestamp = at;
  event.metrics_address = "127.0.0.1:9101";
  event.slots = 4;
  event.queues = "reddit,umbel";
  event.freq = 2.0;
  return event;
}
inline Event heartbeat(const std::string& name, WallTime at, std::int64_t pid = 7,
                       std::uint64_t sequence = 0) {
  Event event = worker_event(WorkerEventType::Heartbeat, name, at);
  auto& worker = std::get<WorkerEvent>(event);
  worker.origin.pid = pid;
  if (sequence > 0) worker.origin.sequence = sequence;
  return event;
}
inline Event offline(const std::string& name, WallTime at) {
  return worker_event(WorkerEventType::Offline, name, at);
}

}  // namespace umbel::collector
