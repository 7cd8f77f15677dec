#include "umbel/collector/collector.hpp"

#include <utility>

#include "actions.hpp"
#include "api.hpp"
#include "control_client.hpp"
#include "control_routes.hpp"
#include "figure_routes.hpp"
#include "figures.hpp"
#include "gauges.hpp"
#include "inspector.hpp"
#include "intake.hpp"
#include "kept_elsewhere.hpp"
#include "live.hpp"
#include "live_stream.hpp"
#include "page_routes.hpp"
#include "repair.hpp"
#include "schedule_api.hpp"
#include "search_routes.hpp"
#include "store_keeper.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

// Pages know numbers that the history was not told of yet: at most ten a second since the last
// flush.
constexpr std::uint64_t kUntoldNumbers = 10'000;

bool is_loopback(const std::string& address) { return address.starts_with("127."); }

}  // namespace

struct Collector::Impl {
  Impl(CollectorOptions given, Broker& the_broker, Store& the_store, History& the_history,
       Enqueuer& the_enqueuer, const Clock& the_clock, metrics::Metrics& the_metrics, Log the_log)
      : options{std::move(given)},
        broker{the_broker},
        store{the_store},
        history{the_history},
        enqueuer{the_enqueuer},
        clock{the_clock},
        metrics{the_metrics},
        log{the_log},
        live{options.max_tasks, clock.wall(), &clock},
        stream{live, clock, metrics, {}},
        gauges{live, stream, clock, metrics},
        intake{broker,
               store.results(),
               history,
               live,
               clock,
               metrics,
               log,
               intake_options(options),
               [this] { return stream.sequence(); }},
        control{broker, clock, metrics, log, {.limit = options.inspect_timeout}},
        repair{control,
               live,
               store.results(),
               [this](const TaskId& id) { return find_elsewhere(options.kept_elsewhere, id); },
               clock,
               log,
               [this](std::vector<TaskEvent> events) { intake.tell(std::move(events)); }},
        inspector{control,
                  inspections,
                  live,
                  repair,
                  clock,
                  log,
                  {.enable_events = options.enable_events}},
        figures{broker, store, history, live, clock, log, figures_options(options)},
        keeper{store, clock, metrics, log, std::chrono::hours{24 * options.result_days}} {}

  static IntakeOptions intake_options(const CollectorOptions& options) {
    IntakeOptions made;
    made.subscriber = options.subscriber;
    made.most_tasks = options.max_tasks;
    return made;
  }
  static FiguresOptions figures_options(const CollectorOptions& options) {
    FiguresOptions made;
    made.keep_history = std::chrono::hours{24 * options.history_days};
    return made;
  }

  void add_conditions() {
    ready.add("broker", [this] { return broker.ping(); });
    ready.add("store", [this] { return store.ping(); });
    ready.add("events", [this] { return intake.ready(); });
  }

  [[nodiscard]] Result<void> open_server() {
    auto targets = static_targets(options.static_targets);
    if (!targets) return targets.error();
    const bool reachable = !is_loopback(options.address);
    const bool closed = reachable && !options.unauthenticated_api;
    if (reachable && !closed) {
      log.warn(
          "the API is open without authentication: whoever reaches this address can read every "
          "task and run new ones",
          {{"address", options.address}});
    }
    if (closed) {
      log.warn(
          "reachable from other machines without authentication: everything under /api and every "
          "POST answer 401",
          {{"address", options.address}});
    }
    http::Router router;
    const ApiParts parts{live,
                         broker,
                         control,
                         inspections,
                         inspector,
                         stream,
                         store,
                         history,
                         enqueuer,
                         clock,
                         metrics.counter(metrics::kTasksAccepted),
                         log,
                         std::move(*targets),
                         embedded_assets(),
                         closed};
    add_api_routes(router, parts);
    add_figure_routes(router, parts,
                      {live, stream, history, metrics, clock, clock.steady(), options.version,
                       options.broker, options.store, options.max_tasks, options.history_days});
    add_search_routes(router, parts);
    add_action_routes(router, parts);
    add_control_routes(router, parts);
    add_schedule_routes(router, parts);
    add_page_routes(router, parts.assets);
    if (more_routes) {
      more_routes(router, ready, [this] {
        gauges.update();
        if (server) {
          metrics.gauge(metrics::kHttpConnections).Set(static_cast<double>(server->connections()));
        }
      });
    }
    http::WebSocketRoute socket = stream.route("/api/live");
    socket.refuse = [closed](const http::Request&) { return refuse_if_closed(closed); };
    http::ServerOptions server_options;
    server_options.address = options.address;
    server_options.port = options.port;
    server_options.max_connections = options.max_connections;
    server_options.allowed_hosts = options.allowed_hosts;
    // Looked up once: an answer must not cost a search by label.
    const auto answers = [this](const char* status) {
      return &metrics.counter(metrics::kHttpRequests, {status});
    };
    server_options.on_response = [this, ok = answers("2xx"), wrong = answers("4xx"),
                                  failed = answers("5xx")](int status) {
      switch (status / 100) {
        case 2:
          return ok->Increment();
        case 4:
          return wrong->Increment();
        case 5:
          return failed->Increment();
        default:
          metrics.counter(metrics::kHttpRequests, {std::to_string(status / 100) + "xx"})
              .Increment();
      }
    };
    for (const auto why : {http::Turned::Full, http::Turned::Slow, http::Turned::Malformed})
      (void)metrics.counter(metrics::kHttpTurned, {http::to_text(why)});
    server_options.on_turned = [this](http::Turned why) {
      metrics.counter(metrics::kHttpTurned, {http::to_text(why)}).Increment();
    };
    server = std::make_unique<http::Server>(std::move(server_options), std::move(router),
                                            std::vector{std::move(socket)}, log);
    return server->start();
  }

  [[nodiscard]] Result<void> start() {
    add_conditions();
    if (auto loaded = intake.load(); !loaded) {
      return Error{loaded.error().code, "the history cannot be read: " + loaded.error().what};
    }
    const std::uint64_t kept = intake.kept_push_sequence();
    stream.start(kept == 0 ? 0 : kept + kUntoldNumbers,
                 {.version = options.version, .since = intake.since()});
    control.start();
    if (auto opened = open_server(); !opened) {
      control.stop();
      stream.stop();
      server.reset();
      return opened;
    }
    intake.start();
    inspector.start();
    figures.start();
    keeper.start();
    log.info("collector started", {{"address", options.address}, {"port", server->port()}});
    return {};
  }

  void stop() {
    if (server) server->stop();
    keeper.stop();
    figures.stop();
    control.stop();
    inspector.stop();
    intake.stop();
    stream.stop();
  }

  const CollectorOptions options;
  Broker& broker;
  Store& store;
  History& history;
  Enqueuer& enqueuer;
  const Clock& clock;
  metrics::Metrics& metrics;
  Log log;
  AddRoutes more_routes;
  Readiness ready;
  Live live;
  LiveStream stream;
  Gauges gauges;
  Intake intake;
  ControlClient control;
  Inspections inspections;
  Repair repair;
  Inspector inspector;
  Figures figures;
  StoreKeeper keeper;
  std::unique_ptr<http::Server> server;
};

Collector::Collector(CollectorOptions options, Broker& broker, Store& store, History& history,
                     Enqueuer& enqueuer, const Clock& clock, metrics::Metrics& metrics, Log log)
    : impl_{std::make_unique<Impl>(std::move(options), broker, store, history, enqueuer, clock,
                                   metrics, std::move(log))} {}

Collector::~Collector() { stop(); }

void Collector::add_routes(AddRoutes add) { impl_->more_routes = std::move(add); }
Result<void> Collector::start() { return impl_->start(); }
void Collector::stop() { impl_->stop(); }
std::uint16_t Collector::port() const {
  return impl_->server ? impl_->server->port() : std::uint16_t{0};
}

}  // namespace umbel::collector
