#include "disk.hpp"

#include <limits.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

#include "umbel/testing/eventually.hpp"

namespace umbel::testing {
namespace {

// SQLite's methods of one kind of file (a database, a log), and ours over them.
struct Methods {
  const sqlite3_io_methods* real = nullptr;
  sqlite3_io_methods faulty{};
};

// C callbacks know no object: the one disk there is, and what SQLite's own methods are.
std::atomic<FaultyDisk*> the_disk{nullptr};
sqlite3_vfs* real_vfs = nullptr;
sqlite3_vfs shim{};
std::array<Methods, 4> kinds;

int next_code() {
  auto* const disk = the_disk.load();
  return disk == nullptr ? SQLITE_OK : disk->next();
}

const sqlite3_io_methods& real(const sqlite3_file* file) {
  return *std::ranges::find(kinds, file->pMethods, [](const Methods& m) {
            return &m.faulty;
          })->real;
}

int faulty_write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  if (const int code = next_code(); code != SQLITE_OK) return code;
  return real(file).xWrite(file, bytes, count, offset);
}
int faulty_sync(sqlite3_file* file, int flags) {
  if (const int code = next_code(); code != SQLITE_OK) {
    return code == SQLITE_IOERR_WRITE ? SQLITE_IOERR_FSYNC : code;
  }
  return real(file).xSync(file, flags);
}
int faulty_truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (const int code = next_code(); code != SQLITE_OK) {
    return code == SQLITE_IOERR_WRITE ? SQLITE_IOERR_TRUNCATE : code;
  }
  return real(file).xTruncate(file, size);
}

int faulty_open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out) {
  const int code = real_vfs->xOpen(real_vfs, name, file, flags, out);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  auto* kind = std::ranges::find(kinds, file->pMethods, &Methods::real);
  if (kind == kinds.end()) {
    kind = std::ranges::find(kinds, nullptr, &Methods::real);
    if (kind == kinds.end()) std::abort();  // more kinds of files than anybody knows of
    kind->real = file->pMethods;
    kind->faulty = *kind->real;
    kind->faulty.xWrite = faulty_write;
    kind->faulty.xSync = faulty_sync;
    kind->faulty.xTruncate = faulty_truncate;
  }
  file->pMethods = &kind->faulty;
  return code;
}

constexpr char kHeld = 'y', kRefused = 'n';
constexpr int kLockWaitMs = 5000;

// Whether this is the only thread. A thread that was joined may be listed for a moment longer.
bool alone() {
#if defined(__SANITIZE_THREAD__)
  return true;  // it has a thread of its own
#else
  return eventually([] {
    const std::filesystem::directory_iterator threads{"/proc/self/task"};
    return std::distance(begin(threads), end(threads)) == 1;
  });
#endif
}

// The child: takes a name, holds that file's lock until the other end is closed, and ends without
// what the parent has to tidy up.
[[noreturn]] void hold_until_closed(int leash) {
  std::array<char, PATH_MAX> name{};
  if (recv(leash, name.data(), name.size() - 1, 0) <= 0) _exit(0);  // nobody wants it any more
  sqlite3* database = nullptr;
  const bool held =
      sqlite3_open(name.data(), &database) == SQLITE_OK &&
      sqlite3_busy_timeout(database, kLockWaitMs) == SQLITE_OK &&
      sqlite3_exec(database, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr) == SQLITE_OK;
  char answer = held ? kHeld : kRefused;
  if (send(leash, &answer, 1, MSG_NOSIGNAL) != 1) _exit(1);
  while (recv(leash, &answer, 1, 0) > 0) {
  }
  sqlite3_close(database);  // rolls back
  _exit(0);
}

}  // namespace

FaultyDisk::FaultyDisk() {
  if (real_vfs == nullptr) {
    real_vfs = sqlite3_vfs_find(nullptr);
    shim = *real_vfs;
    shim.zName = "faulty";
    shim.pNext = nullptr;
    shim.xOpen = faulty_open;
    // All kinds of files are met here, before any thread is there.
    const TempDir dir;
    sqlite3_vfs_register(&shim, 1);
    sqlite3* database = nullptr;
    sqlite3_open(dir.file("first.db").c_str(), &database);
    sqlite3_exec(database,
                 "CREATE TABLE t (x); PRAGMA journal_mode = WAL; INSERT INTO t VALUES (1)", nullptr,
                 nullptr, nullptr);
    sqlite3_close(database);
  }
  sqlite3_vfs_register(&shim, 1);
  the_disk = this;
}

FaultyDisk::~FaultyDisk() {
  the_disk = nullptr;
  sqlite3_vfs_register(real_vfs, 1);
}

int FaultyDisk::next() {
  if (const auto wait = slow_.load(); wait > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds{wait});  // the slowness itself
  }
  if (const int code = all_; code != SQLITE_OK) return code;
  if (left_ <= 0 || --left_ != 0) return SQLITE_OK;
  fired_ = true;
  return code_;
}

SmallDisk::SmallDisk(const std::string& size) {
  mounted_ = ::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
}

void SmallDisk::fill() const {
  std::ofstream ballast{file("ballast"), std::ios::binary};
  const std::string block(4096, 'b');
  while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
}

void SmallDisk::make_room() const { std::filesystem::remove(file("ballast")); }

bool SmallDisk::read_only(bool on) const {
  const unsigned long flags = MS_REMOUNT | (on ? static_cast<unsigned long>(MS_RDONLY) : 0UL);
  return ::mount("tmpfs", dir_.path().c_str(), "tmpfs", flags, nullptr) == 0;
}

LockHolder::LockHolder() {
  if (!alone()) throw std::logic_error{"a LockHolder is made before any thread"};
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw std::runtime_error{"socketpair"};
  }
  child_ = fork();
  if (child_ == 0) {
    close(ends[0]);
    hold_until_closed(ends[1]);
  }
  close(ends[1]);
  leash_ = ends[0];
  if (child_ < 0) {
    close(leash_);
    throw std::runtime_error{"fork"};
  }
}

LockHolder::~LockHolder() { let_go(); }

bool LockHolder::hold(const std::string& file) const {
  char answer = kRefused;
  return send(leash_, file.data(), file.size(), MSG_NOSIGNAL) ==
             static_cast<ssize_t>(file.size()) &&
         recv(leash_, &answer, 1, 0) == 1 && answer == kHeld;
}

void LockHolder::let_go() {
  if (leash_ < 0) return;
  close(std::exchange(leash_, -1));
  waitpid(child_, nullptr, 0);
}

}  // namespace umbel::testing
