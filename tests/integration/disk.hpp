// Disks that go wrong, for whatever opens SQLite files in this process.
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {

// While it lives, every SQLite file that this process opens goes through it: writes, syncs and
// truncations can be slow or fail with a code of SQLite's. One at a time; made before the files are
// opened, gone after they are closed.
class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  // Every write fails with this code (SQLITE_FULL, SQLITE_IOERR_WRITE, …); SQLITE_OK: none does.
  void fail_all(int code) { all_ = code; }
  // The nth write from now fails once.
  void fail(int nth, int code) {
    code_ = code;
    fired_ = false;
    left_ = nth;
  }
  [[nodiscard]] bool fired() const { return fired_; }
  void slow(std::chrono::milliseconds each) { slow_ = each.count(); }

  // For the shim: what the next write shall do.
  [[nodiscard]] int next();

 private:
  std::atomic<int> all_{SQLITE_OK}, code_{SQLITE_OK}, left_{0};
  std::atomic<std::int64_t> slow_{0};
  std::atomic<bool> fired_{false};
};

// A file system of its own of a few megabytes; nothing where this user may not mount.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }
  void fill() const;  // takes what is left
  void make_room() const;
  [[nodiscard]] bool read_only(bool on) const;  // no file may be open for writing

 private:
  TempDir dir_;
  bool mounted_ = false;
};

// Another process that holds the write lock of a file until it is told to let go.
//
// It is forked by the constructor, which therefore stands before anything that starts a thread: a
// child of a process with threads may find a lock (of malloc, of SQLite) that nobody will release.
// Throws where that was forgotten.
class LockHolder {
 public:
  LockHolder();
  ~LockHolder();
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;

  // Once. False if the lock was not to be had within five seconds or the file cannot be opened.
  [[nodiscard]] bool hold(const std::string& file) const;
  // The lock is free when this returns.
  void let_go();

 private:
  pid_t child_ = -1;
  int leash_ = -1;  // the child ends when this is closed, also by the death of this process
};

}  // namespace umbel::testing
