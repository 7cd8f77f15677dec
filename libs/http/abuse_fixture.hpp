// A server with short patience, for tests of what it does with clients that mean no good.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "umbel/http/server.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/raw_connection.hpp"

namespace umbel::http {

using std::chrono::milliseconds;
using testing::eventually;
using testing::RawConnection;
using testing::upgrade;

inline constexpr std::string_view kGet = "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n";

inline Router routes() {
  Router router;
  router.add("GET", "/echo", [](const Request&) { return json_response("{}"); });
  router.add("POST", "/echo", [](const Request& request) {
    Response response;
    response.body = request.body;
    return response;
  });
  router.add("GET", "/part/<name>", [](const Request& request) {
    Response response;
    response.body = request.parameters.at("name");
    return response;
  });
  router.add("GET", "/large", [](const Request&) {
    Response response;
    response.body.assign(32 * 1024 * 1024, 'x');
    return response;
  });
  return router;
}

inline ServerOptions hasty() {
  ServerOptions options;
  options.max_connections = 8;
  options.max_body = 4096;
  options.times.head = milliseconds{700};
  options.times.transfer = milliseconds{700};
  options.times.refused = milliseconds{700};
  options.times.slowest = 1024 * 1024 * 1024;
  return options;
}

class Abuse : public ::testing::Test {
 protected:
  void start(ServerOptions options, std::vector<WebSocketRoute> sockets = {}) {
    options.on_turned = [this](Turned why) {
      if (why == Turned::Slow) ++slow;
      if (why == Turned::Full) ++full;
      if (why == Turned::Malformed) ++malformed;
    };
    server =
        std::make_unique<Server>(std::move(options), routes(), std::move(sockets), Log::none());
    const auto started = server->start();
    ASSERT_TRUE(started.has_value()) << started.error().what;
  }
  void TearDown() override { server.reset(); }
  [[nodiscard]] bool lives() const {
    RawConnection client{server->port()};
    return client.ask(kGet).starts_with("HTTP/1.1 200 ");
  }

  std::atomic<int> slow{0}, full{0}, malformed{0};
  std::unique_ptr<Server> server;
};

}  // namespace umbel::http
