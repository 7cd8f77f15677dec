#include "disk.hpp"

#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

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

}  // namespace umbel::testing
