#include "search_indexes.hpp"

#include <utility>
#include <vector>

#include "history_rows.hpp"
#include "umbel/model/fingerprint.hpp"

namespace umbel::store_sqlite {
namespace {

struct SearchIndex {
  std::string_view name;
  const char* make;
};

constexpr std::string_view kByError = "tasks_by_error";

// The partial ones hold what is rare, and what most tasks have only where it is asked for.
constexpr SearchIndex kIndexes[] = {
    {"tasks_by_name", "CREATE INDEX tasks_by_name ON tasks (name, first_seen)"},
    {"tasks_by_worker", "CREATE INDEX tasks_by_worker ON tasks (worker, first_seen)"},
    {"tasks_ended_badly",
     "CREATE INDEX tasks_ended_badly ON tasks (state, first_seen)"
     " WHERE state IN ('FAILURE', 'REVOKED')"},
    {kByError, "CREATE INDEX tasks_by_error ON tasks (error, first_seen) WHERE error IS NOT NULL"},
    // With the name in it the slowest of one name are found without looking at the others' rows.
    {"tasks_by_runtime",
     "CREATE INDEX tasks_by_runtime ON tasks (runtime, first_seen, name)"
     " WHERE runtime IS NOT NULL"},
    {"tasks_by_wait",
     "CREATE INDEX tasks_by_wait ON tasks (wait, first_seen) WHERE wait IS NOT NULL"},
    {"tasks_by_retries",
     "CREATE INDEX tasks_by_retries ON tasks (retries, first_seen) WHERE retries > 0"},
    {"tasks_by_root",
     "CREATE INDEX tasks_by_root ON tasks (root_id)"
     " WHERE root_id IS NOT NULL AND root_id <> uuid"},
    {"tasks_by_parent",
     "CREATE INDEX tasks_by_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL"},
};

// Of failures that were written before there was the column.
void fill_in_errors(Connection& connection) {
  std::vector<std::pair<TaskId, std::string>> errors;
  for (const Task& task : failures_without_error(connection)) {
    if (auto error = error_fingerprint(task)) errors.emplace_back(task.uuid, std::move(*error));
  }
  for (const auto& [id, error] : errors)
    connection.run("UPDATE tasks SET error = ? WHERE uuid = ?", error, id);
}

}  // namespace

bool has_index(Connection& connection, std::string_view name) {
  return connection.query("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?", name)
      .next();
}

Indexes make_next_index(Connection& connection) {
  const bool empty = !connection.query("SELECT 1 FROM tasks LIMIT 1").next();
  bool made = false;
  for (const auto& index : kIndexes) {
    if (has_index(connection, index.name)) continue;
    if (made && !empty) return Indexes::Missing;
    if (index.name == kByError && !empty) fill_in_errors(connection);
    connection.database().exec(index.make);
    made = true;
  }
  return Indexes::Complete;
}

}  // namespace umbel::store_sqlite
