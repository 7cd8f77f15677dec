#include "history_rows.hpp"

#include <limits>

#include "umbel/model/fingerprint.hpp"

namespace umbel::store_sqlite {
namespace {

#define UMBEL_TASK_COLUMNS                                                        \
  "uuid, state, custom_state, name, sent, received, started, succeeded, failed, " \
  "retried, revoked, rejected, args, kwargs, eta, expires, retries, worker, "     \
  "client, result, exception, traceback, runtime, timestamp, queue, exchange, "   \
  "routing_key, clock, root_id, parent_id, starts"

// A row without a state only numbers the moments of a task that was not given with them; the first
// sight of the task fills it.
#define UMBEL_33_VALUES                                                               \
  "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, " \
  "?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33"

constexpr const char* kUpsert =
    "INSERT INTO tasks (first_seen, final, " UMBEL_TASK_COLUMNS ", error) VALUES (" UMBEL_33_VALUES
    ", ?34) ON CONFLICT (uuid) DO UPDATE SET"
    " first_seen = CASE WHEN state IS NULL THEN excluded.first_seen ELSE first_seen END,"
    " final = excluded.final, state = excluded.state, custom_state = excluded.custom_state,"
    " timestamp = excluded.timestamp, starts = excluded.starts, "
    "name = COALESCE(excluded.name, name), "
    "sent = COALESCE(excluded.sent, sent), "
    "received = COALESCE(excluded.received, received), "
    "started = COALESCE(excluded.started, started), "
    "succeeded = COALESCE(excluded.succeeded, succeeded), "
    "failed = COALESCE(excluded.failed, failed), "
    "retried = COALESCE(excluded.retried, retried), "
    "revoked = COALESCE(excluded.revoked, revoked), "
    "rejected = COALESCE(excluded.rejected, rejected), "
    "args = COALESCE(excluded.args, args), "
    "kwargs = COALESCE(excluded.kwargs, kwargs), "
    "eta = COALESCE(excluded.eta, eta), "
    "expires = COALESCE(excluded.expires, expires), "
    "retries = COALESCE(excluded.retries, retries), "
    "worker = COALESCE(excluded.worker, worker), "
    "client = COALESCE(excluded.client, client), "
    "result = COALESCE(excluded.result, result), "
    "exception = COALESCE(excluded.exception, exception), "
    "traceback = COALESCE(excluded.traceback, traceback), "
    "runtime = COALESCE(excluded.runtime, runtime), "
    "queue = COALESCE(excluded.queue, queue), "
    "exchange = COALESCE(excluded.exchange, exchange), "
    "routing_key = COALESCE(excluded.routing_key, routing_key), "
    "clock = COALESCE(excluded.clock, clock), "
    "root_id = COALESCE(excluded.root_id, root_id), "
    "parent_id = COALESCE(excluded.parent_id, parent_id), "
    // Its texts may have been let go of, so that nothing is known of the error any more.
    "error = CASE WHEN excluded.state = 'FAILURE' THEN COALESCE(excluded.error, error) END";

constexpr const char* kDefer = "INSERT INTO deferred_tasks (first_seen, final, " UMBEL_TASK_COLUMNS
                               ", day) VALUES (" UMBEL_33_VALUES ", ?34)";

}  // namespace

const char* task_columns() { return UMBEL_TASK_COLUMNS; }

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

namespace {

// `more`: values for the columns behind those of a task.
template <class... More>
void run_with_task(Connection& connection, const char* sql, const Task& task, WallTime first_seen,
                   const More&... more) {
  connection.run(sql, first_seen, is_final(task.state), task.uuid,
                 task.state == TaskState::Custom ? std::string_view{"CUSTOM"} : to_text(task.state),
                 task.custom_state, task.name, task.sent, task.received, task.started,
                 task.succeeded, task.failed, task.retried, task.revoked, task.rejected, task.args,
                 task.kwargs, task.eta, task.expires, task.retries, task.worker, task.client,
                 task.result, task.exception, task.traceback, task.runtime, task.timestamp,
                 task.queue, task.exchange, task.routing_key, task.clock, task.root_id,
                 task.parent_id, task.starts, more...);
}

}  // namespace

void upsert_task(Connection& connection, const Task& task, WallTime first_seen) {
  run_with_task(connection, kUpsert, task, first_seen, error_fingerprint(task));
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
  for (const auto& row : position.rows) {
    connection.run(
        "INSERT INTO kept (kind, at, data) VALUES (?, ?, ?)"
        " ON CONFLICT (kind, at) DO UPDATE SET data = excluded.data",
        row.kind, row.at, Blob{row.data});
  }
}

void defer_task(Connection& connection, Day day, const Task& task, WallTime first_seen) {
  run_with_task(connection, kDefer, task, first_seen, day.time_since_epoch().count());
}

void defer_moment(Connection& connection, Day day, const Moment& moment) {
  connection.run(
      "INSERT INTO deferred_moments (day, task, at, type, worker, detail)"
      " VALUES (?, ?, ?, ?, ?, ?)",
      day.time_since_epoch().count(), moment.task, moment.at, moment.type, moment.worker,
      moment.detail);
}

bool has_deferred(Connection& connection) {
  return connection
      .query("SELECT 1 FROM deferred_tasks UNION ALL SELECT 1 FROM deferred_moments LIMIT 1")
      .next();
}

Deferred deferred(Connection& connection) {
  const auto day_at = [](const Query& row) {
    return Day{std::chrono::days{static_cast<int>(row.integer(0))}};
  };
  Deferred found;
  auto task = connection.query("SELECT day, first_seen, " UMBEL_TASK_COLUMNS
                               " FROM deferred_tasks ORDER BY n");
  while (task.next()) {
    found.tasks[day_at(task)].push_back({{.first_seen = task.time(1), .n = 0}, task_from(task, 2)});
  }
  auto moment = connection.query(
      "SELECT day, task, at, type, worker, detail FROM deferred_moments ORDER BY n");
  while (moment.next()) {
    found.moments[day_at(moment)].push_back({.task = TaskId{moment.text(1)},
                                             .at = moment.time(2),
                                             .type = moment.text(3),
                                             .worker = moment.text(4),
                                             .detail = moment.text(5)});
  }
  return found;
}

void forget_deferred(Connection& connection) {
  connection.run("DELETE FROM deferred_tasks");
  connection.run("DELETE FROM deferred_moments");
}

std::vector<KeptRow> kept_rows(Connection& connection, const std::string& kind, std::int64_t from) {
  std::vector<KeptRow> rows;
  auto row = connection.query("SELECT at, data FROM kept WHERE kind = ? AND at >= ? ORDER BY at",
                              kind, from);
  while (row.next()) rows.push_back({.kind = kind, .at = row.integer(0), .data = row.text(1)});
  return rows;
}

bool holds(Connection& connection, const TaskId& id) {
  return connection.query("SELECT 1 FROM tasks WHERE uuid = ?", id).next();
}

std::optional<WallTime> first_seen_of(Connection& connection, const TaskId& id) {
  auto row =
      connection.query("SELECT first_seen FROM tasks WHERE uuid = ? AND state IS NOT NULL", id);
  if (!row.next()) return std::nullopt;
  return row.time(0);
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

std::vector<Task> failures_without_error(Connection& connection) {
  std::vector<Task> tasks;
  auto row = connection.query(
      "SELECT uuid, exception, traceback FROM tasks WHERE state = 'FAILURE' AND error IS NULL");
  while (row.next()) {
    Task task;
    task.uuid = TaskId{row.text(0)};
    task.state = TaskState::Failure;
    task.exception = row.text_or_null(1);
    task.traceback = row.text_or_null(2);
    tasks.push_back(std::move(task));
  }
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
                         .note = row.text(3),
                         .rows = {}};
}

}  // namespace umbel::store_sqlite
