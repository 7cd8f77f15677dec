#include "umbel/ops/ops_server.hpp"

#include <fmt/format.h>

#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/runtime/settings.hpp"

namespace umbel {
namespace {

http::Router ops_router(const metrics::Metrics& metrics, Readiness ready) {
  http::Router router;
  add_ops_routes(router, metrics, std::move(ready));
  return router;
}

}  // namespace

void add_ops_routes(http::Router& router, const metrics::Metrics& metrics, Readiness ready,
                    std::function<void()> before_metrics) {
  router.add(
      "GET", "/metrics", [&metrics, before = std::move(before_metrics)](const http::Request&) {
        if (before) before();
        return http::Response{200, "text/plain; version=0.0.4; charset=utf-8", metrics.text(), {}};
      });
  router.add("GET", "/healthz", [](const http::Request&) {
    return http::Response{200, "text/plain; charset=utf-8", "ok\n", {}};
  });
  router.add("GET", "/readyz", [check = std::move(ready)](const http::Request&) {
    const auto answer = check();
    if (answer.has_value()) return http::Response{200, "text/plain; charset=utf-8", "ready\n", {}};
    return http::Response{503, "text/plain; charset=utf-8", answer.error().what + "\n", {}};
  });
  router.add("GET", "/version", [](const http::Request&) {
    return http::json_response(fmt::format(R"({{"version": {}}})", json_quoted(version())));
  });
}

OpsServer::OpsServer(http::ServerOptions options, const metrics::Metrics& metrics, Readiness ready,
                     Log log)
    : server_{std::move(options), ops_router(metrics, std::move(ready)), {}, std::move(log)} {}

Result<void> OpsServer::start() { return server_.start(); }

void OpsServer::stop() { server_.stop(); }

}  // namespace umbel
