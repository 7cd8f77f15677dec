// SQLite's codes in our terms: what it means, and what somebody can do about it.
#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "umbel/sqlite/database.hpp"

namespace umbel::sqlite {
namespace {

constexpr std::chrono::milliseconds kProbeWait{500};
// With less, one statement may still find room and the next one not.
constexpr std::uintmax_t kLeastSpace = 1024 * 1024;

// By the extended code where it tells more than the primary one. Null: SQLite's words must do.
const char* explain(int extended) {
  switch (extended) {
    case SQLITE_READONLY_DBMOVED:
      return "the file was deleted or replaced while it was open; put it back, or start a program "
             "anew to begin an empty one: the others follow by themselves";
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMMAP:
    case SQLITE_IOERR_SHMOPEN:
      return "its shared index (-shm) cannot be made or grow; if the disk is full, make room";
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_TRUNCATE:
      return "writing failed: the disk has a fault, or a limit on the size of files (ulimit -f) is "
             "reached; it is tried again";
    default:
      break;
  }
  switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return "locked by others for longer than the time-out; fuser names who has the file open";
    case SQLITE_FULL:
      return "the disk is full; make room: work goes on by itself";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return "not writable: make the file, its folder and its file system writable for this user";
    case SQLITE_CANTOPEN:
      return "cannot be opened or created; look at the folder, its rights and its free space";
    case SQLITE_IOERR:
      return "reading or writing failed; look for disk faults in the system's log";
    case SQLITE_NOTADB:
      return "not an SQLite file; move it away, or restore a copy";
    case SQLITE_CORRUPT:
      return "the file is damaged; stop the programs, move it away together with its -wal and "
             "-shm, "
             "and restore a copy or let an empty one be made";
    default:
      return nullptr;
  }
}

Errc code_for(int code) {
  switch (code) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return Errc::Corrupt;
    case SQLITE_TOOBIG:
      return Errc::Invalid;
    case SQLITE_CONSTRAINT:
      return Errc::Conflict;
    case SQLITE_INTERRUPT:
      return Errc::Cancelled;
    default:
      return Errc::Unavailable;
  }
}

}  // namespace

Error to_error(const SQLite::Exception& failure, const std::string& doing) {
  const auto extended =
      failure.getExtendedErrorCode() > 0 ? failure.getExtendedErrorCode() : failure.getErrorCode();
  const auto code = code_for(extended & 0xff);
  const auto* const explanation = explain(extended);
  if (explanation == nullptr) return {code, fmt::format("{}: {}", doing, failure.what())};
  return {code, fmt::format("{}: {} ({})", doing, explanation, failure.what())};
}

bool has_moved(SQLite::Database& database) {
  int moved = 0;
  const auto asked =
      sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return asked == SQLITE_OK && moved != 0;
}

Result<void> probe(const std::string& path, std::int32_t application_id) {
  const auto doing = "probe " + path;
  std::error_code unknown;
  const auto space = std::filesystem::space(path, unknown);
  if (!unknown && space.available < kLeastSpace) {
    return unavailable(
        fmt::format("{}: the disk is full, {} bytes are left; make room", doing, space.available));
  }
  try {
    SQLite::Database database{path, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX,
                              static_cast<int>(kProbeWait.count())};
    if (database.execAndGet("PRAGMA application_id").getInt() != application_id) {
      return invalid(doing + ": the file there is not ours any more");
    }
    // The connection goes again at once: it must not do the others' work on its way out.
    database.exec("PRAGMA wal_autocheckpoint = 0");
    database.exec("BEGIN IMMEDIATE");
    // A row set to what it says already would not be written at all; the header is.
    const auto version = database.execAndGet("PRAGMA user_version").getInt();
    database.exec(fmt::format("PRAGMA user_version = {}", version));
    database.exec("COMMIT");
  } catch (const SQLite::Exception& failure) {
    return to_error(failure, doing);
  }
  return {};
}

void Damage::note(const Error& error) {
  if (error.code != Errc::Corrupt) return;
  const std::scoped_lock lock{mutex_};
  if (!found_) found_ = error;
}

void Damage::forget() {
  const std::scoped_lock lock{mutex_};
  found_.reset();
}

Result<void> Damage::check() const {
  const std::scoped_lock lock{mutex_};
  if (found_) return *found_;
  return {};
}

}  // namespace umbel::sqlite
