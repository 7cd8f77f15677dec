// A program's log file, bounded in size, on a disk that may be full.
//
// What cannot be written is lost to the file and counted; the file says so once it can be written
// again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace umbel {

class LogFile {
 public:
  explicit LogFile(std::filesystem::path path);

  // True: the line begins a time in which nothing can be written; for the caller to say.
  [[nodiscard]] bool write(const std::string& line);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void turn_over();
  std::filesystem::path path_;
  std::ofstream file_;
  std::uintmax_t size_ = 0;
  std::uint64_t lost_ = 0;  // lines
};

}  // namespace umbel
