#include "history_schema.hpp"

namespace umbel::store_sqlite {
namespace {

// As the first steps had them, for a task in its place and for one that waits to be brought there.
// A column that came later is a step of its own.
#define UMBEL_TASK_FIELDS                                                            \
  "first_seen INTEGER NOT NULL, final INTEGER, state TEXT, custom_state TEXT, "      \
  "name TEXT, sent INTEGER, received INTEGER, started INTEGER, succeeded INTEGER, "  \
  "failed INTEGER, retried INTEGER, revoked INTEGER, rejected INTEGER, args TEXT, "  \
  "kwargs TEXT, eta TEXT, expires TEXT, retries INTEGER, worker TEXT, client TEXT, " \
  "result TEXT, exception TEXT, traceback TEXT, runtime REAL, timestamp INTEGER, "   \
  "queue TEXT, exchange TEXT, routing_key TEXT, clock INTEGER, root_id TEXT, "       \
  "parent_id TEXT, starts INTEGER"

constexpr sqlite::Migration kMigrations[] = {
    R"sql(
CREATE TABLE tasks (
  n INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE,
)sql" UMBEL_TASK_FIELDS R"sql(
);
CREATE INDEX tasks_by_first_seen ON tasks (first_seen, n);
CREATE INDEX tasks_unfinished ON tasks (first_seen, n) WHERE final = 0;

CREATE TABLE moments (
  task INTEGER NOT NULL,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  worker TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (task, at, type, worker)
) WITHOUT ROWID;

CREATE TABLE position (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  event_offset INTEGER NOT NULL,
  result_sequence INTEGER NOT NULL,
  push_sequence INTEGER NOT NULL,
  note BLOB NOT NULL
);
)sql",
    // What the writer keeps by time; and the rows of a batch that belong to older days' files, from
    // the commit of the batch until they stand there.
    R"sql(
CREATE TABLE kept (
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (kind, at)
) WITHOUT ROWID;

CREATE TABLE deferred_tasks (
  n INTEGER PRIMARY KEY,
  day INTEGER NOT NULL,
  uuid TEXT NOT NULL,
)sql" UMBEL_TASK_FIELDS R"sql(
);
CREATE TABLE deferred_moments (
  n INTEGER PRIMARY KEY,
  day INTEGER NOT NULL,
  task TEXT NOT NULL,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  worker TEXT NOT NULL,
  detail TEXT NOT NULL
);
)sql",
    // What searches sort and filter by. `error` is the fingerprint of a failed task's error.
    R"sql(
ALTER TABLE tasks ADD COLUMN error TEXT;
ALTER TABLE tasks ADD COLUMN wait INTEGER
  GENERATED ALWAYS AS (CASE WHEN started >= received THEN started - received END) VIRTUAL;
)sql",
};

#undef UMBEL_TASK_FIELDS

}  // namespace

std::span<const sqlite::Migration> history_migrations() { return kMigrations; }

}  // namespace umbel::store_sqlite
