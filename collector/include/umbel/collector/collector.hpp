// The collector: takes in what workers and producers say, keeps what is now and what was, and shows
// it to people and to programs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/history/history.hpp"
#include "umbel/http/router.hpp"
#include "umbel/http/server.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/results/caller_results.hpp"
#include "umbel/runtime/readiness.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/store/store.hpp"

namespace umbel::collector {

struct CollectorOptions {
  std::string address =
      "127.0.0.1";  // IPv4. Anything but loopback closes the API: there is no authentication yet
  bool unauthenticated_api = false;  // leaves it open there too, to whoever reaches the port
  std::uint16_t port = 5555;         // 0: any free one
  std::size_t max_connections = 512;
  std::size_t max_tasks = 100'000;  // held in memory; the history keeps all
  std::int64_t history_days = 30;
  std::int64_t result_days = 30;  // results and sightings in the store; then an id is unknown
  std::vector<std::string>
      static_targets;  // `program=host:port`, for Prometheus beside the workers
  std::vector<std::string> allowed_hosts;
  bool enable_events = true;  // Celery's workers are asked to tell of their tasks
  std::chrono::milliseconds inspect_timeout{1000};  // how long workers' answers are waited for
  // Where Celery's tasks keep results: read for tasks whose end was not seen. Outlives the
  // collector; null: nowhere.
  CallerResults* kept_elsewhere = nullptr;
  std::string subscriber = "collector";  // the place in the event stream
  std::string version;
  std::string broker, store;  // the engines' URLs as they may be shown, without a password
};

class Collector final : public Service {
 public:
  // References outlive the Collector. start() refuses options that are wrong, a history that cannot
  // be read, and a taken port.
  Collector(CollectorOptions options, Broker& broker, Store& store, History& history,
            Enqueuer& enqueuer, const Clock& clock, metrics::Metrics& metrics, Log log);
  ~Collector() override;

  // Routes of every program (see libs/ops), added before start(). `before` runs ahead of each
  // scrape.
  using AddRoutes =
      std::function<void(http::Router&, const Readiness& ready, std::function<void()> before)>;
  void add_routes(AddRoutes add);

  [[nodiscard]] Result<void> start() override;
  void stop() override;
  [[nodiscard]] std::uint16_t port() const;  // the one bound

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace umbel::collector
