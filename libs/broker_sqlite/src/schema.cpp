#include "schema.hpp"

#include <array>

namespace umbel::broker_sqlite {
namespace {

// What a message says is written once and deleted once; where it stands moves between three narrow
// tables. So a claim never rewrites a body, and neither delayed nor held messages lie in its way.
// Every `rank` is 255 - priority: the first in line is the smallest in every column.
constexpr const char* kFirst = R"sql(
CREATE TABLE queue (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  next_position INTEGER NOT NULL DEFAULT 1,
  ready INTEGER NOT NULL DEFAULT 0,
  delayed INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0,
  published_total INTEGER NOT NULL DEFAULT 0,
  acked_total INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  published INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  expires INTEGER,
  content_type TEXT NOT NULL,
  content_encoding TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  reply_to TEXT NOT NULL,
  headers BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE TABLE ready (
  queue INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  position INTEGER NOT NULL,
  message INTEGER NOT NULL,
  since INTEGER NOT NULL,
  redelivered INTEGER NOT NULL,
  PRIMARY KEY (queue, rank, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE delayed (
  queue INTEGER NOT NULL,
  due INTEGER NOT NULL,
  message INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  PRIMARY KEY (queue, due, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
  consumer INTEGER NOT NULL,
  message INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  position INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (consumer, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE consumer (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  wake TEXT NOT NULL,
  boot TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT;

CREATE TABLE consumer_queue (
  queue INTEGER NOT NULL,
  consumer INTEGER NOT NULL,
  PRIMARY KEY (queue, consumer)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  offset INTEGER PRIMARY KEY AUTOINCREMENT,
  published INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE TABLE event_stream (bytes INTEGER NOT NULL) STRICT;
INSERT INTO event_stream (bytes) VALUES (0);

CREATE TABLE subscriber (
  name TEXT PRIMARY KEY,
  committed INTEGER NOT NULL,
  wake TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// What remote control sends: a row for each mailbox that it reaches.
constexpr const char* kMailboxes = R"sql(
CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  name TEXT NOT NULL,
  wake TEXT NOT NULL,
  boot TEXT NOT NULL,
  expires INTEGER NOT NULL,
  next_number INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX mailbox_name ON mailbox (kind, name);

CREATE TABLE mail (
  id INTEGER PRIMARY KEY,
  mailbox INTEGER NOT NULL,
  number INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  expires INTEGER,
  content_type TEXT NOT NULL,
  content_encoding TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  reply_to TEXT NOT NULL,
  headers BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX mail_number ON mail (mailbox, number);
)sql";

constexpr std::array<sqlite::Migration, 2> kMigrations{kFirst, kMailboxes};

}  // namespace

std::span<const sqlite::Migration> schema() { return kMigrations; }

}  // namespace umbel::broker_sqlite
