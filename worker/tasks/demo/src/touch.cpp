#include "touch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "umbel/worker/task.hpp"

namespace umbel {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_{number} {}
  Descriptor(Descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

[[noreturn]] void refuse(const std::string& path, const char* why) {
  throw FinalTaskError{"ValueError", fmt::format("path {}: {}", path, why)};
}

// Opens one step at a time, each without following a link, so that nothing can be put in between.
Descriptor open_at(const Descriptor& folder, const std::string& name, int flags,
                   const std::string& path) {
  const int got = openat(folder.get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (got >= 0) return Descriptor{got};
  if (errno == ELOOP || (errno == ENOTDIR && (flags & O_DIRECTORY) != 0)) {
    refuse(path, "a part of it is no folder, or a symbolic link");
  }
  throw TaskError{"OSError", fmt::format("cannot open {}: {}", path, std::strerror(errno))};
}

}  // namespace

void touch_below(const std::string& folder, const std::string& path, const std::string& token) {
  if (path.find('\0') != std::string::npos) refuse("given", "it holds a zero byte");
  const std::filesystem::path relative{path};
  if (relative.is_absolute()) refuse(path, "it must be relative to the folder of --touch-dir");
  if (relative.filename().empty()) refuse(path, "it names no file");
  for (const auto& part : relative) {
    if (part == ".." || part == ".") refuse(path, "it must not hold `.` or `..`");
  }
  if (token.find('\n') != std::string::npos) {
    throw FinalTaskError{"ValueError", "token: it must be one line"};
  }
  const int base = open(folder.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC);
  if (base < 0) {
    throw TaskError{"OSError", fmt::format("cannot open {}: {}", folder, std::strerror(errno))};
  }
  Descriptor at{base};
  for (const auto& part : relative.parent_path()) {
    at = open_at(at, part.string(), O_DIRECTORY | O_RDONLY, path);
  }
  const auto file =
      open_at(at, relative.filename().string(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, path);
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    refuse(path, "it is no regular file");
  }
  const auto line = token + "\n";
  const auto written = write(file.get(), line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    throw TaskError{"OSError", fmt::format("cannot write {}: {}", path,
                                           written < 0 ? std::strerror(errno) : "cut short")};
  }
}

}  // namespace umbel
