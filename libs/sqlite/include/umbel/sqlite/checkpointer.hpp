// Carries the write-ahead log into the database, in a thread of its own.
//
// SQLite would do it in whichever thread commits past a limit, and each time means waiting for the
// disk twice: 10 to 30 ms in which one task in a hundred waits. Here nobody waits for that, except
// that once the log has grown long a turn of it ends with the write lock held, for what came since
// the thread last looked: under a steady load the log would otherwise never find an end to begin
// anew from. Those turns sync too, so they are put off while the disk is slow to answer, until the
// log is four times too long.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "umbel/base/result.hpp"

struct sqlite3;

namespace umbel::sqlite {

struct CheckpointOptions {
  bool full_sync = false;  // as of the connections that write
  int enough = 1000;       // pages not yet carried over: worth a turn
  int too_long = 16'000;   // pages in the log: it shall begin anew (64 MB of 4 KB pages)
};

// One for each file and process; several processes may each have theirs. What fails (a full disk, a
// reader in the way) is tried again each second, and nothing is lost meanwhile: the log grows.
// Thread-safe.
class Checkpointer {
 public:
  // `path` is a file that open() has opened.
  explicit Checkpointer(std::string path, CheckpointOptions options = {});
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  // From now on `connection` leaves the log to this object, which it must not outlive.
  void watch(SQLite::Database& connection);

 private:
  static int committed(void* self, sqlite3* connection, const char* name, int pages);
  void run(const std::stop_token& stop);
  // One turn; answers whether all that it meant to do is done.
  [[nodiscard]] bool turn();
  [[nodiscard]] bool ready();
  // How many pages the log has, or nothing: locks were in the way.
  [[nodiscard]] std::optional<int> carry(int mode);

  const std::string path_;
  const CheckpointOptions options_;
  std::unique_ptr<SQLite::Database> connection_;  // of the thread
  std::atomic<int> pages_{0};                     // in the log at the latest commit
  std::atomic<int> carried_{0};                   // of them, at the last turn
  std::mutex mutex_;
  bool due_ = false;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel::sqlite
