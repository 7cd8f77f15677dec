// umbel-scheduler: reads the schedule, enqueues each tick once. Composition only.
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "umbel/engines/engines.hpp"
#include "umbel/enqueue/relay.hpp"
#include "umbel/ops/ops_server.hpp"
#include "umbel/runtime/allocator.hpp"
#include "umbel/runtime/settings.hpp"
#include "umbel/scheduler/check.hpp"
#include "umbel/scheduler/schedule_publisher.hpp"
#include "umbel/scheduler/schedule_reloader.hpp"
#include "umbel/scheduler/scheduler.hpp"
#include "umbel/scheduler/tick_retention.hpp"

namespace {

using namespace umbel;

struct Config {
  CommonSettings common;
  std::string schedule = "scheduler/schedule.yaml";
  std::int64_t metrics_port = 9201;
  std::string metrics_address = "127.0.0.1";
  std::vector<std::string> allowed_hosts;
  std::string keep_ticks = "30d";
  std::vector<std::string> words;
};

int refused(const Error& error) {
  std::fprintf(stderr, "%s\n", error.what.c_str());
  return 2;
}

int check(const std::vector<std::string>& words) {
  if (words.size() != 2 || words.front() != "check") {
    std::fputs("umbel-scheduler: the only command is: check FILE\n", stderr);
    return 2;
  }
  const auto entries = load_schedule(words.back());
  if (!entries) return refused(entries.error());
  std::fputs(describe_schedule(*entries, SystemClock{}.wall()).c_str(), stdout);
  return 0;
}

int run(const Config& config) {
  const Log log{"umbel-scheduler", config.common.log_level, config.common.log_format};
  const auto failed = [&](std::string_view what, const Error& error) {
    log.error(what, {{"why", error.what}});
    return 1;
  };
  const auto keep = Interval::parse(config.keep_ticks);
  if (!keep) return refused(invalid("--keep-ticks: " + keep.error().what));
  // Before anything is opened: whoever mistyped wants to know at once.
  if (const auto entries = load_schedule(config.schedule); !entries) {
    return refused(entries.error());
  }

  const SystemClock clock;
  const auto broker = open_broker(config.common.broker, clock, log);
  if (!broker) return failed("broker cannot be opened", broker.error());
  const auto store = open_store(config.common.store, clock, log);
  if (!store) return failed("store cannot be opened", store.error());

  metrics::Metrics metrics{"umbel-scheduler"};
  Enqueuer enqueuer{**store, **broker, clock, log, producer_name()};
  Ticker ticker{submit_through(enqueuer), (*store)->ticks(), clock, metrics, log, [&] {
                  return (*store)->schedules().pauses();
                }};
  Scheduler scheduler{ticker, log};
  SchedulePublisher publisher{(*store)->schedules(), producer_name(), clock, log};
  Readiness ready;
  ready.add("store", [&] { return (*store)->ping(); });
  ready.add("broker", [&] { return (*broker)->ping(); });
  ScheduleReloader reloader{ScheduleSource{config.schedule},
                            [&](std::vector<ScheduleEntry> entries) {
                              publisher.put(entries);
                              scheduler.replace(std::move(entries));
                            },
                            TaskNames{(*store)->catalogue(), clock, log},
                            ready,
                            (*store)->shared(),
                            clock,
                            metrics,
                            log};
  if (const auto loaded = reloader.load(); !loaded) return refused(loaded.error());
  TickRetention retention{
      (*store)->ticks(), (*store)->leases(), producer_name(), keep->every(), clock, metrics, log};
  const Relay relay{enqueuer, log};
  http::ServerOptions address;
  address.address = config.metrics_address;
  address.port = static_cast<std::uint16_t>(config.metrics_port);
  address.allowed_hosts = config.allowed_hosts;
  address.allowed_hosts.push_back(host_name());
  OpsServer ops{address, metrics, ready, log};
  return run_until_signal({&ops, &scheduler, &publisher, &reloader, &retention}, log, [&] {
    log.info("told to read the schedule's file again");
    reloader.reload();
  });
}

}  // namespace

int main(int argc, char** argv) {
  block_signals();
  bound_allocator();
  Config config;
  Settings settings{"umbel-scheduler",
                    "enqueues tasks when they are due; `check FILE` shows what a schedule will do"};
  settings.add_common(config.common);
  settings.add({"schedule", "the file that says what runs when", "FILE", {}}, config.schedule);
  settings.add({"metrics-port", "port of /metrics, /healthz, /readyz; 0: any", "PORT", {}},
               config.metrics_port, {.least = 0, .most = 65535});
  settings.add({"metrics-address", "address of /metrics", "ADDRESS", {}}, config.metrics_address);
  settings.add({"allowed-hosts",
                "names in the Host header beside localhost, the address and this machine's name",
                "LIST",
                {}},
               config.allowed_hosts);
  settings.add({"keep-ticks", "how long the ledger remembers ticks: 30d, 12h", "DURATION", {}},
               config.keep_ticks);
  settings.positional("command", "`check FILE`: print the next five runs of each entry",
                      config.words);
  if (const auto done = settings.load(argc, argv)) return *done;
  return config.words.empty() ? run(config) : check(config.words);
}
