#include "umbel/testing/process.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "umbel/testing/eventually.hpp"

namespace umbel::testing {
namespace {

constexpr std::size_t kShown = 6000;  // bytes

}  // namespace

std::string our_program(const std::string& name) {
  const char* given = std::getenv("UMBEL_BIN_DIR");
  return std::string{given == nullptr ? UMBEL_BIN_DIR : given} + "/" + name;
}

Process::Process(std::string name, std::vector<std::string> argv, std::string log_file,
                 Environment environment)
    : name_{std::move(name)},
      argv_{std::move(argv)},
      log_file_{std::move(log_file)},
      environment_{std::move(environment)} {}

void Process::start() {
  // The shell becomes env and env the program, so the pid is the program's own. Only the program
  // gets the environment: a library to be loaded first may be nothing for a shell.
  ChildCommand command{{"sh", "-c", R"(exec env "$@" >>"$0" 2>&1)", log_file_}, {}};
  for (const auto& [name, value] : environment_) command.argv.push_back(name + "=" + value);
  command.argv.insert(command.argv.end(), argv_.begin(), argv_.end());
  kill();
  auto child = Child::spawn(command);
  if (!child) throw std::runtime_error{child.error().what};
  child_.emplace(std::move(*child));
}

Process::~Process() { kill(); }

void Process::kill() {
  if (!child_) return;
  // It has a process group of its own, and what it started is in it: the processes of a pool.
  ::kill(-child_->pid(), SIGKILL);
  child_.reset();
}

void Process::freeze() const { child_->signal(SIGSTOP); }

void Process::thaw() const { child_->signal(SIGCONT); }

void Process::signal(int number) const { child_->signal(number); }

bool Process::stop(std::chrono::seconds limit) {
  if (!child_) return true;
  child_->signal(SIGTERM);
  const bool ended = eventually([&] { return child_->ended().has_value(); }, limit);
  kill();
  return ended;
}

bool Process::running() { return child_ && !child_->ended(); }

std::optional<std::string> Process::ended() { return child_ ? child_->ended() : std::nullopt; }

std::vector<pid_t> Process::children() const {
  std::ifstream list{fmt::format("/proc/{0}/task/{0}/children", pid())};
  std::vector<pid_t> all;
  for (pid_t child = 0; list >> child;) all.push_back(child);
  return all;
}

std::string Process::log() const {
  std::ifstream file{log_file_};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Process::end_of_log() const {
  const std::string text = log();
  const std::size_t from = text.size() > kShown ? text.size() - kShown : 0;
  return fmt::format("--- {}\n{}\n", name_, text.substr(from));
}

bool Process::says(const std::string& text, std::chrono::seconds limit, std::size_t from) {
  const auto said = [&] { return log().find(text, from) != std::string::npos; };
  std::ignore = eventually([&] { return said() || !running(); }, limit);
  return said();
}

CommandOutcome outcome_of(Process& command, std::chrono::seconds limit) {
  std::ignore = eventually([&] { return !command.running(); }, limit);
  CommandOutcome outcome;
  const std::string end = command.ended().value_or("");
  constexpr std::string_view kStatus = "exit status ";
  if (end.starts_with(kStatus)) outcome.status = std::stoi(end.substr(kStatus.size()));
  command.kill();
  outcome.output = command.log();
  return outcome;
}

bool gone(pid_t pid) {
  std::ifstream stat{fmt::format("/proc/{}/stat", pid)};
  std::string text;
  std::getline(stat, text);
  return text.empty() || text.find(") Z ") != std::string::npos;
}

}  // namespace umbel::testing
