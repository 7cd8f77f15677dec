// A program that a test starts, kills, freezes and starts again.
//
// Its output goes to a file, so that nobody has to read a pipe for it to go on, and the end of it
// is there when a test fails. It cannot outlive the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/cli/child.hpp"

namespace umbel::testing {

// Where one of our programs is: in UMBEL_BIN_DIR of the environment, else where it was built.
[[nodiscard]] std::string our_program(const std::string& name);

// Not thread-safe; spawns on the calling thread, which must live as long as the program
// (child.hpp).
class Process {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  Process(std::string name, std::vector<std::string> argv, std::string log_file,
          Environment environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void start();  // throws if it cannot be run; the log goes on where it was
  void kill();   // SIGKILL, to what it started as well, and waits for its end
  void freeze() const;
  void thaw() const;
  void signal(int number) const;
  // SIGTERM. False: it did not end within the limit, and was killed.
  [[nodiscard]] bool stop(std::chrono::seconds limit = std::chrono::seconds{20});

  [[nodiscard]] bool running();
  // `exit status 1` or `signal 9 (Killed)`; nothing: it still runs, or never did.
  [[nodiscard]] std::optional<std::string> ended();
  // Its own children now, by the kernel's list.
  [[nodiscard]] std::vector<pid_t> children() const;
  [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : -1; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string log() const;         // all it ever printed
  [[nodiscard]] std::string end_of_log() const;  // with its name, for the message of a failure
  // Waits until the log holds the text, behind its first `from` bytes. False: not within the limit,
  // or the program ended before.
  [[nodiscard]] bool says(const std::string& text,
                          std::chrono::seconds limit = std::chrono::seconds{30},
                          std::size_t from = 0);

 private:
  std::string name_;
  std::vector<std::string> argv_;
  std::string log_file_;
  Environment environment_;
  std::optional<Child> child_;
};

struct CommandOutcome {
  int status = -1;  // -1: killed by a signal, or because it did not end within the limit
  std::string output;
};

// Waits for the end of a program that was started; what still runs at the limit is killed.
[[nodiscard]] CommandOutcome outcome_of(Process& command, std::chrono::seconds limit);

// Whether the process has ended; a zombie has.
[[nodiscard]] bool gone(pid_t pid);

}  // namespace umbel::testing
