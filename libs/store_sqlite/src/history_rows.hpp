// One day's tasks, moments and position as rows. Everything throws SQLite::Exception.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "connections.hpp"
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

// Inside a write transaction.
void upsert_task(Connection& connection, const Task& task, WallTime first_seen);
void insert_moment(Connection& connection, const Moment& moment);
void store_position(Connection& connection, const HistoryPosition& position);

[[nodiscard]] bool holds(Connection& connection, const TaskId& id);
[[nodiscard]] std::optional<Task> find_task(Connection& connection, const TaskId& id);
// Oldest first; at one instant, in the order of a task's life.
[[nodiscard]] std::vector<Moment> moments_of(Connection& connection, const TaskId& id);
// Those behind `from`; nothing: from the newest.
[[nodiscard]] std::vector<PlacedTask> newest_tasks(Connection& connection, std::size_t limit,
                                                   const std::optional<PlaceInDay>& from);
[[nodiscard]] std::vector<Task> newest_unfinished(Connection& connection, std::size_t limit);
[[nodiscard]] std::vector<TaskId> unfinished_ids(Connection& connection, std::size_t limit);
[[nodiscard]] std::optional<HistoryPosition> stored_position(Connection& connection);

}  // namespace umbel::store_sqlite
