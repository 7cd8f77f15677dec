#include "umbel/ops/ops_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "umbel/http/client.hpp"

namespace umbel {
namespace {

using testing::HasSubstr;

http::ClientResponse get(const OpsServer& server, const std::string& path) {
  http::Client client;
  http::ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(server.port()) + path;
  return client.send(request).value();
}

TEST(OpsServer, AnswersMetricsHealthAndVersion) {
  const metrics::Metrics metrics{"test"};
  OpsServer server{{}, metrics, [] { return Result<void>{}; }, Log::none()};
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

TEST(OpsServer, SaysWhyItIsNotReady) {
  const metrics::Metrics metrics{"test"};
  OpsServer server{{},
                   metrics,
                   []() -> Result<void> { return unavailable("no broker at sqlite:x"); },
                   Log::none()};
  ASSERT_TRUE(server.start().has_value());

  const auto answer = get(server, "/readyz");

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "no broker at sqlite:x\n");
  EXPECT_EQ(get(server, "/healthz").status, 200);
}

}  // namespace
}  // namespace umbel
