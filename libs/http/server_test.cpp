#include "umbel/http/server.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <vector>

#include "umbel/testing/eventually.hpp"
#include "umbel/testing/raw_connection.hpp"

namespace umbel::http {
namespace {

using testing::eventually;
using testing::RawConnection;
using testing::upgrade;

constexpr std::string_view kGet = "GET /echo?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";

Router echo() {
  Router router;
  router.add("GET", "/echo", [](const Request& request) {
    Response response;
    response.body = "query " + request.query + " host " + request.header("host");
    return response;
  });
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
  return router;
}

ServerOptions few() {
  ServerOptions options;
  options.max_connections = 8;
  return options;
}

class HttpServer : public ::testing::Test {
 protected:
  void start(ServerOptions options = few(), std::vector<WebSocketRoute> sockets = {}) {
    server = std::make_unique<Server>(std::move(options), echo(), std::move(sockets), Log::none());
    const auto started = server->start();
    ASSERT_TRUE(started.has_value()) << started.error().what;
  }
  std::unique_ptr<Server> server;
};

std::string post(std::size_t size, std::string_view more = "") {
  return "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(size) +
         "\r\n" + std::string{more} + "\r\n" + std::string(size, 'a');
}

bool is(const std::string& response, int status) {
  return response.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}

TEST_F(HttpServer, AnswersSeveralRequestsOnOneConnection) {
  start();
  RawConnection client{server->port()};

  for (int i = 0; i < 3; ++i) {
    const std::string response = client.ask(kGet);

    EXPECT_TRUE(is(response, 200)) << response;
    EXPECT_TRUE(response.ends_with("\r\n\r\nquery x=1 host localhost")) << response;
    EXPECT_NE(response.find("X-Content-Type-Options: nosniff\r\n"), std::string::npos);
    EXPECT_NE(response.find("Connection: keep-alive\r\n"), std::string::npos);
    EXPECT_EQ(response.find("Access-Control"), std::string::npos);
  }
}

TEST_F(HttpServer, HandsOverTheDecodedPathWithSlashesDecodedToo) {
  start();
  RawConnection client{server->port()};

  EXPECT_TRUE(
      client.ask("GET /part/a%20b HTTP/1.1\r\nHost: localhost\r\n\r\n").ends_with("\r\n\r\na b"));
}

TEST_F(HttpServer, AnswersHeadWithTheLengthOfGet) {
  start();
  RawConnection client{server->port()};

  const std::string response = client.ask("HEAD /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", true);

  EXPECT_NE(response.find("Content-Length: 21\r\n"), std::string::npos) << response;
  EXPECT_TRUE(is(client.ask(kGet), 200));  // nothing of a body lay in between
}

TEST_F(HttpServer, ReadsBodiesWithALengthAndInChunks) {
  start();
  RawConnection client{server->port()};

  EXPECT_TRUE(client.ask(post(100'000)).ends_with("\r\n\r\n" + std::string(100'000, 'a')));
  const std::string chunked = client.ask(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_TRUE(chunked.ends_with("\r\n\r\nabcde")) << chunked;
}

TEST_F(HttpServer, RefusesABodyOverTheBound) {
  ServerOptions options = few();
  options.max_body = 1000;
  start(options);
  RawConnection client{server->port()};
  RawConnection chunks{server->port()};

  EXPECT_TRUE(is(client.ask(post(1001)), 413));
  EXPECT_TRUE(
      is(chunks.ask(
             "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" +
             std::string(0x800, 'a') + "\r\n0\r\n\r\n"),
         413));
}

TEST_F(HttpServer, RefusesAForeignHost) {
  start();
  RawConnection client{server->port()};

  EXPECT_TRUE(is(client.ask("GET /echo HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403));
}

TEST_F(HttpServer, RefusesAForeignOriginOnWritesAlone) {
  start();
  RawConnection client{server->port()};

  EXPECT_TRUE(is(client.ask(post(3, "Origin: http://localhost\r\n")), 200));
  EXPECT_TRUE(
      is(client.ask("GET /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n"),
         200));
  EXPECT_TRUE(is(client.ask(post(3, "Origin: http://evil.example\r\n")), 403));
}

TEST_F(HttpServer, APreflightGetsNoPermission) {
  start();
  RawConnection client{server->port()};

  const std::string response = client.ask(
      "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
      "Access-Control-Request-Method: POST\r\n\r\n");

  EXPECT_TRUE(is(response, 403)) << response;
  EXPECT_EQ(response.find("Access-Control-Allow"), std::string::npos);
}

TEST_F(HttpServer, AnswersServiceUnavailableBeyondItsBound) {
  ServerOptions options;
  options.max_connections = 2;
  start(options);
  RawConnection first{server->port()};
  RawConnection second{server->port()};
  ASSERT_TRUE(is(first.ask(kGet), 200));
  ASSERT_TRUE(is(second.ask(kGet), 200));

  RawConnection third{server->port()};

  EXPECT_TRUE(is(third.ask(kGet), 503));
  EXPECT_TRUE(is(first.ask(kGet), 200));
}

TEST_F(HttpServer, SaysThatAPortIsTaken) {
  start();
  ServerOptions options = few();
  options.port = server->port();
  Server other{options, Router{}, {}, Log::none()};

  const auto started = other.start();

  ASSERT_TRUE(started.has_error());
  EXPECT_EQ(started.error().code, Errc::Conflict);
  EXPECT_NE(started.error().what.find(std::to_string(server->port())), std::string::npos);
}

TEST_F(HttpServer, CanBeStoppedTwiceUnstartedAndStartedAgain) {
  start();
  server->stop();
  server->stop();

  ASSERT_TRUE(server->start().has_value());
  RawConnection client{server->port()};
  EXPECT_TRUE(is(client.ask(kGet), 200));
  Server never{few(), Router{}, {}, Log::none()};
  never.stop();
}

class WebSockets : public HttpServer {
 protected:
  WebSocketRoute route() {
    WebSocketRoute route;
    route.path = "/live";
    route.on_open = [this](const std::shared_ptr<WebSocket>& socket, const Request& request) {
      {
        const std::lock_guard lock{mutex};
        open.push_back(socket);
      }
      socket->send(std::make_shared<const std::string>("hello " + request.query));
    };
    route.on_text = [](const std::shared_ptr<WebSocket>& socket, std::string_view text) {
      socket->send(std::make_shared<const std::string>("got " + std::string{text}));
    };
    route.on_close = [this](const std::shared_ptr<WebSocket>&) { ++closed; };
    return route;
  }
  void TearDown() override { server.reset(); }
  std::shared_ptr<WebSocket> page(std::size_t index) {
    const std::lock_guard lock{mutex};
    return open.at(index);
  }
  std::size_t pages() {
    const std::lock_guard lock{mutex};
    return open.size();
  }

  std::mutex mutex;
  std::vector<std::shared_ptr<WebSocket>> open;
  std::atomic<int> closed{0};
};

TEST_F(WebSockets, CarryTextBothWaysAndAnswerPings) {
  start(few(), {route()});
  RawConnection client{server->port()};

  ASSERT_TRUE(is(client.ask(upgrade("/live?since=3")), 101));
  EXPECT_EQ(client.frame(), "hello since=3");
  client.send_text("ping");
  EXPECT_EQ(client.frame(), "got ping");
  client.send_ping("abc");
  EXPECT_EQ(client.frame(0x8A), "abc");
}

TEST_F(WebSockets, CarryLongTexts) {
  start(few(), {route()});
  RawConnection client{server->port()};
  ASSERT_TRUE(is(client.ask(upgrade("/live")), 101));
  ASSERT_EQ(client.frame(), "hello ");

  for (const std::size_t size : {125U, 126U, 65535U, 65536U, 3'000'000U}) {
    const std::string text(size, 'x');
    EXPECT_TRUE(page(0)->send(std::make_shared<const std::string>(text)));
    EXPECT_TRUE(client.frame() == text) << size;
  }
}

TEST_F(WebSockets, RefuseAForeignOriginAndAnotherPath) {
  start(few(), {route()});
  RawConnection foreign{server->port()};
  RawConnection below{server->port()};

  EXPECT_TRUE(is(foreign.ask(upgrade("/live", "Origin: http://evil.example\r\n")), 403));
  EXPECT_TRUE(is(below.ask(upgrade("/live/more")), 404));
  EXPECT_EQ(pages(), 0U);
}

TEST_F(WebSockets, ARouteMayRefuseBeforeTheHandshake) {
  WebSocketRoute refusing = route();
  refusing.refuse = [](const Request&) { return error_response(401, "log in first"); };
  ServerOptions options = few();
  std::atomic<int> unauthorized{0};
  options.on_response = [&](int status) { unauthorized += status == 401 ? 1 : 0; };
  start(options, {refusing});
  RawConnection client{server->port()};

  EXPECT_TRUE(is(client.ask(upgrade("/live")), 401));
  EXPECT_EQ(unauthorized, 1);
  EXPECT_EQ(pages(), 0U);
  server.reset();
}

TEST_F(WebSockets, ASlowClientIsClosedAndTheOthersGoOn) {
  ServerOptions options = few();
  options.max_queued_per_socket = 1'000'000;
  start(options, {route()});
  RawConnection slow{server->port(), 4096};
  ASSERT_TRUE(is(slow.ask(upgrade("/live")), 101));
  ASSERT_TRUE(slow.frame().has_value());
  RawConnection quick{server->port()};
  ASSERT_TRUE(is(quick.ask(upgrade("/live")), 101));
  ASSERT_TRUE(quick.frame().has_value());
  const auto text = std::make_shared<const std::string>(200'000, 'x');

  bool refused = false;
  for (int i = 0; i < 1000 && !refused; ++i) refused = !page(0)->send(text);

  EXPECT_TRUE(refused);
  EXPECT_TRUE(eventually([&] { return closed == 1; }));
  EXPECT_TRUE(page(1)->send(text));
  EXPECT_TRUE(quick.frame().has_value());
}

TEST_F(WebSockets, ClosingSaysGoodbyeBehindWhatIsQueued) {
  start(few(), {route()});
  RawConnection client{server->port()};
  ASSERT_TRUE(is(client.ask(upgrade("/live")), 101));
  ASSERT_TRUE(client.frame().has_value());

  page(0)->send(std::make_shared<const std::string>("last"));
  page(0)->close();

  EXPECT_EQ(client.frame(), "last");
  EXPECT_EQ(client.frame(), std::nullopt);
  EXPECT_TRUE(client.closed());
  EXPECT_FALSE(page(0)->send(std::make_shared<const std::string>("too late")));
}

TEST_F(WebSockets, StoppingEndsIdleConnectionsQuickly) {
  start(few(), {route()});
  RawConnection idle{server->port()};
  ASSERT_TRUE(is(idle.ask(kGet), 200));
  RawConnection silent{server->port()};
  RawConnection page{server->port()};
  ASSERT_TRUE(is(page.ask(upgrade("/live")), 101));
  ASSERT_TRUE(page.frame().has_value());

  const auto begin = std::chrono::steady_clock::now();
  server->stop();

  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{1});
  EXPECT_EQ(closed, 1);
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(page.closed());
}

}  // namespace
}  // namespace umbel::http
