// A SQLite file opened the way all our adapters need it: WAL, many processes, busy waits that end,
// migrations, errors as values.
//
// A connection that open() gives, and its statements, belong to one thread at a time: whoever
// shares it guards it with a mutex.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "umbel/base/result.hpp"

namespace umbel::sqlite {

struct OpenOptions {
  bool full_sync = false;  // survive power loss, not only kill -9
  std::chrono::milliseconds busy_timeout{5000};
  bool create = true;  // false: a file that is not there stays so, Unavailable
};

// A step of the schema, one or more statements; its position in the list, from 1, is the version
// (PRAGMA user_version) that it leads to. Steps are never edited.
using Migration = const char*;

// Opens or creates `path` (its folder too) and brings it to the newest version, in one transaction,
// however many processes try at once. Errors name the file, the cause and the remedy. Invalid:
// another program's file (application_id), or written by a newer version; Corrupt: damaged, or no
// SQLite file; Unavailable: folder or file cannot be written, disk full, locked for longer than the
// time-out.
[[nodiscard]] Result<std::unique_ptr<SQLite::Database>> open(const std::string& path,
                                                             std::int32_t application_id,
                                                             std::span<const Migration> migrations,
                                                             const OpenOptions& options);

// What SQLite reported, in our terms; `doing` is what was tried ("accept tasks in var/umbel.db").
// Conflict: a constraint (unique, foreign key…) refused it. Corrupt: the file is damaged.
// Unavailable passes (disk full, locked, read-only): the same connection works again afterwards.
[[nodiscard]] Error to_error(const SQLite::Exception& failure, const std::string& doing);

// Whether the file was deleted or replaced since the connection opened it. SQLite itself would go
// on writing into what nobody will ever find again.
[[nodiscard]] bool has_moved(SQLite::Database& database);

// Opens and writes `path` through a connection of its own that waits for locks for half a second
// only: whether the file can be used now, for readiness. Changes nothing of what the file says.
[[nodiscard]] Result<void> probe(const std::string& path, std::int32_t application_id);

// Remembers that a file was found damaged, until another one took its place: a probe touches few
// pages and would not meet the bad one again. Thread-safe.
class Damage {
 public:
  void note(const Error& error);
  void forget();
  [[nodiscard]] Result<void> check() const;

 private:
  mutable std::mutex mutex_;
  std::optional<Error> found_;
};

// A transaction that takes the write lock at once (so that it never fails half-way for a lock),
// rolled back unless committed. The constructor and commit() throw SQLite::Exception; the
// constructor also when the file has moved.
class WriteTransaction {
 public:
  explicit WriteTransaction(SQLite::Database& database);
  ~WriteTransaction();
  WriteTransaction(const WriteTransaction&) = delete;
  WriteTransaction& operator=(const WriteTransaction&) = delete;
  void commit();

 private:
  SQLite::Database& database_;
  bool done_ = false;
};

}  // namespace umbel::sqlite
