// umbel-worker: takes tasks from queues and runs them. Composition only.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/ops/ops_server.hpp"
#include "umbel/runtime/allocator.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/runtime/settings.hpp"
#include "umbel/tasks_demo/demo_tasks.hpp"
#include "umbel/tasks_reddit/reddit_tasks.hpp"
#include "umbel/worker/prefork.hpp"
#include "umbel/worker/worker.hpp"

namespace umbel {
namespace {

struct Config {
  CommonSettings common;
  std::vector<std::string> queues;
  std::string default_queue = "celery";
  std::int64_t concurrency = 2, prefetch_multiplier = 4;
  std::string hostname = "worker@%h";
  std::string pool = "threads";
  std::int64_t metrics_port = 9101;
  std::string metrics_address = "127.0.0.1";
  std::vector<std::string> allowed_hosts;
  std::int64_t max_tasks_per_child = 0, max_memory_per_child = 0;
  std::int64_t time_limit = 0, soft_time_limit = 0, stuck_after = 30, stop_timeout = 8;  // seconds
  bool log_tasks = false, no_events = false;
  std::string autoscale, statedb;
  bool without_mingle = false, without_gossip = false, pool_restarts = false;
  std::string result_backend;
  std::int64_t result_patience = 30;  // seconds
  bool track_started = false;
  std::string touch_dir;
  RedditOptions reddit;
  std::string reddit_source = "api";
  std::int64_t reddit_timeout = 15;
};

// `10,3`, or `10` for `10,0`.
std::optional<std::pair<std::size_t, std::size_t>> autoscale_of(const std::string& text) {
  std::size_t most = 0, least = 0;
  const char* const end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, most);
  if (read.ec == std::errc{} && read.ptr != end && *read.ptr == ',') {
    read = std::from_chars(read.ptr + 1, end, least);
  }
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  if (most < 1 || most > 512 || least > most) return std::nullopt;
  return std::pair{most, least};
}

std::optional<int> load(Config& config, int argc, char** argv) {
  Settings settings{"umbel-worker", "takes tasks from queues and runs them"};
  settings.add_common(config.common);
  settings.add({"queues", "queues to consume; none: all that the tasks here name", "A,B", {}},
               config.queues);
  settings.add({"default-queue",
                "where tasks go that others name without a queue and nobody has registered",
                "NAME",
                {}},
               config.default_queue);
  settings.add({"concurrency", "tasks that run at the same time", "N", {}}, config.concurrency,
               {1, 512});
  settings.add({"prefetch-multiplier", "messages held for each thread", "N", {}},
               config.prefetch_multiplier, {1, 1000});
  settings.add({"hostname", "node name; %h is this machine's name", "NAME", {}}, config.hostname);
  settings.add_choice({"pool", "how tasks are run", "KIND", {}}, config.pool,
                      {"threads", "prefork"});
  settings.add({"max-tasks-per-child",
                "tasks after which a process of --pool=prefork is replaced; 0: never",
                "N",
                {}},
               config.max_tasks_per_child, {0, 1'000'000'000});
  settings.add({"max-memory-per-child",
                "resident memory above which it is replaced, looked at after each task; 0: any",
                "KIB",
                {}},
               config.max_memory_per_child, {0, 1'000'000'000'000});
  settings.add({"time-limit",
                "when a process of --pool=prefork is killed with its task, if the task has no "
                "time limit of its own; 0: never",
                "SECONDS",
                {}},
               config.time_limit, {0, 1'000'000});
  settings.add({"metrics-port", "port of /metrics; 0: any free one", "PORT", {}},
               config.metrics_port, {0, 65535});
  settings.add({"metrics-address", "address to serve /metrics on", "ADDRESS", {}},
               config.metrics_address);
  settings.add({"allowed-hosts",
                "names in the Host header beside localhost, the address and this machine's name",
                "LIST",
                {}},
               config.allowed_hosts);
  settings.add({"soft-time-limit",
                "when tasks without a soft time limit are told to stop and fail; 0: never",
                "SECONDS",
                {}},
               config.soft_time_limit, {0, 1'000'000});
  settings.add({"stuck-after",
                "how long after its soft time limit a task that has not returned is given up",
                "SECONDS",
                {}},
               config.stuck_after, {1, 1'000'000});
  settings.add({"stop-timeout",
                "when the stop hands back what still runs; it is told to stop after 3/4 of this",
                "SECONDS",
                {}},
               config.stop_timeout, {1, 86'400});
  settings.add({"result-backend",
                "where callers read results beside the store: redis://…, rpc:// (the queue that "
                "came with the message), none; empty: rpc://",
                "URL",
                {"CELERY_RESULT_BACKEND"}},
               config.result_backend);
  settings.add({"result-patience",
                "how long messages stay unacknowledged because the result backend does not answer",
                "SECONDS",
                {}},
               config.result_patience, {0, 86'400});
  settings.add({"track-started", "callers are told when a task starts", "", {}},
               config.track_started);
  settings.add({"autoscale",
                "most and least tasks at the same time; the pool follows the load",
                "MAX,MIN",
                {}},
               config.autoscale);
  settings.add({"statedb", "file that keeps what is revoked over a restart", "FILE", {}},
               config.statedb);
  settings.add({"without-mingle", "do not ask other workers what is revoked at the start", "", {}},
               config.without_mingle);
  settings.add({"without-gossip", "take no part in the elections of Celery's workers", "", {}},
               config.without_gossip);
  settings.add({"pool-restarts", "let remote control restart the pool", "", {}},
               config.pool_restarts);
  settings.add({"log-tasks", "a log line for each task received and ended", "", {}},
               config.log_tasks);
  settings.add({"no-events", "send no task events; heartbeats are sent all the same", "", {}},
               config.no_events);
  settings.add(
      {"touch-dir", "folder that the demo task touch writes to; none: no such task", "DIR", {}},
      config.touch_dir);
  auto& reddit = config.reddit;
  settings.add({"reddit-token-url", "where Reddit gives out access tokens", "URL", {}},
               reddit.token_url);
  settings.add({"reddit-api-url", "Reddit's API", "URL", {}}, reddit.api_url);
  settings.add({"reddit-client-id", "the application's id at Reddit", "ID", {"REDDIT_CLIENT_ID"}},
               reddit.client_id);
  settings.add({"reddit-client-secret",
                "its secret; better given in the environment",
                "SECRET",
                {"REDDIT_CLIENT_SECRET"}},
               reddit.client_secret);
  settings.add({"reddit-source",
                "api: with a token; scrape: the public pages, without one",
                "SOURCE",
                {"REDDIT_SOURCE"}},
               config.reddit_source);
  settings.add(
      {"reddit-public-url", "Reddit's public pages, for --reddit-source=scrape", "URL", {}},
      reddit.public_url);
  settings.add({"reddit-user-agent",
                "who we say we are; empty: Umbel and its version",
                "TEXT",
                {"REDDIT_USER_AGENT"}},
               reddit.user_agent);
  settings.add({"reddit-timeout", "seconds for each request to Reddit", "S", {}},
               config.reddit_timeout, {1, 300});
  settings.add({"reddit-simulated", "the API is a simulator; stored with what it answers", "", {}},
               reddit.simulated);
  if (const auto done = settings.load(argc, argv)) return done;
  reddit.timeout = std::chrono::seconds{config.reddit_timeout};
  if (config.reddit_source == "scrape") {
    reddit.source = RedditSource::Scrape;
  } else if (config.reddit_source != "api") {
    std::fprintf(stderr, "umbel-worker: --reddit-source: `%s` is not one of api, scrape\n",
                 config.reddit_source.c_str());
    return 2;
  }
  if (!config.autoscale.empty() && !autoscale_of(config.autoscale)) {
    std::fprintf(stderr,
                 "umbel-worker: --autoscale: `%s` is not MAX,MIN, with MAX from 1 to 512 and MIN "
                 "from 0 to MAX\n",
                 config.autoscale.c_str());
    return 2;
  }
  if (config.pool == "threads") {
    for (const auto& [name, value] : {std::pair{"time-limit", config.time_limit},
                                      {"max-tasks-per-child", config.max_tasks_per_child},
                                      {"max-memory-per-child", config.max_memory_per_child}}) {
      if (value == 0) continue;
      std::fprintf(stderr, "umbel-worker: --%s needs --pool=prefork\n", name);
      return 2;
    }
  }
  return std::nullopt;
}

WorkerName node_name(std::string name) {
  const auto host = host_name();
  if (const auto at = name.find("%h"); at != std::string::npos) name.replace(at, 2, host);
  if (name.find('@') == std::string::npos) name += "@" + host;
  return WorkerName{name};
}

WorkerOptions worker_options(const Config& config, std::uint16_t metrics_port) {
  WorkerOptions options;
  options.name = node_name(config.hostname);
  for (const auto& queue : config.queues) options.queues.emplace_back(queue);
  options.concurrency = static_cast<std::size_t>(config.concurrency);
  options.prefetch_multiplier = static_cast<std::size_t>(config.prefetch_multiplier);
  // An address that means "all" cannot be dialled: monitors get this machine's name instead.
  const auto& address = config.metrics_address;
  options.metrics_address =
      (address == "0.0.0.0" ? host_name() : address) + ":" + std::to_string(metrics_port);
  if (config.soft_time_limit > 0) {
    options.soft_time_limit = static_cast<double>(config.soft_time_limit);
  }
  if (config.time_limit > 0) options.time_limit = static_cast<double>(config.time_limit);
  if (config.pool == "prefork") options.pool = PoolKind::Prefork;
  options.max_tasks_per_child = static_cast<std::uint64_t>(config.max_tasks_per_child);
  options.max_memory_per_child = static_cast<std::uint64_t>(config.max_memory_per_child);
  options.stuck_after = std::chrono::seconds{config.stuck_after};
  options.stop_hard = std::chrono::seconds{config.stop_timeout};
  options.stop_soft = options.stop_hard * 3 / 4;
  options.callers_patience = std::chrono::seconds{config.result_patience};
  options.track_started = config.track_started;
  options.log_tasks = config.log_tasks;
  options.events = !config.no_events;
  options.default_queue = QueueName{config.default_queue};
  if (!config.autoscale.empty()) options.autoscale = autoscale_of(config.autoscale);
  options.state_file = config.statedb;
  options.pool_restarts = config.pool_restarts;
  options.mingle = !config.without_mingle;
  // On one machine the store's revocations hold from the first message on: no need to wait.
  options.mingle_first = !config.common.broker.starts_with("sqlite:");
  options.gossip = !config.without_gossip;
  options.broker_url = config.common.broker;
  options.result_backend = config.result_backend;
  options.shut_down = request_stop;
  return options;
}

int fail(const Log& log, const char* what, const Error& error) {
  log.error(what, {{"reason", error.what}});
  return 1;
}

void add_tasks(TaskRegistry& tasks, const Config& config, Store& store) {
  DemoTaskOptions demo;
  if (!config.touch_dir.empty()) demo.touch_dir = config.touch_dir;
  add_demo_tasks(tasks, demo);
  add_reddit_tasks(tasks, config.reddit, store);
}

// A task process of --pool=prefork. Reddit's tasks keep what they fetch, so it opens the store.
int serve(const Config& config, ChildRole child) {
  const Log log{"umbel-worker", config.common.log_level, config.common.log_format};
  const SystemClock clock;
  metrics::Metrics metrics{"umbel-worker"};
  auto store = open_store(config.common.store, clock, log);
  if (!store) return child.unable(store.error());
  TaskRegistry tasks;
  add_tasks(tasks, config, **store);
  return child.serve(tasks, clock, metrics, log);
}

int run(const Config& config, std::vector<std::string> child_command) {
  const Log log{"umbel-worker", config.common.log_level, config.common.log_format};
  const SystemClock clock;
  metrics::Metrics metrics{"umbel-worker"};
  auto store = open_store(config.common.store, clock, log);
  if (!store) return fail(log, "cannot open the store", store.error());
  auto broker = open_broker(config.common.broker, clock, log);
  if (!broker) return fail(log, "cannot open the broker", broker.error());
  const auto callers = open_caller_results(config.result_backend, broker->get());
  if (!callers) return fail(log, "cannot open the result backend", callers.error());

  TaskRegistry tasks;
  add_tasks(tasks, config, **store);
  init_reddit_metrics(metrics, config.reddit.source);

  Readiness ready;
  for (const auto* name : {"broker", "store", "slots"}) {
    ready.set(name, unavailable("the worker has not started"));
  }
  http::ServerOptions http;
  http.address = config.metrics_address;
  http.port = static_cast<std::uint16_t>(config.metrics_port);
  http.allowed_hosts = config.allowed_hosts;
  http.allowed_hosts.push_back(host_name());  // which it goes by at the collector
  OpsServer ops{http, metrics, ready, log};
  // Before the worker, whose heartbeats tell the port that was bound.
  if (const auto served = ops.start(); !served) {
    return fail(log, "cannot serve /metrics", served.error());
  }
  auto options = worker_options(config, ops.port());
  options.child_command = std::move(child_command);
  options.callers = callers->get();
  Worker worker{std::move(options), tasks, **broker, **store, clock, metrics, log};
  worker.add_conditions(ready);
  const int status = run_until_signal({&worker}, log);
  if (const auto stuck = worker.stuck(); stuck > 0) {
    log.error("task functions did not return when told to stop; ending without them",
              {{"tasks", stuck}});
    std::_Exit(status == 0 ? 1 : status);
  }
  ops.stop();
  return status;
}

}  // namespace
}  // namespace umbel

int main(int argc, char** argv) {
  const auto child = umbel::ChildRole::take(argc, argv);
  if (!child) umbel::block_signals();
  umbel::bound_allocator();
  umbel::Config config;
  if (const auto done = umbel::load(config, argc, argv)) return *done;
  if (child) return umbel::serve(config, *child);
  return umbel::run(config, umbel::own_command(argc, argv));
}
