// For tests: the real program, started as a process of its own.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "stand.hpp"

namespace umbel::testing {

// One umbel-worker. Killed at the end if it still runs.
class Process {
 public:
  Process(const Stand& stand, const std::string& name, std::vector<std::string> more = {})
      : log_{stand.dir.file(name + ".log")} {
    std::vector<std::string> words{std::string{UMBEL_BIN_DIR} + "/umbel-worker",
                                   "--broker=sqlite:" + stand.dir.file("broker.db"),
                                   "--store=sqlite:" + stand.dir.file("store.db"),
                                   "--hostname=" + name + "@%h",
                                   "--metrics-port=0",
                                   "--log-tasks",
                                   "--touch-dir=" + stand.dir.path().string()};
    for (auto& word : more) words.push_back(std::move(word));
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int failed = posix_spawn(&pid_, arguments[0], &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed != 0) throw std::runtime_error{"cannot start " + words[0]};
  }
  ~Process() { (void)end(SIGKILL); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Sends the signal and waits; answers the exit status, or 128 and the signal that ended it.
  int end(int signal) {
    if (pid_ == 0) return status_;
    kill(pid_, signal);
    return wait();
  }
  int wait() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
  }
  void send(int signal) const { kill(pid_, signal); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string log() const {
    std::ifstream in{log_};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

 private:
  std::string log_;
  pid_t pid_ = 0;
  int status_ = 0;
};

}  // namespace umbel::testing
