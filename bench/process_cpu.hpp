// What a program under measurement costs: the CPU time of its processes, read from /proc, so that
// programs in other languages are measured in the same way as ours.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace umbel::bench {

// Seconds, user and system, that a process and all that descend from it have used so far, with
// those that have ended and were waited for. The kernel counts in hundredths. 0: there is none.
inline double cpu_of(pid_t root) {
  struct Seen {
    pid_t parent = 0;
    double ticks = 0;
  };
  std::map<pid_t, Seen> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc", ignored}) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) continue;
    std::ifstream file{entry.path() / "stat"};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto behind = text.rfind(')');  // a name may hold anything
    if (behind == std::string::npos) continue;
    std::istringstream rest{text.substr(behind + 2)};
    std::string skipped;
    Seen seen;
    rest >> skipped >> seen.parent;
    for (int field = 0; field < 9; ++field) rest >> skipped;
    double user = 0, system = 0, waited_user = 0, waited_system = 0;
    rest >> user >> system >> waited_user >> waited_system;
    seen.ticks = user + system + waited_user + waited_system;
    all[pid] = seen;
  }
  double ticks = 0;
  std::vector<pid_t> open{root};
  while (!open.empty()) {
    const pid_t pid = open.back();
    open.pop_back();
    if (const auto found = all.find(pid); found != all.end()) ticks += found->second.ticks;
    for (const auto& [child, seen] : all) {
      if (seen.parent == pid) open.push_back(child);
    }
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace umbel::bench
