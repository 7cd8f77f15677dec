// What benchmarks of several processes share: a child that is stopped by its owner, and medians.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace umbel::bench {

// One program, started at once. Destroyed while it runs, it gets SIGTERM, and SIGKILL ten seconds
// later.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) : name_{arguments.front()} {
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (posix_spawn(&pid_, argv[0], nullptr, nullptr, argv.data(), environ) != 0) {
      throw std::runtime_error{name_ + " cannot be started"};
    }
  }
  ~Child() {
    if (pid_ < 0) return;
    kill(pid_, SIGTERM);
    for (int i = 0; i < 1000; ++i) {
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  // Waits for its end; throws if it failed.
  void join() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    if (status != 0) throw std::runtime_error{name_ + " failed"};
  }

 private:
  std::string name_;
  pid_t pid_ = -1;
};

inline std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

inline double median(std::vector<double> values) {
  if (values.empty()) throw std::runtime_error{"no run, no median"};
  std::ranges::sort(values);
  return values[values.size() / 2];
}

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace umbel::bench
