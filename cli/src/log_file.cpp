#include "log_file.hpp"

#include <fmt/format.h>

#include <utility>

namespace umbel {
namespace {

// Then the file starts anew, the old one kept as `.1`.
constexpr std::uintmax_t kMostBytes = 10 * 1024 * 1024;

}  // namespace

LogFile::LogFile(std::filesystem::path path) : path_{std::move(path)} {
  std::error_code none;
  const auto size = std::filesystem::file_size(path_, none);
  size_ = none ? 0 : size;
  file_.open(path_, std::ios::app);
}

void LogFile::turn_over() {
  file_.close();
  std::error_code ignored;
  std::filesystem::rename(path_, path_.string() + ".1", ignored);
  file_.open(path_, std::ios::trunc);
  size_ = 0;
}

bool LogFile::write(const std::string& line) {
  if (size_ > kMostBytes) turn_over();
  if (!file_) {
    file_.close();
    file_.clear();
    file_.open(path_, std::ios::app);
  }
  const std::string text =
      lost_ == 0 ? line + "\n" : fmt::format("-- {} lines could not be written\n{}\n", lost_, line);
  if (file_ << text << std::flush) {
    size_ += text.size();
    lost_ = 0;
    return false;
  }
  return lost_++ == 0;
}

}  // namespace umbel
