#include "umbel/cli/supervisor.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "log_file.hpp"
#include "umbel/base/text.hpp"
#include "umbel/cli/ports.hpp"
#include "umbel/http/client.hpp"

namespace umbel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kKeptLines = 20;
constexpr milliseconds kPortsMayClear{3000};  // of programs whose supervisor was killed just now
constexpr milliseconds kLastWords{1000};      // for a terminal that does not read

sigset_t supervised_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);  // the terminal was closed
  sigaddset(&set, SIGCHLD);
  return set;
}

// Warnings and errors, in our own log format and in that of Prometheus and Grafana.
bool wants_attention(const std::string& line) {
  for (const char* sign : {" warn ", " error ", "level=warn", "level=error", "fatal"}) {
    if (line.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

milliseconds RestartPlan::died(milliseconds ran_for) {
  constexpr milliseconds kFirst{500};
  constexpr milliseconds kMost{10'000};
  if (ran_for >= kMost) next_ = kFirst;
  return std::exchange(next_, std::min(next_ * 2, kMost));
}

struct Supervisor::Program {
  Program(ProgramPlan given, const std::filesystem::path& log_dir)
      : plan{std::move(given)}, log{log_dir / (plan.name + ".log")} {}

  ProgramPlan plan;
  LogFile log;
  std::optional<Child> child;
  RestartPlan restarts;
  Steady::time_point started{};
  std::optional<Steady::time_point> restart_at;
  std::deque<std::string> lines;
};

Supervisor::Supervisor(std::vector<ProgramPlan> plans, SupervisorOptions options, int out)
    : options_{std::move(options)}, out_{out} {
  for (ProgramPlan& plan : plans) {
    programs_.push_back(std::make_unique<Program>(std::move(plan), options_.log_dir));
  }
}

Supervisor::~Supervisor() {
  if (signals_ >= 0) close(signals_);
}

Result<void> Supervisor::check_ports(const std::vector<ProgramPlan>& plans) {
  const auto until = Steady::now() + kPortsMayClear;
  const auto all_free = [&] {
    return std::all_of(plans.begin(), plans.end(),
                       [](const ProgramPlan& plan) { return port_is_free(plan.port); });
  };
  while (!all_free() && Steady::now() < until) poll(nullptr, 0, 50);
  std::string taken;
  for (const ProgramPlan& plan : plans) {
    if (port_is_free(plan.port)) continue;
    taken += fmt::format("port {} for {} is taken by {}\n", plan.port, plan.name,
                         port_holder(plan.port).value_or("a process of another user"));
  }
  if (taken.empty()) return {};
  return Error{Errc::Conflict,
               taken + "Stop what holds it, or choose other ports with --port-offset N."};
}

int Supervisor::run() {
  const sigset_t set = supervised_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // an output that nobody reads is noticed in writing
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  const bool up = start_all();
  if (up) {
    print_table();
    up_ = true;
    while (!stop_requested_) tend(seconds{1});
  }
  if (stop_requested_) out_.print("\nStopping …\n");
  stop_all();
  if (stop_requested_) out_.print("Stopped.\n");
  out_.flush(Steady::now() + kLastWords);
  return stop_requested_ ? 0 : 1;
}

bool Supervisor::start_all() {
  for (const auto& program : programs_) {
    out_.print(fmt::format("  starting {:<11} ", program->plan.name));
    const auto began = Steady::now();
    if (!spawn(*program) || !wait_healthy(*program)) {
      if (stop_requested_) return false;
      out_.print("did not come up\n");
      last_lines(*program);
      return false;
    }
    out_.print(fmt::format(
        "up in {}\n",
        spoken(std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - began))));
  }
  return true;
}

bool Supervisor::spawn(Program& program) {
  program.started = Steady::now();
  if (program.plan.owns_port && !port_is_free(program.plan.port)) {
    keep(program, fmt::format("port {} is taken by {}", program.plan.port,
                              port_holder(program.plan.port).value_or("another user's process")));
    return false;
  }
  auto child = Child::spawn(program.plan.command);
  if (child.has_error()) {
    keep(program, child.error().what);
    return false;
  }
  program.child.emplace(std::move(*child));
  return true;
}

void Supervisor::keep(Program& program, const std::string& line) {
  program.lines.push_back(line);
  if (program.lines.size() > kKeptLines) program.lines.pop_front();
  if (program.log.write(line)) {
    out_.print(fmt::format("\n{} cannot be written; what {} says is shown here alone\n",
                           program.log.path().string(), program.plan.name));
  }
}

bool Supervisor::wait_healthy(Program& program) {
  http::Client client;
  http::ClientRequest request;
  request.url = fmt::format("http://127.0.0.1:{}{}", program.plan.port, program.plan.health_path);
  request.timeout = milliseconds{500};
  const auto deadline = Steady::now() + program.plan.start_limit;
  while (Steady::now() < deadline && !stop_requested_) {
    if (const auto answer = client.send(request); answer.has_value() && answer->status == 200) {
      return true;
    }
    tend(milliseconds{50});
    if (!program.child) return false;  // it died; while starting that is final
  }
  return false;
}

void Supervisor::print_table() {
  const char* heading = "\n  {:<12} {:<30} {:<28} {}\n";
  out_.print(fmt::format(fmt::runtime(heading), "program", "what it does", "where", "pid"));
  for (const auto& program : programs_) {
    const auto& plan = program->plan;
    const std::string where =
        plan.shown.empty() ? fmt::format("127.0.0.1:{}", plan.port) : plan.shown;
    out_.print(fmt::format("  {:<12} {:<30} {:<28} {}\n", plan.name, plan.does, where,
                           program->child ? program->child->pid() : -1));
  }
  for (const auto& program : programs_) {
    if (program->plan.name == "collector") {
      out_.print(fmt::format("\n  Open {} — logs are in {}, Ctrl-C stops everything.\n\n",
                             program->plan.shown, options_.log_dir.string()));
    }
  }
}

void Supervisor::tend(milliseconds limit) {
  auto until = Steady::now() + limit;
  for (const auto& program : programs_) {
    if (program->restart_at) until = std::min(until, *program->restart_at);
  }
  std::vector<pollfd> waits{{signals_, POLLIN, 0}, {out_.waits_for(), POLLOUT, 0}};
  for (const auto& program : programs_) {
    if (program->child) waits.push_back({program->child->output(), POLLIN, 0});
  }
  const auto wait = std::chrono::ceil<milliseconds>(until - Steady::now());
  poll(waits.data(), waits.size(), static_cast<int>(std::max<milliseconds::rep>(wait.count(), 0)));

  out_.write_some();
  if (out_.closed()) stop_requested_ = true;  // nobody could see what runs, nor stop it
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) stop_requested_ = true;
  }
  for (const auto& program : programs_) {
    relay_output(*program);
    reap(*program);
    if (!stopping_ && program->restart_at && Steady::now() >= *program->restart_at) {
      program->restart_at.reset();
      start_again(*program);
    }
  }
}

void Supervisor::start_again(Program& program) {
  if (spawn(program)) return;
  const auto delay = program.restarts.died({});
  program.restart_at = Steady::now() + delay;
  out_.print(fmt::format("\n{} cannot be started: {}; next try in {}\n", program.plan.name,
                         program.lines.back(), spoken(delay)));
}

void Supervisor::relay_output(Program& program) {
  if (!program.child) return;
  for (const std::string& line : program.child->read_lines()) {
    keep(program, line);
    // Not while starting, where it would tear the list of what is up; nor what programs say of
    // being stopped.
    if (up_ && !stopping_ && (program.plan.echo || wants_attention(line))) {
      out_.print(fmt::format("{:<10} | {}\n", program.plan.name, line));
    }
  }
}

void Supervisor::reap(Program& program) {
  if (!program.child) return;
  const auto end = program.child->ended();
  if (!end) return;
  relay_output(program);
  program.child.reset();
  if (stopping_) return;
  const auto ran = std::chrono::duration_cast<milliseconds>(Steady::now() - program.started);
  const auto delay = program.restarts.died(ran);
  program.restart_at = Steady::now() + delay;
  keep(program, fmt::format("-- ended with {} after {}", *end, spoken(ran)));
  out_.print(fmt::format("\n{} ended with {} after {}; starting it again in {}. Its last lines:\n",
                         program.plan.name, *end, spoken(ran), spoken(delay)));
  last_lines(program);
}

void Supervisor::last_lines(const Program& program) {
  for (const std::string& line : program.lines) out_.print(fmt::format("    {}\n", line));
}

void Supervisor::stop_all() {
  stopping_ = true;
  for (const auto& program : programs_) program->restart_at.reset();
  const auto deadline = Steady::now() + options_.stop_limit;
  for (const StopStage stage : {StopStage::First, StopStage::Second, StopStage::Last}) {
    stop_stage(stage, deadline);
  }
}

void Supervisor::stop_stage(StopStage stage, Steady::time_point deadline) {
  const auto running = [&] {
    return std::any_of(programs_.begin(), programs_.end(), [&](const auto& program) {
      return program->plan.stop == stage && program->child;
    });
  };
  for (const auto& program : programs_) {
    if (program->plan.stop == stage && program->child) program->child->signal(SIGTERM);
  }
  while (running() && Steady::now() < deadline) tend(milliseconds{50});
  for (const auto& program : programs_) {
    if (program->plan.stop != stage || !program->child) continue;
    out_.print(fmt::format("{} did not stop in time and was killed\n", program->plan.name));
    program->child.reset();
  }
}

}  // namespace umbel
