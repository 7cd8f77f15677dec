// A whole collector over engines of its own, asked over HTTP as a page would.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>

#include "test_engines.hpp"
#include "umbel/collector/collector.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/http/client.hpp"

namespace umbel::collector {

class CollectorSession : public ::testing::Test {
 protected:
  void start(CollectorOptions options = {}) {
    collector.reset();
    options.port = 0;
    options.max_connections = 16;
    options.version = "0.1.0";
    metrics = std::make_unique<metrics::Metrics>("collector");
    collector = std::make_unique<Collector>(std::move(options), *engines.broker, *engines.store,
                                            *engines.history, enqueuer, engines.clock, *metrics,
                                            Log::none());
    const auto begun = collector->start();
    ASSERT_TRUE(begun.has_value()) << begun.error().what;
  }
  void TearDown() override { collector.reset(); }

  http::ClientResponse ask(const std::string& path, const std::string& method = "GET",
                           const std::string& body = "") {
    http::ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(collector->port()) + path;
    request.body = body;
    auto response = client.send(request);
    if (!response) throw std::runtime_error{response.error().what};
    return *response;
  }
  boost::json::value ask_json(const std::string& path) {
    return boost::json::parse(ask(path).body);
  }
  WallTime now() { return engines.clock.wall(); }

  TestEngines engines;
  Enqueuer enqueuer{*engines.store, *engines.broker, engines.clock, Log::none(), "gen1@host"};
  http::Client client;
  std::unique_ptr<metrics::Metrics> metrics;
  std::unique_ptr<Collector> collector;
};

}  // namespace umbel::collector
