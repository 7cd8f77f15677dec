#include "umbel/cli/var_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace umbel {
namespace {

constexpr const char* kName = "umbel-up.lock";

std::string holder(int descriptor) {
  char text[32] = {};
  const ssize_t got = pread(descriptor, text, sizeof text - 1, 0);
  return got > 0 ? fmt::format("pid {}", std::string{text, static_cast<std::size_t>(got)})
                 : std::string{"another process"};
}

}  // namespace

Result<VarLock> VarLock::take(const std::filesystem::path& var) {
  std::error_code error;
  std::filesystem::create_directories(var, error);
  if (error) {
    return unavailable(fmt::format("cannot make the folder {}: {}", var.string(), error.message()));
  }
  const std::string file = (var / kName).string();
  VarLock lock{open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
  if (lock.descriptor_ < 0) {
    return unavailable(fmt::format("cannot write {}: {}; --var DIR chooses another folder", file,
                                   strerror(errno)));
  }
  if (flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    return Error{Errc::Conflict,
                 fmt::format("the folder {} is in use by another `umbel up`, {}. Stop that one, or "
                             "choose another folder with --var DIR.",
                             var.string(), holder(lock.descriptor_))};
  }
  // For the text above alone: the lock holds whether or not it can be written.
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock.descriptor_, 0) == 0) {
    [[maybe_unused]] const auto ignored = pwrite(lock.descriptor_, pid.data(), pid.size(), 0);
  }
  return lock;
}

VarLock::~VarLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

VarLock::VarLock(VarLock&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}

VarLock& VarLock::operator=(VarLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace umbel
