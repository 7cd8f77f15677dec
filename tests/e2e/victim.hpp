// A program of ours that a test starts, kills, freezes and starts again.
//
// Its output goes to a file, so that nobody has to read a pipe for it to go on; the end of it is
// printed when the test fails. It cannot outlive the test.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/cli/child.hpp"

namespace umbel::e2e {

// Where our programs are: UMBEL_BIN_DIR of the environment, else where they were built.
[[nodiscard]] std::string bin_dir();

// Not thread-safe; spawns on the calling thread, which must live as long as the program
// (child.hpp).
class Victim {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  // `argv[0]` is the name of one of our programs.
  Victim(std::string name, std::vector<std::string> argv, std::string log_file,
         Environment environment);

  void start();  // throws if it cannot be run
  void kill();   // SIGKILL, and waits for its end
  void freeze() const;
  void thaw() const;
  // SIGTERM. False: it did not end within the limit, and was killed.
  [[nodiscard]] bool stop();

  [[nodiscard]] bool running();
  // Its own children now, by the kernel's list.
  [[nodiscard]] std::vector<pid_t> children() const;
  [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : -1; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string log() const;  // all it ever printed
  void print_end_of_log() const;

 private:
  std::string name_;
  std::vector<std::string> argv_;
  std::string log_file_;
  Environment environment_;
  std::optional<Child> child_;
};

// Whether the process has ended; a zombie has.
[[nodiscard]] bool gone(pid_t pid);

}  // namespace umbel::e2e
