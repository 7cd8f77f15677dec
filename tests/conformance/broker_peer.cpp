#include "broker_peer.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace umbel::testing {
namespace {

std::string next_output(const std::string& folder) {
  static std::atomic<int> number = 0;
  return folder + "/peer-" + std::to_string(++number) + ".out";
}

}  // namespace

Peer::Peer(const std::string& engine, const BrokerSetup& setup, const std::string& role,
           std::size_t count)
    : output_{next_output(setup.folder)} {
  std::array<int, 2> pipe{};
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::runtime_error{"pipe"};
  std::vector<std::string> words{
      (std::filesystem::canonical("/proc/self/exe").parent_path() / "conformance_broker_peer")
          .string(),
      engine,
      setup.folder,
      std::to_string(setup.lease.count()),
      role,
      std::to_string(count)};
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_.c_str(), O_CREAT | O_WRONLY,
                                   0644);
  const auto failure =
      posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe[0]);
  input_ = pipe[1];
  if (failure != 0) {
    close_input();
    throw std::runtime_error{"cannot start " + words[0]};
  }
}

Peer::~Peer() { kill(); }

std::vector<std::string> Peer::lines() const {
  std::ifstream file{output_};
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line) && !file.eof();) all.push_back(line);
  return all;
}

bool Peer::said(const std::string& line) const {
  const auto all = lines();
  return std::ranges::find(all, line) != all.end();
}

void Peer::tell(const std::string& line) const {
  const auto text = line + "\n";
  if (write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error{"peer does not listen"};
  }
}

void Peer::send(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

void Peer::kill() {
  send(SIGKILL);
  if (pid_ > 0) waitpid(std::exchange(pid_, -1), nullptr, 0);
  close_input();
}

int Peer::wait_exit() {
  close_input();
  int status = -1;
  if (pid_ > 0) waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void Peer::close_input() {
  if (input_ >= 0) close(std::exchange(input_, -1));
}

}  // namespace umbel::testing
