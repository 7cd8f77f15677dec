#include "umbel/sqlite/checkpointer.hpp"

#include <sqlite3.h>

#include <chrono>
#include <utility>

#include "lock_wait.hpp"
#include "umbel/sqlite/database.hpp"

namespace umbel::sqlite {
namespace {

constexpr std::chrono::milliseconds kBetweenTurns{20};
constexpr std::chrono::seconds kAgainAfter{1};
// For the write lock, and with it held for those who read: nobody can write meanwhile.
constexpr std::chrono::milliseconds kLongestWait{20};
// A turn that took longer says that the disk is busy.
constexpr std::chrono::milliseconds kCalm{5};
constexpr int kLongestOverTooLong = 4;

}  // namespace

Checkpointer::Checkpointer(std::string path, CheckpointOptions options)
    : path_{std::move(path)}, options_{options}, thread_{[this](const std::stop_token& stop) {
        run(stop);
      }} {}

Checkpointer::~Checkpointer() = default;

void Checkpointer::watch(SQLite::Database& connection) {
  sqlite3_wal_hook(connection.getHandle(), committed, this);
}

// SQLite calls it after each commit, when the write lock is free again.
int Checkpointer::committed(void* self, sqlite3* /*connection*/, const char* /*name*/, int pages) {
  auto& mine = *static_cast<Checkpointer*>(self);
  mine.pages_ = pages;
  if (pages < mine.carried_) mine.carried_ = 0;  // the log began anew
  if (pages - mine.carried_ < mine.options_.enough) return SQLITE_OK;
  const std::lock_guard lock{mine.mutex_};
  if (!std::exchange(mine.due_, true)) mine.wake_.notify_one();
  return SQLITE_OK;
}

void Checkpointer::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (!stop.stop_requested()) {
    if (!wake_.wait(lock, stop, [this] { return due_; })) return;
    due_ = false;
    lock.unlock();
    const bool done = turn();
    lock.lock();
    if (!done) due_ = true;
    wake_.wait_for(lock, stop, done ? kBetweenTurns : kAgainAfter, [] { return false; });
  }
}

bool Checkpointer::turn() {
  try {
    if (!ready()) return true;  // the file is gone: whoever opens another one commits there
    const auto begin = std::chrono::steady_clock::now();
    // In the log now: another process may have begun it anew since our own latest commit.
    const auto pages = carry(SQLITE_CHECKPOINT_PASSIVE);
    if (!pages || *pages < options_.too_long) return true;  // without: somebody else is at it
    // All who write wait for the disk with the turn below: not while others keep it busy, unless
    // that goes on and on.
    const bool calm = std::chrono::steady_clock::now() - begin <= kCalm;
    if (!calm && *pages / kLongestOverTooLong < options_.too_long) return true;
    return carry(SQLITE_CHECKPOINT_RESTART).has_value();
  } catch (const SQLite::Exception&) {
    // A disk that is full, or fails: the writers meet it too, and say so.
    connection_.reset();
    return false;
  }
}

bool Checkpointer::ready() {
  if (connection_ && has_moved(*connection_)) connection_.reset();
  if (connection_) return true;
  connection_ =
      std::make_unique<SQLite::Database>(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX);
  wait_for_locks(*connection_, kLongestWait);
  connection_->exec(options_.full_sync ? "PRAGMA synchronous = FULL"
                                       : "PRAGMA synchronous = NORMAL");
  connection_->exec("PRAGMA journal_size_limit = 67108864");
  // Until a connection has read something, it does not know that there is a log.
  return !connection_->execAndGet("SELECT count(*) FROM sqlite_master").isNull();
}

std::optional<int> Checkpointer::carry(int mode) {
  int pages = 0;
  int carried = 0;
  const auto code =
      sqlite3_wal_checkpoint_v2(connection_->getHandle(), "main", mode, &pages, &carried);
  if (code == SQLITE_BUSY) return std::nullopt;
  if (code != SQLITE_OK) throw SQLite::Exception{connection_->getHandle(), code};
  // After a turn to the very end the next commit begins the log anew, from one page.
  carried_ = carried;
  return pages;
}

}  // namespace umbel::sqlite
