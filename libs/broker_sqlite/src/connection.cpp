#include "connection.hpp"

#include <sqlite3.h>

#include <filesystem>
#include <utility>

#include "schema.hpp"
#include "umbel/sqlite/database.hpp"

namespace umbel::broker_sqlite {

std::int64_t Query::integer(int column) const { return statement_.getColumn(column).getInt64(); }

std::optional<std::int64_t> Query::maybe_integer(int column) const {
  const auto value = statement_.getColumn(column);
  if (value.isNull()) return std::nullopt;
  return value.getInt64();
}

std::string Query::text(int column) const { return statement_.getColumn(column).getString(); }

void Query::set(int index, std::int64_t value) { statement_.bind(index, value); }

void Query::set(int index, const std::optional<std::int64_t>& value) {
  if (value) {
    statement_.bind(index, *value);
  } else {
    statement_.bind(index);
  }
}

void Query::set(int index, const std::string& value) { statement_.bind(index, value); }

void Query::set(int index, Borrowed value) {
  // A null pointer would be bound as NULL, and an empty view may have one.
  const auto* const data = value.bytes.empty() ? "" : value.bytes.data();
  statement_.bindNoCopy(index, static_cast<const void*>(data),
                        static_cast<int>(value.bytes.size()));
}

namespace {

Result<std::unique_ptr<SQLite::Database>> open_database(const std::string& path,
                                                        const sqlite::OpenOptions& options,
                                                        sqlite::Checkpointer& checkpointer) {
  auto database = sqlite::open(path, kApplicationId, schema(), options);
  if (database) checkpointer.watch(**database);
  return database;
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, bool full_sync,
                                                     std::chrono::milliseconds busy_timeout,
                                                     sqlite::Checkpointer& checkpointer) {
  auto database =
      open_database(path, {.full_sync = full_sync, .busy_timeout = busy_timeout}, checkpointer);
  if (!database) return database.error();
  return std::unique_ptr<Connection>{
      new Connection{std::move(*database), path, full_sync, busy_timeout, checkpointer}};
}

Connection::Connection(std::unique_ptr<SQLite::Database> database, std::string path, bool full_sync,
                       std::chrono::milliseconds busy_timeout, sqlite::Checkpointer& checkpointer)
    : database_{std::move(database)},
      path_{std::move(path)},
      full_sync_{full_sync},
      busy_timeout_{busy_timeout},
      checkpointer_{checkpointer} {}

Result<bool> Connection::follow() {
  if (!sqlite::has_moved(*database_)) return Result<bool>{false};
  std::error_code ignored;
  if (!std::filesystem::exists(path_, ignored)) {
    return sqlite::to_error(SQLite::Exception{"nothing is at its path", SQLITE_READONLY_DBMOVED},
                            "use " + path_);
  }
  auto fresh = open_database(
      path_, {.full_sync = full_sync_, .busy_timeout = busy_timeout_, .create = false},
      checkpointer_);
  if (!fresh) return fresh.error();
  statements_.clear();
  database_ = std::move(*fresh);
  return Result<bool>{true};
}

SQLite::Statement& Connection::statement(const char* sql) {
  auto& slot = statements_[sql];
  if (!slot) slot = std::make_unique<SQLite::Statement>(*database_, sql);
  return *slot;
}

}  // namespace umbel::broker_sqlite
