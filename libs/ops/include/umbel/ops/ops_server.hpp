// What an operator's tools ask of every program: /metrics, /healthz, /readyz, /version.
#pragma once

#include <functional>

#include "umbel/base/log.hpp"
#include "umbel/http/router.hpp"
#include "umbel/http/server.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/runtime/readiness.hpp"
#include "umbel/runtime/service.hpp"

namespace umbel {

// Adds the four routes to a router. /healthz says that the process answers; /readyz that it can do
// its work: 200 or 503, with every condition and what is wrong with it, as text or, to who accepts
// application/json, as JSON. `before_metrics`, if given, runs before each scrape to bring gauges up
// to date. References outlive the router.
void add_ops_routes(http::Router& router, const metrics::Metrics& metrics, const Readiness& ready,
                    std::function<void()> before_metrics = {});

// A server of its own for programs without one (worker, scheduler), for 32 connections at most.
class OpsServer final : public Service {
 public:
  // References outlive the server.
  OpsServer(http::ServerOptions options, const metrics::Metrics& metrics, const Readiness& ready,
            Log log);
  [[nodiscard]] Result<void> start() override;
  void stop() override;
  [[nodiscard]] std::uint16_t port() const { return server_.port(); }

 private:
  http::Server server_;
};

}  // namespace umbel
