// umbel-collector: composition only.
#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "umbel/base/text.hpp"
#include "umbel/collector/collector.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/enqueue/relay.hpp"
#include "umbel/http/message.hpp"
#include "umbel/ops/ops_server.hpp"
#include "umbel/runtime/allocator.hpp"
#include "umbel/runtime/settings.hpp"

namespace {

struct Configuration {
  umbel::CommonSettings common;
  umbel::collector::CollectorOptions collector;
  std::int64_t port = 5555;
  std::int64_t max_tasks = 100'000;
  std::int64_t max_connections = 512;
  std::int64_t inspect_timeout = 1000;  // ms
  std::string broker_api;
  std::string result_backend;
};

// The broker's URL with the management API's in it. Invalid: this broker has none.
umbel::Result<std::string> with_broker_api(const std::string& broker, const std::string& api) {
  if (api.empty()) return broker;
  if (!broker.starts_with("amqp") && !broker.starts_with("pyamqp"))
    return umbel::invalid("broker-api is for RabbitMQ, and the broker is none (amqp://…)");
  const bool has_query = broker.find('?', broker.rfind(';') + 1) != std::string::npos;
  return broker + (has_query ? "&" : "?") + "management=" + umbel::http::percent_encoded(api);
}

// Without passwords, and without options, in which others may stand.
std::string shown(const std::string& urls) {
  std::string shown;
  std::string_view rest = urls;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(';'), rest.size());
    const auto one = rest.substr(0, end);
    shown += (shown.empty() ? "" : ";") + umbel::without_password(one.substr(0, one.find('?')));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return shown;
}

std::optional<int> read(Configuration& config, int argc, char** argv) {
  umbel::Settings settings{"umbel-collector",
                           "watches tasks, keeps their history, serves the page and the API"};
  settings.add_common(config.common);
  auto& options = config.collector;
  settings.add(
      {"address", "IPv4 address to listen on; any but loopback closes the API", "ADDRESS", {}},
      options.address);
  settings.add({"unauthenticated-api",
                "leave the API open on other addresses too, to whoever reaches them",
                "",
                {"FLOWER_UNAUTHENTICATED_API"}},
               options.unauthenticated_api);
  settings.add({"port", "port of the page and the API", "PORT", {}}, config.port,
               {.least = 0, .most = 65535});
  settings.add({"max-tasks", "tasks held in memory; the history keeps all", "N", {}},
               config.max_tasks, {.least = 1000, .most = 10'000'000});
  settings.add({"max-connections", "open connections; more are answered 503", "N", {}},
               config.max_connections, {.least = 8, .most = 4000});
  settings.add({"history-days", "days of history that are kept", "DAYS", {}}, options.history_days,
               {.least = 1, .most = 36'500});
  settings.add({"enable-events",
                "ask Celery's workers to tell of their tasks; --no-enable-events: leave them alone",
                "",
                {"FLOWER_ENABLE_EVENTS"}},
               options.enable_events);
  settings.add({"inspect-timeout",
                "how long workers' answers to remote control are waited for",
                "MS",
                {"FLOWER_INSPECT_TIMEOUT"}},
               config.inspect_timeout, {.least = 10, .most = 60'000});
  settings.add(
      {"result-backend",
       "where Celery's tasks keep results, read for those whose end was not seen: redis://…",
       "URL",
       {"CELERY_RESULT_BACKEND"}},
      config.result_backend);
  settings.add({"broker-api",
                "RabbitMQ's management API, for what AMQP does not tell of queues",
                "URL",
                {"FLOWER_BROKER_API"}},
               config.broker_api);
  settings.add({"result-days", "days that results stay in the store", "DAYS", {}},
               options.result_days, {.least = 1, .most = 36'500});
  settings.add({"static-targets",
                "what Prometheus scrapes beside workers, as program=host:port",
                "LIST",
                {}},
               options.static_targets);
  settings.add({"allowed-hosts",
                "names in the Host header beside localhost and the address; * for any",
                "LIST",
                {}},
               options.allowed_hosts);
  if (const auto done = settings.load(argc, argv)) return done;
  options.port = static_cast<std::uint16_t>(config.port);
  options.max_tasks = static_cast<std::size_t>(config.max_tasks);
  options.max_connections = static_cast<std::size_t>(config.max_connections);
  options.inspect_timeout = std::chrono::milliseconds{config.inspect_timeout};
  options.version = umbel::version();
  options.broker = shown(config.common.broker);
  options.store = shown(config.common.store);
  return std::nullopt;
}

int fail(const umbel::Log& log, const umbel::Error& error) {
  log.error("cannot start", {{"error", error.what}});
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  umbel::block_signals();
  umbel::bound_allocator();
  Configuration config;
  if (const auto done = read(config, argc, argv)) return *done;
  const umbel::SystemClock clock;
  const umbel::Log log{"umbel-collector", config.common.log_level, config.common.log_format};
  const auto url = with_broker_api(config.common.broker, config.broker_api);
  if (!url) return fail(log, url.error());
  const auto broker = umbel::open_broker(*url, clock, log);
  if (!broker) return fail(log, broker.error());
  const auto store = umbel::open_store(config.common.store, clock, log);
  if (!store) return fail(log, store.error());
  const auto kept_elsewhere = umbel::open_caller_results(config.result_backend, nullptr);
  if (!kept_elsewhere) return fail(log, kept_elsewhere.error());
  config.collector.kept_elsewhere = kept_elsewhere->get();
  const auto history = umbel::open_history(config.common.store, clock, log);
  if (!history) return fail(log, history.error());
  umbel::metrics::Metrics metrics{"collector"};
  umbel::Enqueuer enqueuer{**store, **broker, clock, log, umbel::producer_name()};
  enqueuer.publish_behind();
  const umbel::Relay relay{enqueuer, log};
  umbel::collector::Collector collector{config.collector, **broker, **store, **history,
                                        enqueuer,         clock,    metrics, log};
  collector.add_routes(
      [&metrics](umbel::http::Router& router, const umbel::Readiness& ready, auto before) {
        umbel::add_ops_routes(router, metrics, ready, std::move(before));
      });
  return umbel::run_until_signal({&collector}, log);
}
