#include "umbel/http/client.hpp"

#include <gtest/gtest.h>

#include "umbel/http/server.hpp"

namespace umbel::http {
namespace {

class HttpClient : public ::testing::Test {
 protected:
  void serve(const Handler& handler) {
    Router router;
    router.add("GET", "/<path...>", handler);
    ServerOptions options;
    options.max_connections = 8;
    server = std::make_unique<Server>(options, std::move(router), std::vector<WebSocketRoute>{},
                                      Log::none());
    const auto started = server->start();
    ASSERT_TRUE(started.has_value()) << started.error().what;
  }
  // Answers every request with these bytes and closes.
  void serve_raw(std::string bytes) {
    serve([bytes = std::move(bytes)](const Request&) {
      Response response;
      response.raw = [bytes](const auto& write) { static_cast<void>(write(bytes)); };
      return response;
    });
  }
  [[nodiscard]] ClientRequest request() const {
    ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server->port()) + "/x";
    request.timeout = std::chrono::seconds{10};
    return request;
  }

  Client client;
  std::unique_ptr<Server> server;
};

TEST_F(HttpClient, MeasuresThePhasesInOrder) {
  serve([](const Request&) { return json_response("{}"); });

  const auto answer = client.send(request());

  ASSERT_TRUE(answer.has_value()) << answer.error().what;
  const ClientTimes& times = answer->times;
  EXPECT_GT(times.connect, 0);
  EXPECT_LE(times.name_lookup, times.connect);
  EXPECT_EQ(times.tls, times.connect) << "there is no TLS";
  EXPECT_LE(times.tls, times.sent);
  EXPECT_LE(times.sent, times.first_byte);
  EXPECT_LE(times.first_byte, times.total);
}

TEST_F(HttpClient, TakesNoMoreBodyThanItsBound) {
  serve([](const Request&) {
    Response response;
    response.body = std::string(100'000, 'x');
    return response;
  });
  auto bounded = request();
  bounded.max_body = 99'999;

  const auto refused = client.send(bounded);
  bounded.max_body = 100'000;
  const auto taken = client.send(bounded);

  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_NE(refused.error().what.find("99999 bytes"), std::string::npos) << refused.error().what;
  EXPECT_EQ(taken.value().body.size(), 100'000U);
}

TEST_F(HttpClient, TakesNoMoreHeadersThanTheirBound) {
  serve([](const Request&) {
    Response response;
    for (int i = 0; i < 100; ++i) response.headers.emplace_back("X-Fill", std::string(1000, 'x'));
    return response;
  });

  const auto refused = client.send(request());

  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_NE(refused.error().what.find("headers"), std::string::npos) << refused.error().what;
}

TEST_F(HttpClient, AnAnswerThatEndsTooSoonIsNoAnswer) {
  serve_raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");

  const auto cut = client.send(request());

  ASSERT_TRUE(cut.has_error());
  EXPECT_EQ(cut.error().code, Errc::Unavailable) << cut.error().what;
}

TEST_F(HttpClient, AConnectionClosedWithoutAWordIsNoAnswer) {
  serve_raw("");

  const auto none = client.send(request());

  ASSERT_TRUE(none.has_error());
  EXPECT_EQ(none.error().code, Errc::Unavailable) << none.error().what;
}

TEST_F(HttpClient, AnEncodingThatCannotBeUnpackedIsInvalid) {
  serve([](const Request&) {
    Response response = json_response("this is not gzip");
    response.headers.emplace_back("Content-Encoding", "gzip");
    return response;
  });

  const auto garbled = client.send(request());

  ASSERT_TRUE(garbled.has_error());
  EXPECT_EQ(garbled.error().code, Errc::Invalid) << garbled.error().what;
}

}  // namespace
}  // namespace umbel::http
