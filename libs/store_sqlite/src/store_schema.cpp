#include "store_schema.hpp"

namespace umbel::store_sqlite {
namespace {

constexpr sqlite::Migration kMigrations[] = {
    R"sql(
CREATE TABLE counters (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters VALUES ('outbox', 0), ('result', 0), ('probe', 0);

CREATE TABLE tasks (
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  queue TEXT NOT NULL,
  state TEXT NOT NULL,
  accepted INTEGER,
  run INTEGER NOT NULL,
  lost_starts INTEGER NOT NULL,
  handed_back INTEGER NOT NULL DEFAULT 0,
  result TEXT,
  traceback TEXT,
  worker TEXT,
  runtime REAL,
  done INTEGER,
  sequence INTEGER
);
CREATE UNIQUE INDEX tasks_by_sequence ON tasks (sequence) WHERE sequence IS NOT NULL;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,
  task TEXT NOT NULL,
  queue TEXT NOT NULL,
  content_type TEXT NOT NULL,
  content_encoding TEXT NOT NULL,
  headers TEXT NOT NULL,
  body BLOB NOT NULL,
  correlation_id TEXT NOT NULL,
  reply_to TEXT NOT NULL,
  priority INTEGER NOT NULL,
  expires INTEGER,
  not_before INTEGER,
  written INTEGER NOT NULL
);

CREATE TABLE schedules (
  name TEXT NOT NULL PRIMARY KEY,
  first_seen INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE ticks (
  schedule TEXT NOT NULL,
  due INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  task TEXT NOT NULL,
  recorded INTEGER NOT NULL,
  missed INTEGER NOT NULL,
  PRIMARY KEY (schedule, due)
) WITHOUT ROWID;
CREATE INDEX ticks_by_due ON ticks (due);

CREATE TABLE sightings (
  fullname TEXT NOT NULL PRIMARY KEY,
  subreddit TEXT NOT NULL,
  created INTEGER NOT NULL,
  sighted INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE watermarks (
  subreddit TEXT NOT NULL PRIMARY KEY,
  newest INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE submissions (
  fullname TEXT NOT NULL UNIQUE,
  subreddit TEXT NOT NULL,
  author TEXT NOT NULL,
  title TEXT NOT NULL,
  selftext TEXT NOT NULL,
  url TEXT NOT NULL,
  permalink TEXT NOT NULL,
  domain TEXT NOT NULL,
  score INTEGER NOT NULL,
  num_comments INTEGER NOT NULL,
  upvote_ratio REAL,
  created INTEGER NOT NULL,
  edited INTEGER,
  is_self INTEGER NOT NULL,
  over_18 INTEGER NOT NULL,
  stickied INTEGER NOT NULL,
  locked INTEGER NOT NULL,
  link_flair_text TEXT,
  thumbnail TEXT,
  source TEXT NOT NULL,
  simulated INTEGER NOT NULL,
  fetched INTEGER NOT NULL
);
CREATE INDEX submissions_by_fetched ON submissions (fetched);

CREATE TABLE catalogue (
  name TEXT NOT NULL PRIMARY KEY,
  queue TEXT NOT NULL,
  max_retries INTEGER NOT NULL,
  soft_time_limit REAL,
  ignore_result INTEGER NOT NULL,
  description TEXT NOT NULL,
  updated INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE catalogue_parameters (
  task TEXT NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  required INTEGER NOT NULL,
  default_value TEXT NOT NULL,
  PRIMARY KEY (task, position)
) WITHOUT ROWID;

CREATE TABLE leases (
  name TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE shared_values (
  key TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL,
  expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX shared_values_by_expires ON shared_values (expires);
)sql",
    // A schedule has one row, with the definition that is in force, instead of one for each that it
    // ever had (named `NAME | DEFINITION`).
    R"sql(
ALTER TABLE schedules RENAME TO sightings_of_schedules;
CREATE TABLE schedules (
  name TEXT NOT NULL PRIMARY KEY,
  definition TEXT NOT NULL,
  first_seen INTEGER NOT NULL
) WITHOUT ROWID;
INSERT OR REPLACE INTO schedules (name, definition, first_seen)
  SELECT substr(name, 1, instr(name, ' | ') - 1), substr(name, instr(name, ' | ') + 3), first_seen
  FROM sightings_of_schedules WHERE instr(name, ' | ') > 1 ORDER BY first_seen;
DROP TABLE sightings_of_schedules;
)sql",
    // Retention looks for the deepest of each subreddit.
    "CREATE INDEX sightings_by_subreddit ON sightings (subreddit, created)",
    // The monitor adds up what each schedule missed.
    "CREATE INDEX ticks_missed ON ticks (schedule, missed) WHERE missed > 0",
    // `started` is the run that has begun (none: NULL), `body` what a copy of the task needs.
    R"sql(
ALTER TABLE tasks ADD COLUMN started INTEGER;
ALTER TABLE tasks ADD COLUMN body BLOB;
ALTER TABLE tasks ADD COLUMN body_bytes INTEGER;
CREATE TABLE schedulers (
  name TEXT NOT NULL PRIMARY KEY,
  published INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  left INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE schedule_cards (
  scheduler TEXT NOT NULL,
  name TEXT NOT NULL,
  task TEXT NOT NULL,
  args TEXT NOT NULL,
  kwargs TEXT NOT NULL,
  queue TEXT NOT NULL,
  expression TEXT NOT NULL,
  zone TEXT NOT NULL,
  definition TEXT NOT NULL,
  description TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  PRIMARY KEY (scheduler, name)
) WITHOUT ROWID;
CREATE TABLE schedule_pauses (
  name TEXT NOT NULL PRIMARY KEY,
  since INTEGER NOT NULL,
  reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL,
  outcome TEXT NOT NULL
);
CREATE INDEX audit_by_object ON audit (object);
)sql",
    // What a task sent, as its caller finds it.
    "ALTER TABLE tasks ADD COLUMN children TEXT NOT NULL DEFAULT ''",
};

}  // namespace

std::span<const sqlite::Migration> store_migrations() { return kMigrations; }

}  // namespace umbel::store_sqlite
