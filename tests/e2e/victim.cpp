#include "victim.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "umbel/testing/eventually.hpp"

namespace umbel::e2e {
namespace {

constexpr std::size_t kPrinted = 6000;  // bytes

}  // namespace

std::string bin_dir() {
  const char* given = std::getenv("UMBEL_BIN_DIR");
  return given == nullptr ? UMBEL_BIN_DIR : given;
}

Victim::Victim(std::string name, std::vector<std::string> argv, std::string log_file,
               Environment environment)
    : name_{std::move(name)},
      argv_{std::move(argv)},
      log_file_{std::move(log_file)},
      environment_{std::move(environment)} {
  argv_[0] = bin_dir() + "/" + argv_[0];
}

void Victim::start() {
  // The shell becomes env and env the program, so the pid is the program's own. Only the program
  // gets the environment: a library to be loaded first may be nothing for a shell.
  ChildCommand command{{"sh", "-c", R"(exec env "$@" >>"$0" 2>&1)", log_file_}, {}};
  for (const auto& [name, value] : environment_) command.argv.push_back(name + "=" + value);
  command.argv.insert(command.argv.end(), argv_.begin(), argv_.end());
  auto child = Child::spawn(command);
  if (!child) throw std::runtime_error{child.error().what};
  child_.emplace(std::move(*child));
}

void Victim::kill() { child_.reset(); }

void Victim::freeze() const { child_->signal(SIGSTOP); }

void Victim::thaw() const { child_->signal(SIGCONT); }

bool Victim::stop() {
  if (!child_) return true;
  child_->signal(SIGTERM);
  const bool ended = umbel::testing::eventually([&] { return child_->ended().has_value(); },
                                                std::chrono::seconds{20});
  child_.reset();
  return ended;
}

bool Victim::running() { return child_ && !child_->ended(); }

std::vector<pid_t> Victim::children() const {
  std::ifstream list{fmt::format("/proc/{0}/task/{0}/children", pid())};
  std::vector<pid_t> all;
  for (pid_t child = 0; list >> child;) all.push_back(child);
  return all;
}

bool gone(pid_t pid) {
  std::ifstream stat{fmt::format("/proc/{}/stat", pid)};
  std::string text;
  std::getline(stat, text);
  return text.empty() || text.find(") Z ") != std::string::npos;
}

std::string Victim::log() const {
  std::ifstream file{log_file_};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void Victim::print_end_of_log() const {
  const std::string text = log();
  std::cerr << "--- " << name_ << '\n'
            << text.substr(text.size() > kPrinted ? text.size() - kPrinted : 0) << '\n';
}

}  // namespace umbel::e2e
