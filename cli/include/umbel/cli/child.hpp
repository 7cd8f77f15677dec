// A child process that cannot outlive us.
//
// It gets SIGKILL from the kernel when the thread that spawned it ends (so spawn from the main
// thread), has a process group of its own (so that Ctrl-C reaches only its supervisor), and writes
// its standard output and error into one pipe that we read.
#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel {

struct ChildCommand {
  std::vector<std::string> argv;  // argv[0] is looked up on the PATH unless it has a slash
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
};

// Not thread-safe.
class Child {
 public:
  [[nodiscard]] static Result<Child> spawn(const ChildCommand& command);
  // Kills a child that still runs, and waits for it.
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int output() const { return output_; }  // to poll(); -1 once the child closed it
  // Whole lines that have come so far; does not block.
  [[nodiscard]] std::vector<std::string> read_lines();
  void signal(int number) const;
  // `exit status 1` or `signal 9 (Killed)`, once it has ended; does not block.
  [[nodiscard]] std::optional<std::string> ended();

 private:
  Child(pid_t pid, int output) : pid_{pid}, output_{output} {}
  void release();
  pid_t pid_ = -1;  // -1: moved from
  int output_ = -1;
  std::string partial_;
  std::optional<std::string> end_;
};

}  // namespace umbel
