// For tests: the processes that a process has started.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <set>
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

}  // namespace umbel::testing
