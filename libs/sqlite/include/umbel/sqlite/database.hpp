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
#include <span>
#include <string>

#include "umbel/base/result.hpp"

namespace umbel::sqlite {

struct OpenOptions {
  bool full_sync = false;  // survive power loss, not only kill -9
  std::chrono::milliseconds busy_timeout{5000};
};

// A step of the schema, one or more statements; its position in the list, from 1, is the version
// (PRAGMA user_version) that it leads to. Steps are never edited.
using Migration = const char*;

// Opens or creates `path` (its folder too) and brings it to the newest version, in one transaction,
// however many processes try at once. Errors name the file. Invalid: no SQLite file, another
// program's file (application_id), damaged, or written by a newer version; Unavailable: folder or
// file cannot be written, disk full, locked for longer than the time-out.
[[nodiscard]] Result<std::unique_ptr<SQLite::Database>> open(const std::string& path,
                                                             std::int32_t application_id,
                                                             std::span<const Migration> migrations,
                                                             const OpenOptions& options);

// What SQLite reported, in our terms; `doing` is what was tried ("accept tasks in var/umbel.db").
// Conflict: a constraint (unique, foreign key…) refused it.
[[nodiscard]] Error to_error(const SQLite::Exception& failure, const std::string& doing);

// A transaction that takes the write lock at once (so that it never fails half-way for a lock),
// rolled back unless committed. The constructor and commit() throw SQLite::Exception.
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
