#include "umbel/cli/stack.hpp"

#include <fmt/format.h>

#include "files.hpp"
#include "grafana.hpp"
#include "umbel/base/text.hpp"

namespace umbel {
namespace {

namespace fs = std::filesystem;

struct Ports {
  explicit Ports(int offset)
      : simulator{at(8090, offset)},
        collector{at(5555, offset)},
        first_worker{at(9101, offset)},
        scheduler{at(9201, offset)},
        prometheus{at(9090, offset)},
        grafana{at(3000, offset)} {}
  std::uint16_t simulator, collector, first_worker, scheduler, prometheus, grafana;

 private:
  static std::uint16_t at(int base, int offset) {
    return static_cast<std::uint16_t>(base + offset);
  }
};

std::string url(std::uint16_t port) { return fmt::format("http://localhost:{}", port); }

bool real_reddit(const StackOptions& options) { return !options.reddit_client_id.empty(); }

// What every program of ours is given: this stack's broker and store. A broker's URL may hold a
// password, and command lines are for everyone to read: it goes by the environment.
ChildCommand common(const StackOptions& options, const char* program) {
  ChildCommand command;
  command.argv = {(options.bin_dir / program).string(),
                  "--store=sqlite:" + (options.var_dir / "umbel.db").string()};
  if (options.broker.empty()) {
    command.argv.push_back("--broker=sqlite:" + (options.var_dir / "umbel-broker.db").string());
  } else {
    command.environment.emplace_back("UMBEL_BROKER", options.broker);
  }
  return command;
}

template <class Item, class... T>
void append(std::vector<Item>& list, T&&... more) {
  (list.push_back(std::forward<T>(more)), ...);
}

ProgramPlan simulator(const StackOptions& options, const Ports& ports) {
  ProgramPlan plan;
  plan.name = "simulator";
  plan.does = "imitates Reddit's API";
  plan.command.argv = {(options.bin_dir / "umbel-reddit-simulator").string(),
                       fmt::format("--port={}", ports.simulator),
                       "--ledger=" + (options.var_dir / "simulator-ledger.log").string()};
  plan.port = ports.simulator;
  plan.health_path = "/healthz";
  plan.stop = StopStage::Last;
  return plan;
}

ProgramPlan collector(const StackOptions& options, const Ports& ports) {
  ProgramPlan plan;
  plan.name = "collector";
  plan.does = "the page and the API";
  plan.command = common(options, "umbel-collector");
  std::string targets = fmt::format("collector=127.0.0.1:{},scheduler=127.0.0.1:{}",
                                    ports.collector, ports.scheduler);
  if (!real_reddit(options)) targets += fmt::format(",simulator=127.0.0.1:{}", ports.simulator);
  append(plan.command.argv, fmt::format("--port={}", ports.collector),
         "--static-targets=" + targets);
  plan.port = ports.collector;
  plan.health_path = "/readyz";
  plan.shown = url(ports.collector);
  plan.stop = StopStage::Second;
  return plan;
}

ProgramPlan worker(const StackOptions& options, const Ports& ports, int number) {
  ProgramPlan plan;
  plan.name = fmt::format("worker-{}", number);
  plan.does = "runs tasks";
  plan.port = static_cast<std::uint16_t>(ports.first_worker + number - 1);
  plan.command = common(options, "umbel-worker");
  append(plan.command.argv, fmt::format("--hostname=worker-{}@%h", number),
         fmt::format("--metrics-port={}", plan.port), "--log-tasks",
         "--touch-dir=" + (options.var_dir / "touch").string());
  if (real_reddit(options)) {
    append(plan.command.environment, std::pair{"UMBEL_REDDIT_CLIENT_ID", options.reddit_client_id},
           std::pair{"UMBEL_REDDIT_CLIENT_SECRET", options.reddit_client_secret});
  } else {
    append(
        plan.command.argv,
        fmt::format("--reddit-token-url=http://127.0.0.1:{}/api/v1/access_token", ports.simulator),
        fmt::format("--reddit-api-url=http://127.0.0.1:{}", ports.simulator),
        fmt::format("--reddit-public-url=http://127.0.0.1:{}", ports.simulator),
        "--reddit-simulated");
    append(plan.command.environment, std::pair{"UMBEL_REDDIT_CLIENT_ID", "simulated"},
           std::pair{"UMBEL_REDDIT_CLIENT_SECRET", "simulated"});
  }
  plan.health_path = "/readyz";
  plan.echo = true;
  return plan;
}

ProgramPlan scheduler(const StackOptions& options, const Ports& ports) {
  ProgramPlan plan;
  plan.name = "scheduler";
  plan.does = "fires scheduler/schedule.yaml";
  plan.command = common(options, "umbel-scheduler");
  append(plan.command.argv,
         "--schedule=" + (options.source_dir / "scheduler" / "schedule.yaml").string(),
         fmt::format("--metrics-port={}", ports.scheduler));
  plan.port = ports.scheduler;
  plan.health_path = "/readyz";
  return plan;
}

ProgramPlan prometheus(const StackOptions& options, const Ports& ports) {
  ProgramPlan plan;
  plan.name = "prometheus";
  plan.does = "keeps the metrics";
  plan.command.argv = {options.prometheus,
                       "--config.file=" + (options.var_dir / "prometheus.yml").string(),
                       "--storage.tsdb.path=" + (options.var_dir / "prometheus").string(),
                       "--storage.tsdb.retention.time=15d",
                       fmt::format("--web.listen-address=127.0.0.1:{}", ports.prometheus),
                       "--log.level=warn"};
  plan.port = ports.prometheus;
  plan.health_path = "/-/ready";
  plan.shown = url(ports.prometheus);
  plan.start_limit = std::chrono::seconds{60};  // it replays its log first
  return plan;
}

ProgramPlan grafana(const StackOptions& options, const Ports& ports) {
  ProgramPlan plan;
  plan.name = "grafana";
  plan.does = "draws boards";
  plan.command.argv = {options.grafana, "--homepath=" + grafana_home(options.grafana).string(),
                       "--config=" + (options.var_dir / "grafana" / "grafana.ini").string()};
  plan.port = ports.grafana;
  plan.health_path = "/api/health";
  plan.shown = url(ports.grafana);
  plan.start_limit = std::chrono::seconds{90};
  return plan;
}

}  // namespace

Result<void> check_reddit(const StackOptions& options) {
  const bool id = !options.reddit_client_id.empty();
  const bool secret = !options.reddit_client_secret.empty();
  if (id == secret) return {};
  return invalid(fmt::format(
      "{} is set and {} is not: set both to talk to Reddit itself, or none for the simulator",
      id ? "REDDIT_CLIENT_ID" : "REDDIT_CLIENT_SECRET",
      id ? "REDDIT_CLIENT_SECRET" : "REDDIT_CLIENT_ID"));
}

std::string reddit_text(const StackOptions& options) {
  if (real_reddit(options)) {
    return fmt::format("Reddit: the real service, as client {}; no simulator runs",
                       shortened(options.reddit_client_id, 40));
  }
  return "Reddit: a simulator; set REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET for the real service";
}

std::vector<ProgramPlan> plan_stack(const StackOptions& options) {
  const Ports ports{options.port_offset};
  std::vector<ProgramPlan> plans;
  if (!real_reddit(options)) plans.push_back(simulator(options, ports));
  plans.push_back(collector(options, ports));
  for (int number = 1; number <= options.workers; ++number) {
    plans.push_back(worker(options, ports, number));
  }
  plans.push_back(scheduler(options, ports));
  if (!options.prometheus.empty()) plans.push_back(prometheus(options, ports));
  if (!options.grafana.empty()) plans.push_back(grafana(options, ports));
  return plans;
}

std::string render_prometheus(std::string_view text, std::uint16_t collector_port,
                              std::uint16_t prometheus_port, const fs::path& rules) {
  std::string out{text};
  replace_all(out, "http://collector:5555", fmt::format("http://127.0.0.1:{}", collector_port));
  replace_all(out, "prometheus:9090", fmt::format("127.0.0.1:{}", prometheus_port));
  replace_all(out, "/etc/prometheus/rules", rules.string());
  return out;
}

Result<void> prepare_stack(const StackOptions& options) {
  const Ports ports{options.port_offset};
  std::error_code error;
  for (const char* folder : {"log", "touch"}) {
    fs::create_directories(options.var_dir / folder, error);
    if (error) {
      return unavailable(fmt::format("cannot make the folder {}: {}",
                                     (options.var_dir / folder).string(), error.message()));
    }
  }
  if (!options.prometheus.empty()) {
    const auto text = read_file(options.source_dir / "prometheus" / "prometheus.yml");
    if (text.has_error()) return text.error();
    const fs::path rules = options.var_dir / "prometheus-rules";
    const auto rendered = render_prometheus(*text, ports.collector, ports.prometheus, rules);
    // Links of alerts lead to this stack's page.
    if (auto copied = render_folder(options.source_dir / "prometheus" / "rules", ".yml", rules,
                                    {{"http://localhost:5555", url(ports.collector)}});
        !copied) {
      return copied;
    }
    if (auto written = write_file(options.var_dir / "prometheus.yml", rendered); !written) {
      return written;
    }
  }
  if (!options.grafana.empty()) {
    GrafanaPlan plan;
    plan.boards = options.source_dir / "dashboards";
    plan.folder = options.var_dir / "grafana";
    plan.port = ports.grafana;
    plan.prometheus_port = ports.prometheus;
    plan.collector_port = ports.collector;
    if (auto prepared = prepare_grafana(plan); !prepared) return prepared;
  }
  return {};
}

}  // namespace umbel
