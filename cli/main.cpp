// `umbel`: the command line. `umbel up` runs a whole stack on one machine.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>

#include "umbel/base/clock.hpp"
#include "umbel/base/text.hpp"
#include "umbel/cli/forget.hpp"
#include "umbel/cli/remote.hpp"
#include "umbel/cli/stack.hpp"
#include "umbel/cli/supervisor.hpp"
#include "umbel/cli/var_lock.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/runtime/settings.hpp"

namespace {

namespace fs = std::filesystem;

// The first of `names` found on the PATH, or in the places where Debian keeps servers.
std::string find_program(const std::vector<std::string>& names) {
  const char* path = std::getenv("PATH");
  std::string folders = (path == nullptr ? "" : path) + std::string{":/usr/sbin:/usr/bin"};
  for (const std::string& name : names) {
    for (std::size_t from = 0; from < folders.size();) {
      const auto end = std::min(folders.find(':', from), folders.size());
      const fs::path candidate = fs::path{folders.substr(from, end - from)} / name;
      if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
      from = end + 1;
    }
  }
  return {};
}

// Where scheduler/, prometheus/ and dashboards/ are: the working directory if it is a checkout,
// else what is installed beside the programs, else the checkout they were built in.
std::string find_source(const fs::path& bin_dir) {
  const fs::path here = fs::current_path();
  for (const fs::path& folder :
       {here, bin_dir.parent_path() / "share" / "umbel",
        bin_dir.parent_path().parent_path().parent_path()}) {  // build/<preset>/bin
    std::error_code error;
    if (fs::exists(folder / "prometheus" / "prometheus.yml", error)) return folder.string();
  }
  return here.string();
}

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int up(umbel::StackOptions options) {
  options.reddit_client_id = from_environment("REDDIT_CLIENT_ID");
  options.reddit_client_secret = from_environment("REDDIT_CLIENT_SECRET");
  if (const auto fine = umbel::check_reddit(options); fine.has_error()) {
    std::cerr << "umbel up: " << fine.error().what << '\n';
    return 2;
  }
  if (!options.broker.empty()) {
    // Each program would say the same, and be started again and again.
    const umbel::SystemClock clock;
    if (const auto broker = umbel::open_broker(options.broker, clock, umbel::Log::none());
        !broker) {
      std::cerr << "umbel up: " << broker.error().what << '\n';
      return 2;
    }
  }
  options.prometheus = find_program({"prometheus"});
  options.grafana = find_program({"grafana-server"});
  if (options.prometheus.empty()) {
    std::cerr << "umbel up: no `prometheus` on the PATH; going on without it.\n";
  }
  const auto lock = umbel::VarLock::take(options.var_dir);
  if (lock.has_error()) {
    std::cerr << "umbel up: " << lock.error().what << '\n';
    return 1;
  }
  std::cout << umbel::reddit_text(options) << std::endl;
  if (!options.broker.empty()) {
    std::cout << "Broker: " << umbel::without_password(options.broker) << std::endl;
  }
  const auto plans = umbel::plan_stack(options);
  if (const auto free = umbel::Supervisor::check_ports(plans); free.has_error()) {
    std::cerr << "umbel up: " << free.error().what << '\n';
    return 1;
  }
  if (const auto prepared = umbel::prepare_stack(options); prepared.has_error()) {
    std::cerr << "umbel up: " << prepared.error().what << '\n';
    return 1;
  }
  umbel::Supervisor supervisor{plans, {.log_dir = options.var_dir / "log"}, STDOUT_FILENO};
  return supervisor.run();
}

// The broker at `url`, for `does`. One that is not there is said at once, and not made.
int with_broker(const std::string& url, const std::function<int(umbel::Broker&)>& does) {
  if (const auto path = url.substr(url.find(':') + 1);
      url.starts_with("sqlite:") && !fs::exists(path.substr(0, path.find('?')))) {
    std::cerr << "umbel: there is no broker at " << url << "; name one with --broker\n";
    return 1;
  }
  const umbel::SystemClock clock;
  // What goes wrong is the command's answer; a line of the log would say it twice.
  const auto broker = umbel::open_broker(url, clock, umbel::Log::none());
  if (!broker) {
    std::cerr << "umbel: " << broker.error().what << '\n';
    return 1;
  }
  return does(**broker);
}

// `umbel inspect|control|status`.
int ask(const std::vector<std::string>& words, const umbel::RemoteOptions& options,
        const std::string& url) {
  const auto call = umbel::remote_call(words);
  if (!call) {
    std::cerr << "umbel: " << call.error().what << '\n';
    return 2;
  }
  return with_broker(url, [&](umbel::Broker& broker) {
    return umbel::run_remote(broker, *call, options, std::cout, std::cerr);
  });
}

int forget(const std::vector<std::string>& words, const std::string& url) {
  if (words.size() != 2) {
    std::cerr << "umbel: forget takes one name, that of a collector that was retired: `umbel "
                 "forget collector`\n";
    return 2;
  }
  return with_broker(url, [&](umbel::Broker& broker) {
    return umbel::run_forget(broker, words[1], std::cout, std::cerr);
  });
}

}  // namespace

int main(int argc, char** argv) {
  umbel::block_signals();
  const fs::path self = fs::read_symlink("/proc/self/exe");
  std::string source = find_source(self.parent_path());
  std::string var = "var";
  std::string broker;
  std::int64_t port_offset = 0;
  std::int64_t workers = 2;
  umbel::RemoteOptions remote;
  std::int64_t timeout = 1000;
  std::vector<std::string> words;
  umbel::Settings settings{"umbel", "runs and inspects an Umbel stack"};
  settings.positional("up",
                      "up    start simulator, collector, workers, scheduler, Prometheus and "
                      "Grafana on this machine, and keep them running; inspect, control, status: "
                      "ask workers, as the celery commands do; forget: delete what the broker "
                      "keeps for a collector that was retired",
                      words);
  settings.add({"port-offset", "added to every port", "N", {}}, port_offset, {0, 50'000});
  settings.add({"workers", "worker processes", "N", {}}, workers, {1, 64});
  settings.add({"broker",
                "broker of the whole stack, or where inspect, control and status ask (there also "
                "CELERY_BROKER_URL); without one an embedded one below --var",
                "URL",
                {}},
               broker);
  settings.add({"destination", "inspect, control, status: node names; none: all", "A,B", {}},
               remote.destination);
  settings.add({"timeout", "inspect, control, status: milliseconds to wait for replies", "MS", {}},
               timeout, {1, 3'600'000});
  settings.add({"json", "inspect, control: replies as JSON", "", {}}, remote.json);
  settings.add({"var", "folder for data and logs", "DIR", {}}, var);
  settings.add({"source", "folder with scheduler/, prometheus/ and dashboards/", "DIR", {}},
               source);
  if (const auto done = settings.load(argc, argv)) return *done;
  const std::string first = words.empty() ? "" : words[0];
  // Of `up` that would be the Celery cluster of the environment, with a whole demonstration in it.
  std::string url = broker.empty() ? from_environment("CELERY_BROKER_URL") : broker;
  if (url.empty()) url = "sqlite:" + var + "/umbel-broker.db";
  if (first == "inspect" || first == "control" || first == "status") {
    remote.timeout = std::chrono::milliseconds{timeout};
    return ask(words, remote, url);
  }
  if (first == "forget") return forget(words, url);
  if (words != std::vector<std::string>{"up"}) {
    std::cerr << "umbel: say what to do: up, status, inspect METHOD, control METHOD, forget "
                 "NAME. See umbel --help.\n";
    return 2;
  }
  umbel::StackOptions options;
  options.bin_dir = self.parent_path();
  options.source_dir = fs::absolute(source);
  options.var_dir = fs::absolute(var);
  options.broker = broker;
  options.port_offset = static_cast<int>(port_offset);
  options.workers = static_cast<int>(workers);
  return up(std::move(options));
}
