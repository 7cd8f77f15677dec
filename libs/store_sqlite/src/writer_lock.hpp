// Who writes the history: one process at a time, decided by a lock that the kernel gives back when
// its holder dies, however it dies. So a second collector waits its turn, and takes over at once.
#pragma once

#include <string>

#include "umbel/base/result.hpp"

namespace umbel::store_sqlite {

// By one thread at a time.
class WriterLock {
 public:
  explicit WriterLock(std::string path) : path_{std::move(path)} {}
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

  // Takes the lock unless it is held already. Unavailable: another process holds it (named by its
  // pid), or the file cannot be made.
  [[nodiscard]] Result<void> hold();

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace umbel::store_sqlite
