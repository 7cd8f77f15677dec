// One day's tasks, moments and position as rows. Everything throws SQLite::Exception.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connections.hpp"
#include "task_days.hpp"
#include "umbel/history/history.hpp"

namespace umbel::store_sqlite {

// Where a task stands in its day's list, newest first.
struct PlaceInDay {
  WallTime first_seen{};
  std::int64_t n = 0;
};

struct PlacedTask {
  PlaceInDay place;
  Task task;
};

// A task's columns, for a SELECT, and the task of a row that has them from `column` on.
[[nodiscard]] const char* task_columns();
[[nodiscard]] Task task_from(const Query& row, int column);

// Inside a write transaction.
void upsert_task(Connection& connection, const Task& task, WallTime first_seen);
void insert_moment(Connection& connection, const Moment& moment);
void store_position(Connection& connection, const HistoryPosition& position);  // its rows too

// What belongs into another day's file, kept here until it stands there.
void defer_task(Connection& connection, Day day, const Task& task, WallTime first_seen);
void defer_moment(Connection& connection, Day day, const Moment& moment);
struct Deferred {
  std::map<Day, std::vector<PlacedTask>> tasks;
  std::map<Day, std::vector<Moment>> moments;
};
[[nodiscard]] bool has_deferred(Connection& connection);
[[nodiscard]] Deferred deferred(Connection& connection);
void forget_deferred(Connection& connection);

[[nodiscard]] bool holds(Connection& connection, const TaskId& id);
[[nodiscard]] std::optional<WallTime> first_seen_of(Connection& connection, const TaskId& id);
[[nodiscard]] std::optional<Task> find_task(Connection& connection, const TaskId& id);
// Oldest first; at one instant, in the order of a task's life.
[[nodiscard]] std::vector<Moment> moments_of(Connection& connection, const TaskId& id);
// Those behind `from`; nothing: from the newest.
[[nodiscard]] std::vector<PlacedTask> newest_tasks(Connection& connection, std::size_t limit,
                                                   const std::optional<PlaceInDay>& from);
[[nodiscard]] std::vector<Task> newest_unfinished(Connection& connection, std::size_t limit);
// What a fingerprint is made of, and the id.
[[nodiscard]] std::vector<Task> failures_without_error(Connection& connection);
[[nodiscard]] std::vector<TaskId> unfinished_ids(Connection& connection, std::size_t limit);
[[nodiscard]] std::vector<KeptRow> kept_rows(Connection& connection, const std::string& kind,
                                             std::int64_t from);
[[nodiscard]] std::optional<HistoryPosition> stored_position(Connection& connection);

}  // namespace umbel::store_sqlite
