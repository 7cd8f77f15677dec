#include "umbel/ops/ops_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/runtime/settings.hpp"

namespace umbel {
namespace {

http::Router ops_router(const metrics::Metrics& metrics, const Readiness& ready) {
  http::Router router;
  add_ops_routes(router, metrics, ready);
  return router;
}

bool all_hold(const std::vector<Readiness::Condition>& conditions) {
  return std::all_of(conditions.begin(), conditions.end(),
                     [](const auto& each) { return each.holds(); });
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 32; }, ' ');
  return text;
}

std::string as_text(const std::vector<Readiness::Condition>& conditions) {
  std::string text = all_hold(conditions) ? "ready\n" : "not ready\n";
  for (const auto& each : conditions) {
    text += fmt::format("{}: {}\n", each.name, each.holds() ? "ok" : one_line(each.wrong));
  }
  return text;
}

std::string as_json(const std::vector<Readiness::Condition>& conditions) {
  std::string list;
  for (const auto& each : conditions) {
    if (!list.empty()) list += ", ";
    list += fmt::format(R"({{"name": {}, "ok": {}, "wrong": {}}})", json_quoted(each.name),
                        each.holds(), each.holds() ? "null" : json_quoted(each.wrong));
  }
  return fmt::format(R"({{"ready": {}, "conditions": [{}]}})", all_hold(conditions), list);
}

http::Response readiness(const std::vector<Readiness::Condition>& conditions,
                         const http::Request& request) {
  const int status = all_hold(conditions) ? 200 : 503;
  if (request.header("accept").find("application/json") != std::string::npos) {
    return http::json_response(as_json(conditions), status);
  }
  return {status, "text/plain; charset=utf-8", as_text(conditions), {}};
}

// Prometheus, a health check and a few people: not hundreds, each of whom would have a thread.
http::ServerOptions for_operators(http::ServerOptions options) {
  options.max_connections = std::min<std::size_t>(options.max_connections, 32);
  return options;
}

}  // namespace

void add_ops_routes(http::Router& router, const metrics::Metrics& metrics, const Readiness& ready,
                    std::function<void()> before_metrics) {
  router.add(
      "GET", "/metrics", [&metrics, before = std::move(before_metrics)](const http::Request&) {
        if (before) before();
        return http::Response{200, "text/plain; version=0.0.4; charset=utf-8", metrics.text(), {}};
      });
  router.add("GET", "/healthz", [](const http::Request&) {
    return http::Response{200, "text/plain; charset=utf-8", "ok\n", {}};
  });
  router.add("GET", "/readyz", [&ready](const http::Request& request) {
    return readiness(ready.conditions(), request);
  });
  router.add("GET", "/version", [](const http::Request&) {
    return http::json_response(fmt::format(R"({{"version": {}}})", json_quoted(version())));
  });
}

OpsServer::OpsServer(http::ServerOptions options, const metrics::Metrics& metrics,
                     const Readiness& ready, Log log)
    : server_{for_operators(std::move(options)), ops_router(metrics, ready), {}, std::move(log)} {}

Result<void> OpsServer::start() { return server_.start(); }

void OpsServer::stop() { server_.stop(); }

}  // namespace umbel
