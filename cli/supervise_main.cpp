// Test program: a supervisor over programs given on the command line, in a process of its own that
// a test can stop and kill.
//
//   supervise LOG_DIR HEALTH_PORT (NAME HEALTH_PATH SCRIPT)…
#include <unistd.h>

#include <string>

#include "umbel/cli/supervisor.hpp"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  std::vector<umbel::ProgramPlan> plans;
  for (std::size_t i = 2; i + 2 < arguments.size(); i += 3) {
    umbel::ProgramPlan plan;
    plan.name = arguments[i];
    plan.command.argv = {"sh", "-c", arguments[i + 2]};
    plan.port = static_cast<std::uint16_t>(std::stoul(arguments.at(1)));
    plan.owns_port = false;  // the test answers
    plan.health_path = arguments[i + 1];
    plan.start_limit = std::chrono::seconds{10};
    plan.echo = true;
    plans.push_back(std::move(plan));
  }
  umbel::Supervisor supervisor{std::move(plans), {.log_dir = arguments.at(0)}, STDOUT_FILENO};
  return supervisor.run();
}
