// Runs a planned stack: starts it in order, waits for each health check, restarts what dies, stops
// all in order.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/cli/child.hpp"
#include "umbel/cli/outlet.hpp"
#include "umbel/cli/stack.hpp"

namespace umbel {

// How long to wait before a program that died is started again: doubling from half a second to ten
// seconds, from the beginning again after it has run for as long as the longest wait. Pure.
class RestartPlan {
 public:
  [[nodiscard]] std::chrono::milliseconds died(std::chrono::milliseconds ran_for);

 private:
  std::chrono::milliseconds next_{500};
};

struct SupervisorOptions {
  std::filesystem::path log_dir;
  std::chrono::milliseconds stop_limit{9'500};  // whatever still runs then is killed
};

// Single-threaded; run() must be called on the main thread, with SIGINT, SIGTERM, SIGHUP and
// SIGCHLD blocked (it blocks them itself if not). It ignores SIGPIPE.
class Supervisor {
 public:
  // Prints to the descriptor `out`, which stays the caller's.
  Supervisor(std::vector<ProgramPlan> plans, SupervisorOptions options, int out);
  ~Supervisor();

  // Names every port of the plan that is taken, with its holder. Waits a few seconds first: the
  // programs of a supervisor that was killed just now may still be about to end.
  [[nodiscard]] static Result<void> check_ports(const std::vector<ProgramPlan>& plans);

  // Until SIGINT, SIGTERM or SIGHUP, or until nobody reads the output any more; answers the exit
  // status: 0, or 1 if a program did not come up (all others are stopped then).
  [[nodiscard]] int run();

 private:
  struct Program;
  [[nodiscard]] bool start_all();
  [[nodiscard]] bool wait_healthy(Program& program);
  [[nodiscard]] bool spawn(Program& program);
  void keep(Program& program, const std::string& line);
  void print_table();
  void tend(std::chrono::milliseconds limit);  // output, deaths and restarts, for at most `limit`
  void start_again(Program& program);
  void reap(Program& program);
  void relay_output(Program& program);
  void stop_all();
  void stop_stage(StopStage stage, Steady::time_point deadline);
  void last_lines(const Program& program);

  SupervisorOptions options_;
  Outlet out_;
  std::vector<std::unique_ptr<Program>> programs_;
  int signals_ = -1;
  bool up_ = false;
  bool stopping_ = false;
  bool stop_requested_ = false;
};

}  // namespace umbel
