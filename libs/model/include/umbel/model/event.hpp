// What workers and producers say about tasks and about themselves: Celery's events, decoded.
//
// Field names are those of the wire (Celery's events/dispatcher). A field that the event did not
// carry is empty, which is not the same as a field that was null on the wire only where a comment
// says so. `sequence` is Umbel's own: workers number their events from 1 at each start, so that a
// receiver can count what it missed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"

namespace umbel {

struct EventOrigin {
  std::string hostname;  // a worker's node name, or `gen<pid>@host` for a producer
  WallTime timestamp{};  // the sender's wall clock; `utcoffset` is ignored on purpose
  std::int64_t pid = 0;
  std::optional<std::int64_t> clock;      // Lamport clock
  std::optional<std::uint64_t> sequence;  // Umbel workers only
};

enum class TaskEventType {
  Sent,
  Received,
  Started,
  Succeeded,
  Failed,
  Rejected,
  Revoked,
  Retried,
  Custom
};

struct TaskEvent {
  TaskEventType type = TaskEventType::Custom;
  std::string custom_type;  // for Custom: what follows `task-`, e.g. `progress`
  EventOrigin origin;
  TaskId uuid;
  std::optional<std::string> name, args,
      kwargs;  // args and kwargs are display texts (Python reprs)
  std::optional<std::string> root_id, parent_id;
  std::optional<std::int64_t> retries;
  std::optional<std::string> eta, expires;  // ISO 8601 as sent
  std::optional<std::string> queue, exchange, routing_key;
  std::optional<std::string> result;  // display text
  std::optional<double> runtime;      // seconds
  std::optional<std::string> exception, traceback;
  std::optional<bool> terminated, expired, requeue;
  std::optional<std::string> signum;  // a number or a name, as text
};

enum class WorkerEventType { Online, Heartbeat, Offline, Other };

struct WorkerEvent {
  WorkerEventType type = WorkerEventType::Other;
  EventOrigin origin;
  std::optional<double> freq;  // seconds between heartbeats
  std::optional<std::int64_t> active, processed;
  std::optional<std::array<double, 3>> loadavg;
  std::optional<std::string> sw_ident, sw_ver, sw_sys;
  // Umbel workers only; every other receiver ignores them.
  std::optional<std::string> metrics_address;  // `host:port` of /metrics
  std::optional<std::int64_t> slots;           // size of the pool
  std::optional<std::string> queues;           // comma separated
  std::optional<std::int64_t> stuck;           // slots whose task will not return
};

using Event = std::variant<TaskEvent, WorkerEvent>;

// The event's name on the wire without its group: `received` for `task-received`, `heartbeat` for
// `worker-heartbeat`; a custom event's own; `other` for a worker event that we do not know.
[[nodiscard]] std::string_view short_name(const TaskEvent& event);  // valid as long as the event
[[nodiscard]] std::string_view short_name(const WorkerEvent& event);

}  // namespace umbel
