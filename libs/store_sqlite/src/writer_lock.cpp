#include "writer_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace umbel::store_sqlite {
namespace {

std::string holder(int file) {
  std::array<char, 32> text{};
  const auto size = pread(file, text.data(), text.size() - 1, 0);
  return size > 0 ? fmt::format("pid {}", text.data()) : "an unknown pid";
}

}  // namespace

WriterLock::~WriterLock() {
  if (file_ >= 0) close(file_);
}

Result<void> WriterLock::hold() {
  if (file_ >= 0) return {};
  std::error_code fault;
  std::filesystem::create_directories(std::filesystem::path{path_}.parent_path(), fault);
  const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return unavailable(fmt::format("open {}: {}", path_, strerror(errno)));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    const Error error = unavailable(
        fmt::format("another process writes this history ({}, {})", holder(file), path_));
    close(file);
    return error;
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(file, 0) != 0 || pwrite(file, pid.data(), pid.size(), 0) < 0) {
    const Error error = unavailable(fmt::format("write {}: {}", path_, strerror(errno)));
    close(file);
    return error;
  }
  file_ = file;
  return {};
}

}  // namespace umbel::store_sqlite
