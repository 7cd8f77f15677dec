#include "history_rows.hpp"

#include <limits>

namespace umbel::store_sqlite {
namespace {

#define UMBEL_TASK_COLUMNS                                                        \
  "uuid, state, custom_state, name, sent, received, started, succeeded, failed, " \
  "retried, revoked, rejected, args, kwargs, eta, expires, retries, worker, "     \
  "client, result, exception, traceback, runtime, timestamp, queue, exchange, "   \
  "routing_key, clock, root_id, parent_id, starts"

// A row without a state only numbers the moments of a task that was not given with them; the first
// sight of the task fills it.
constexpr const char* kUpsert =
    "INSERT INTO tasks (first_seen, final, " UMBEL_TASK_COLUMNS
    ")"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
    "?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)"
    " ON CONFLICT (uuid) DO UPDATE SET"
    " first_seen = CASE WHEN state IS NULL THEN excluded.first_seen ELSE first_seen END,"
    " final = excluded.final, state = excluded.state, "
    "custom_state = excluded.custom_state, name = excluded.name, "
    "sent = excluded.sent, received = excluded.received, started = excluded.started, "
    "succeeded = excluded.succeeded, failed = excluded.failed, "
    "retried = excluded.retried, revoked = excluded.revoked, "
    "rejected = excluded.rejected, args = excluded.args, kwargs = excluded.kwargs, "
    "eta = excluded.eta, expires = excluded.expires, retries = excluded.retries, "
    "worker = excluded.worker, client = excluded.client, result = excluded.result, "
    "exception = excluded.exception, traceback = excluded.traceback, "
    "runtime = excluded.runtime, timestamp = excluded.timestamp, "
    "queue = excluded.queue, exchange = excluded.exchange, "
    "routing_key = excluded.routing_key, clock = excluded.clock, "
    "root_id = excluded.root_id, parent_id = excluded.parent_id, "
    "starts = excluded.starts";

Task task_from(const Query& row, int column) {
  Task task;
  task.uuid = TaskId{row.text(column++)};
  task.state = task_state_from(row.text(column++)).value_or(TaskState::Custom);
  task.custom_state = row.text(column++);
  task.name = row.text_or_null(column++);
  task.sent = row.time_or_null(column++);
  task.received = row.time_or_null(column++);
  task.started = row.time_or_null(column++);
  task.succeeded = row.time_or_null(column++);
  task.failed = row.time_or_null(column++);
  task.retried = row.time_or_null(column++);
  task.revoked = row.time_or_null(column++);
  task.rejected = row.time_or_null(column++);
  task.args = row.text_or_null(column++);
  task.kwargs = row.text_or_null(column++);
  task.eta = row.text_or_null(column++);
  task.expires = row.text_or_null(column++);
  task.retries = row.integer_or_null(column++);
  task.worker = row.text_or_null(column++);
  task.client = row.text_or_null(column++);
  task.result = row.text_or_null(column++);
  task.exception = row.text_or_null(column++);
  task.traceback = row.text_or_null(column++);
  task.runtime = row.real_or_null(column++);
  task.timestamp = row.time(column++);
  task.queue = row.text_or_null(column++);
  task.exchange = row.text_or_null(column++);
  task.routing_key = row.text_or_null(column++);
  task.clock = row.integer_or_null(column++);
  task.root_id = row.text_or_null(column++);
  task.parent_id = row.text_or_null(column++);
  task.starts = row.integer(column++);
  return task;
}

}  // namespace

void upsert_task(Connection& connection, const Task& task, WallTime first_seen) {
  connection.run(kUpsert, first_seen, is_final(task.state), task.uuid,
                 task.state == TaskState::Custom ? std::string_view{"CUSTOM"} : to_text(task.state),
                 task.custom_state, task.name, task.sent, task.received, task.started,
                 task.succeeded, task.failed, task.retried, task.revoked, task.rejected, task.args,
                 task.kwargs, task.eta, task.expires, task.retries, task.worker, task.client,
                 task.result, task.exception, task.traceback, task.runtime, task.timestamp,
                 task.queue, task.exchange, task.routing_key, task.clock, task.root_id,
                 task.parent_id, task.starts);
}

void insert_moment(Connection& connection, const Moment& moment) {
  connection.run("INSERT INTO tasks (uuid, first_seen) VALUES (?, ?) ON CONFLICT (uuid) DO NOTHING",
                 moment.task, moment.at);
  connection.run(
      "INSERT INTO moments (task, at, type, worker, detail)"
      " VALUES ((SELECT n FROM tasks WHERE uuid = ?), ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      moment.task, moment.at, moment.type, moment.worker, moment.detail);
}

void store_position(Connection& connection, const HistoryPosition& position) {
  connection.run(
      "INSERT INTO position (only, event_offset, result_sequence, push_sequence, note)"
      " VALUES (1, ?, ?, ?, ?) ON CONFLICT (only) DO UPDATE SET event_offset = "
      "excluded.event_offset,"
      " result_sequence = excluded.result_sequence, push_sequence = excluded.push_sequence,"
      " note = excluded.note",
      position.event_offset, position.result_sequence, position.push_sequence, Blob{position.note});
}

bool holds(Connection& connection, const TaskId& id) {
  return connection.query("SELECT 1 FROM tasks WHERE uuid = ?", id).next();
}

std::optional<Task> find_task(Connection& connection, const TaskId& id) {
  auto row = connection.query(
      "SELECT " UMBEL_TASK_COLUMNS " FROM tasks WHERE uuid = ? AND state IS NOT NULL", id);
  if (!row.next()) return std::nullopt;
  return task_from(row, 0);
}

std::vector<Moment> moments_of(Connection& connection, const TaskId& id) {
  std::vector<Moment> moments;
  auto row = connection.query(
      "SELECT at, type, worker, detail FROM moments WHERE task = (SELECT n FROM tasks WHERE uuid = "
      "?)"
      " ORDER BY at, CASE type WHEN 'sent' THEN 0 WHEN 'received' THEN 1 WHEN 'started' THEN 2"
      " ELSE 3 END, type, worker",
      id);
  while (row.next()) {
    moments.push_back({.task = id,
                       .at = row.time(0),
                       .type = row.text(1),
                       .worker = row.text(2),
                       .detail = row.text(3)});
  }
  return moments;
}

std::vector<PlacedTask> newest_tasks(Connection& connection, std::size_t limit,
                                     const std::optional<PlaceInDay>& from) {
  constexpr PlaceInDay kNewest{.first_seen = WallTime::max(),
                               .n = std::numeric_limits<std::int64_t>::max()};
  const auto place = from.value_or(kNewest);
  std::vector<PlacedTask> tasks;
  auto row = connection.query("SELECT first_seen, n, " UMBEL_TASK_COLUMNS
                              " FROM tasks WHERE (first_seen, n) < (?, ?) AND state IS NOT NULL"
                              " ORDER BY first_seen DESC, n DESC LIMIT ?",
                              place.first_seen, place.n, limit);
  while (row.next()) {
    tasks.push_back({{.first_seen = row.time(0), .n = row.integer(1)}, task_from(row, 2)});
  }
  return tasks;
}

std::vector<Task> newest_unfinished(Connection& connection, std::size_t limit) {
  std::vector<Task> tasks;
  auto row =
      connection.query("SELECT " UMBEL_TASK_COLUMNS
                       " FROM tasks WHERE final = 0 ORDER BY first_seen DESC, n DESC LIMIT ?",
                       limit);
  while (row.next()) tasks.push_back(task_from(row, 0));
  return tasks;
}

std::vector<TaskId> unfinished_ids(Connection& connection, std::size_t limit) {
  std::vector<TaskId> ids;
  auto row = connection.query(
      "SELECT uuid FROM tasks WHERE final = 0 ORDER BY first_seen DESC, n DESC LIMIT ?", limit);
  while (row.next()) ids.emplace_back(row.text(0));
  return ids;
}

std::optional<HistoryPosition> stored_position(Connection& connection) {
  auto row =
      connection.query("SELECT event_offset, result_sequence, push_sequence, note FROM position");
  if (!row.next()) return std::nullopt;
  return HistoryPosition{.event_offset = row.number(0),
                         .result_sequence = row.number(1),
                         .push_sequence = row.number(2),
                         .note = row.text(3)};
}

}  // namespace umbel::store_sqlite
