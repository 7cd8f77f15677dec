// A program's settings: flag > UMBEL_* > umbel.yaml > foreign names (CELERY_BROKER_URL) > default.
//
//   Settings settings{"umbel-worker", "takes tasks from queues and runs them"};
//   settings.add({"concurrency", "threads of the pool", "N"}, config.concurrency, {.least = 1,
//   .most = 512}); if (const auto done = settings.load(argc, argv)) return *done;      // --help,
//   --version, or what was wrong, already printed
//
// Every option `--some-name` has the environment twin UMBEL_SOME_NAME and the key `some-name` in
// umbel.yaml (at its top, or below the program's short name). An unknown flag or key is refused
// with the nearest known one; an unknown UMBEL_* variable is not.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

struct OptionText {
  std::string name;   // without dashes
  std::string help;   // one line
  std::string value;  // what stands for the value in --help; empty for a switch
  std::vector<std::string>
      foreign;  // other environment names that are read last, e.g. CELERY_BROKER_URL
};

struct AllowedNumbers {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

// What all programs share.
struct CommonSettings {
  std::string broker = "sqlite:var/umbel-broker.db";
  std::string store = "sqlite:var/umbel.db";
  LogLevel log_level = LogLevel::Info;
  LogFormat log_format = LogFormat::Text;
};

class Settings {
 public:
  Settings(std::string program, std::string purpose);
  ~Settings();

  // Targets keep their value as the default, and must outlive load().
  void add(OptionText text, std::string& target);
  void add(OptionText text, std::int64_t& target, AllowedNumbers range = {});
  void add(OptionText text, double& target);
  void add(OptionText text, bool& target);
  void add(OptionText text, std::vector<std::string>& target);  // comma separated
  void add_choice(OptionText text, std::string& target, std::vector<std::string> choices);
  void add_common(CommonSettings& common);  // --broker --store --log-level --log-format
  // Words that are not flags, e.g. `check FILE`; without this they are refused.
  void positional(std::string name, std::string help, std::vector<std::string>& target);

  // Nothing: go on. A number: exit with it (0 after --help or --version, 2 after a mistake);
  // everything has been said.
  [[nodiscard]] std::optional<int> load(int argc, const char* const* argv);
  // The same without printing or the process environment, for tests: the error lists every mistake,
  // a line each.
  [[nodiscard]] Result<void> load_from(
      const std::vector<std::string>& arguments,
      const std::function<std::optional<std::string>(const std::string&)>& environment,
      const std::optional<std::string>& yaml_text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// This machine's name as it goes into node names, and this process as a producer: `gen<pid>@host`.
[[nodiscard]] std::string host_name();
[[nodiscard]] std::string producer_name();
[[nodiscard]] std::string version();  // of Umbel, "0.1.0"

}  // namespace umbel
