#include "umbel/ops/ops_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "umbel/http/client.hpp"

namespace umbel {
namespace {

using testing::HasSubstr;

http::ClientResponse get(const OpsServer& server, const std::string& path,
                         const std::string& accept = "*/*") {
  http::Client client;
  http::ClientRequest request;
  request.headers = {{"Accept", accept}};
  request.url = "http://127.0.0.1:" + std::to_string(server.port()) + path;
  return client.send(request).value();
}

TEST(OpsServer, AnswersMetricsHealthAndVersion) {
  const metrics::Metrics metrics{"test"};
  const Readiness ready;
  OpsServer server{{}, metrics, ready, Log::none()};
  ASSERT_TRUE(server.start().has_value());

  const auto scraped = get(server, "/metrics");

  EXPECT_EQ(scraped.status, 200);
  EXPECT_THAT(scraped.headers.at("content-type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(scraped.body, HasSubstr("umbel_build_info{program=\"test\""));
  EXPECT_EQ(get(server, "/healthz").status, 200);
  EXPECT_EQ(get(server, "/readyz").status, 200);
  EXPECT_THAT(get(server, "/version").body, HasSubstr("\"version\": \""));
  EXPECT_EQ(get(server, "/nothing").status, 404);
}

TEST(OpsServer, SaysWhyItIsNotReadyConditionByCondition) {
  const metrics::Metrics metrics{"test"};
  Readiness ready;
  ready.set("broker", unavailable("no broker at sqlite:x"));
  ready.set("store", {});
  OpsServer server{{}, metrics, ready, Log::none()};
  ASSERT_TRUE(server.start().has_value());

  const auto answer = get(server, "/readyz");
  const auto json = get(server, "/readyz", "application/json");

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "not ready\nbroker: no broker at sqlite:x\nstore: ok\n");
  EXPECT_EQ(json.status, 503);
  EXPECT_EQ(json.body,
            R"({"ready": false, "conditions": [{"name": "broker", "ok": false, "wrong": )"
            R"("no broker at sqlite:x"}, {"name": "store", "ok": true, "wrong": null}]})");
  EXPECT_EQ(get(server, "/healthz").status, 200);
  ready.set("broker", {});
  EXPECT_EQ(get(server, "/readyz").body, "ready\nbroker: ok\nstore: ok\n");
}

TEST(OpsServer, AsksAtEachRequestAndSaysItInOneLine) {
  const metrics::Metrics metrics{"test"};
  int asked = 0;
  Readiness ready;
  ready.add("store", [&asked]() -> Result<void> {
    ++asked;
    return unavailable("not\nyet");
  });
  OpsServer server{{}, metrics, ready, Log::none()};
  ASSERT_TRUE(server.start().has_value());

  const auto answer = get(server, "/readyz");
  (void)get(server, "/readyz");

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "not ready\nstore: not yet\n");
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace umbel
