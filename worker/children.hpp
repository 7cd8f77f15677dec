// For tests: the processes that a process has started.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <system_error>

namespace umbel::testing {

// Those that have not been waited for, by all of its threads.
inline std::set<pid_t> children_of(pid_t parent) {
  std::set<pid_t> found;
  std::error_code gone;
  for (const auto& thread :
       std::filesystem::directory_iterator{"/proc/" + std::to_string(parent) + "/task", gone}) {
    std::ifstream in{thread.path() / "children"};
    for (pid_t child = 0; in >> child;) found.insert(child);
  }
  return found;
}

// A zombie, which nobody has waited for yet, has ended too, once all of its threads have.
inline bool lives(pid_t process) {
  std::ifstream in{"/proc/" + std::to_string(process) + "/stat"};
  std::string line;
  std::getline(in, line);
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return false;
  // Behind the name: the state first, the number of threads as the eighteenth.
  std::istringstream rest{line.substr(name_end + 2)};
  std::string state, skipped;
  rest >> state;
  for (int i = 0; i < 16; ++i) rest >> skipped;
  int threads = 0;
  rest >> threads;
  return state != "Z" || threads > 1;
}

}  // namespace umbel::testing
