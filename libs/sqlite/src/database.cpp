#include "umbel/sqlite/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <thread>
#include <utility>

#include "lock_wait.hpp"

namespace umbel::sqlite {
namespace {

int number(SQLite::Database& database, const char* query) {
  return database.execAndGet(query).getInt();
}

// Whose file it is, and whether we know its version.
Result<int> checked_version(SQLite::Database& database, const std::string& path,
                            std::int32_t application_id, std::size_t known) {
  const auto owner = number(database, "PRAGMA application_id");
  const auto version = number(database, "PRAGMA user_version");
  const bool fresh =
      owner == 0 && version == 0 && number(database, "SELECT count(*) FROM sqlite_master") == 0;
  if (owner != application_id && !fresh) {
    return invalid(fmt::format(
        "open {}: an SQLite file of another program or for another purpose (application_id {}, "
        "expected {}); it was left alone: name another path",
        path, owner, application_id));
  }
  if (version < 0 || static_cast<std::size_t>(version) > known) {
    return invalid(fmt::format(
        "open {}: written by a newer version of Umbel (schema {}, this program knows up to {}); "
        "start that version, or name another path",
        path, version, known));
  }
  return version;
}

Result<void> migrate(SQLite::Database& database, const std::string& path,
                     std::int32_t application_id, std::span<const Migration> migrations) {
  WriteTransaction transaction{database};
  // Another process may have done it between our look and our lock.
  const auto version = checked_version(database, path, application_id, migrations.size());
  if (!version) return version.error();
  for (auto step = static_cast<std::size_t>(*version); step < migrations.size(); ++step) {
    database.exec(migrations[step]);
  }
  database.exec(fmt::format("PRAGMA application_id = {}", application_id));
  database.exec(fmt::format("PRAGMA user_version = {}", migrations.size()));
  transaction.commit();
  return {};
}

Result<std::unique_ptr<SQLite::Database>> try_open(const std::string& path,
                                                   std::int32_t application_id,
                                                   std::span<const Migration> migrations,
                                                   const OpenOptions& options) {
  const int create = options.create ? SQLite::OPEN_CREATE : 0;
  auto database = std::make_unique<SQLite::Database>(
      path, SQLite::OPEN_READWRITE | create | SQLite::OPEN_NOMUTEX);
  wait_for_locks(*database, options.busy_timeout);

  const auto version = [&] {
    // One snapshot: another process may be creating the file between two looks.
    const SQLite::Transaction snapshot{*database};
    return checked_version(*database, path, application_id, migrations.size());
  }();
  if (!version) return version.error();
  // SQLite opens what it may not write as if it were asked to read only.
  if (sqlite3_db_readonly(database->getHandle(), "main") == 1) {
    throw SQLite::Exception{"its rights or its file system's do not allow it", SQLITE_READONLY};
  }
  const auto mode = database->execAndGet("PRAGMA journal_mode = WAL").getString();
  if (mode != "wal") {
    return unavailable(fmt::format(
        "open {}: its file system cannot share it between processes (journal mode is {})", path,
        mode));
  }
  database->exec(options.full_sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  // A burst leaves a long write-ahead log behind: give the space back at the next turn.
  database->exec("PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY");
  if (static_cast<std::size_t>(*version) < migrations.size()) {
    const auto migrated = migrate(*database, path, application_id, migrations);
    if (!migrated) return migrated.error();
  }
  return database;
}

}  // namespace

Result<std::unique_ptr<SQLite::Database>> open(const std::string& path, std::int32_t application_id,
                                               std::span<const Migration> migrations,
                                               const OpenOptions& options) {
  const auto folder = std::filesystem::path{path}.parent_path();
  if (!folder.empty() && options.create) {
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (failure) {
      return unavailable(
          fmt::format("open {}: its folder cannot be made: {}; make it, or allow it to be made",
                      path, failure.message()));
    }
  }
  // Turning to WAL needs the file for itself, and answers "busy" at once, without waiting, to all
  // but one of those who try at the same time.
  const auto give_up = std::chrono::steady_clock::now() + options.busy_timeout;
  for (;;) {
    try {
      return try_open(path, application_id, migrations, options);
    } catch (const SQLite::Exception& failure) {
      const auto code = failure.getErrorCode() & 0xff;
      const bool passing = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_PROTOCOL;
      if (!passing || std::chrono::steady_clock::now() >= give_up) {
        return to_error(failure, "open " + path);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
}

WriteTransaction::WriteTransaction(SQLite::Database& database) : database_{database} {
  if (has_moved(database)) {
    throw SQLite::Exception{"its path leads elsewhere", SQLITE_READONLY_DBMOVED};
  }
  database_.exec("BEGIN IMMEDIATE");
}

WriteTransaction::~WriteTransaction() {
  // SQLite may have rolled back by itself (disk full): then this fails, and nothing is left to do.
  if (!done_) database_.tryExec("ROLLBACK");
}

void WriteTransaction::commit() {
  database_.exec("COMMIT");
  done_ = true;
}

}  // namespace umbel::sqlite
