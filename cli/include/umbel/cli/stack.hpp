// What a whole stack on one machine consists of: which programs, with which flags, on which ports.
// Plans alone; supervisor.hpp acts.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/result.hpp"
#include "umbel/cli/child.hpp"

namespace umbel {

struct StackOptions {
  std::filesystem::path bin_dir;     // where our programs are
  std::filesystem::path source_dir;  // with scheduler/schedule.yaml, prometheus/ and dashboards/
  std::filesystem::path var_dir;     // data and logs; made if missing
  int port_offset = 0;
  int workers = 2;
  std::string broker;  // URL; empty: the embedded one, in var_dir
  // With credentials the workers talk to Reddit itself and no simulator runs.
  std::string reddit_client_id, reddit_client_secret;
  std::string prometheus;  // the binary; empty: not installed
  std::string grafana;     // the binary; empty: not installed
};

// Invalid: one of the credentials without the other; names the one that is missing.
[[nodiscard]] Result<void> check_reddit(const StackOptions& options);

// For people: whether the workers talk to Reddit itself, and as whom; never the secret.
[[nodiscard]] std::string reddit_text(const StackOptions& options);

// When a program is told to stop: all of one stage at once, the next when they are gone.
enum class StopStage { First, Second, Last };

struct ProgramPlan {
  std::string name;  // `worker-1`
  std::string does;  // for the table
  ChildCommand command;
  std::uint16_t port = 0;
  bool owns_port = true;    // false: somebody else answers there for it
  std::string health_path;  // answers 200 when it is up
  std::string shown;        // the URL people open; empty: the port alone
  std::chrono::seconds start_limit{20};
  StopStage stop = StopStage::First;
  bool echo = false;  // every line of it goes to the terminal, not only warnings
};

// The programs in the order in which they start.
[[nodiscard]] std::vector<ProgramPlan> plan_stack(const StackOptions& options);

// Makes folders and writes the rendered configuration below var_dir. Errors name the file.
[[nodiscard]] Result<void> prepare_stack(const StackOptions& options);

// The repository's prometheus.yml, which is written for containers, made to fit this machine: the
// addresses of the collector and of Prometheus itself, and the folder of the rules.
[[nodiscard]] std::string render_prometheus(std::string_view text, std::uint16_t collector_port,
                                            std::uint16_t prometheus_port,
                                            const std::filesystem::path& rules);

}  // namespace umbel
