// What clients do to a server that no browser does: every line of the table is replayed against a
// real server, which must answer in words, or close, and live.
#include <thread>

#include "abuse_fixture.hpp"

namespace umbel::http {
namespace {

struct BadRequest {
  std::string what;
  std::string bytes;
  int status;
  std::string says;  // a part of the error
};

std::string get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

std::string post(const std::string& headers, const std::string& body = "") {
  return "POST /echo HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n" + body;
}

std::string many_headers(int count) {
  std::string headers;
  for (int i = 0; i < count; ++i) headers += "X-" + std::to_string(i) + ": 1\r\n";
  return headers;
}

std::vector<BadRequest> bad_requests() {
  using namespace std::string_literals;
  return {
      {"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s, 400, "malformed"},
      {"no words", "hello\r\n\r\n", 400, "malformed"},
      {"an unknown method", "BREW /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "BREW"},
      {"a method in lower case", "get /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "get"},
      {"HTTP/2 in clear", "GET /echo HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "1.1"},
      {"HTTP/0.9", "GET /echo\r\n\r\n", 400, "malformed"},
      {"no Host", "GET /echo HTTP/1.1\r\n\r\n", 400, "Host header is missing"},
      {"two Hosts", get("/echo", "Host: evil.example\r\n"), 400, "once"},
      {"another Host in the target", get("http://evil.example/echo"), 400, "target"},
      {"an asterisk", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "target"},
      {"a target that is no path", get("echo"), 400, ""},
      {"a proxy's CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400,
       ""},
      {"a NUL in the head", get("/ec\0ho"s), 400, "control character"},
      {"a header's name with a space", get("/echo", "X Y: 1\r\n"), 400, "malformed"},
      {"a header without a colon", get("/echo", "X\r\n"), 400, "malformed"},
      {"64 headers", get("/echo", many_headers(64)), 431, "63 headers"},
      {"a huge header", get("/echo", "X: " + std::string(20'000, 'x') + "\r\n"), 400, "16,384"},
      {"a huge target", get("/" + std::string(30'000, 'x')), 400, "16,384"},
      {"a long target", get("/" + std::string(5000, 'x')), 414, "4096"},
      {"a long query", get("/echo?" + std::string(9000, 'x')), 414, "8192"},
      {"an encoded NUL", get("/part/a%00b"), 400, "control character"},
      {"an encoded line break", get("/part/a%0d%0ab"), 400, "control character"},
      {"half an escape", get("/part/a%4"), 400, "%25"},
      {"an escape of no digits", get("/part/a%zz"), 400, "%25"},
      {"a path that is not UTF-8", get("/part/%ff"), 400, "UTF-8"},
      {"an overlong slash", get("/part/..%c0%af"), 400, "UTF-8"},
      {"a NUL in the query", get("/echo?a=%00"), 400, "NUL"},
      {"a query that is not UTF-8", get("/echo?a=%fe"), 400, "UTF-8"},
      {"up and out", get("/../../etc/passwd"), 404, "nothing"},
      {"up and out, encoded", get("/%2e%2e/%2e%2e/etc/passwd"), 404, "nothing"},
      {"up and out, from a folder", get("/assets/..%2f..%2fetc%2fpasswd"), 404, "nothing"},
      {"backslashes", get("/..\\..\\etc\\passwd"), 404, "nothing"},
      {"a trailing slash", get("/echo/"), 404, "nothing"},
      {"two slashes", get("//echo"), 404, "nothing"},
      {"a known path, another method", "DELETE /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 405,
       "takes"},
      {"TRACE", "TRACE /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "TRACE"},
      {"PUT", "PUT /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405, "takes"},
      {"a length of words", post("Content-Length: many\r\n"), 400, "number"},
      {"a negative length", post("Content-Length: -1\r\n"), 400, "number"},
      {"a length with a sign", post("Content-Length: +5\r\n", "abcde"), 400, "number"},
      {"a length and more", post("Content-Length: 5x\r\n", "abcde"), 400, "number"},
      {"a length beyond 64 bits", post("Content-Length: 99999999999999999999\r\n"), 400, "number"},
      {"a length over the bound", post("Content-Length: 5000\r\n"), 413, "4096"},
      {"two lengths", post("Content-Length: 5\r\nContent-Length: 3\r\n", "abcde"), 400, "once"},
      {"a length and chunks",
       post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, "exclude"},
      {"another encoding", post("Transfer-Encoding: gzip\r\n"), 400, ""},
      {"chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
       "once"},
      {"a chunk of no size", post("Transfer-Encoding: chunked\r\n", "xyz\r\nabc\r\n0\r\n\r\n"), 400,
       "malformed"},
      {"a chunk of a huge size",
       post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n" + std::string(9000, 'x')), 0,
       ""},
      {"a chunk longer than said",
       post("Transfer-Encoding: chunked\r\n", "3\r\nabcdef\r\n0\r\n\r\n"), 400, "malformed"},
      {"chunks over the bound",
       post("Transfer-Encoding: chunked\r\n",
            "2000\r\n" + std::string(0x2000, 'x') + "\r\n0\r\n\r\n"),
       413, "4096"},
      {"an expectation", post("Expect: a miracle\r\nContent-Length: 1\r\n", "x"), 417, "100"},
      {"a WebSocket elsewhere", upgrade("/nowhere"), 404, "WebSocket"},
  };
}

TEST_F(Abuse, EveryBadRequestIsToldWhatWasWrongAndTheServerLives) {
  start(hasty());
  for (const BadRequest& each : bad_requests()) {
    SCOPED_TRACE(each.what);
    RawConnection client{server->port()};

    const std::string answer = client.ask(each.bytes);

    if (each.status == 0) {  // refused, in one of several ways
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << answer;
      continue;
    }
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(each.status) + " ")) << answer;
    EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos) << answer;
    const auto body = answer.find("\r\n\r\n{\"error\": \"");
    ASSERT_NE(body, std::string::npos) << answer;
    EXPECT_NE(answer.find(each.says, body), std::string::npos) << answer;
  }
  EXPECT_TRUE(lives());
}

TEST_F(Abuse, AfterARefusalInTheHandlerTheConnectionGoesOn) {
  start(hasty());
  RawConnection client{server->port()};

  for (const char* path : {"/nothing", "/echo/more", "/echo"}) {
    const std::string answer = client.ask(get(path));
    EXPECT_NE(answer.find("Connection: keep-alive"), std::string::npos) << answer;
  }
}

TEST_F(Abuse, PipelinedRequestsAreAnsweredInOrder) {
  start(hasty());
  RawConnection client{server->port()};
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += get("/part/" + std::to_string(i));
    all += post("Content-Length: 3\r\n", "abc");
  }

  client.write(all);

  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(client.response().ends_with("\r\n\r\n" + std::to_string(i))) << i;
    EXPECT_TRUE(client.response().ends_with("\r\n\r\nabc")) << i;
  }
}

TEST_F(Abuse, AConnectionCutAnywhereHarmsNobody) {
  start(hasty());
  const std::string request = post("Content-Length: 5\r\n", "abcde");
  const std::string handshake = upgrade("/nowhere");

  for (std::size_t size = 0; size < request.size(); size += 7) {
    RawConnection client{server->port()};
    client.write(request.substr(0, size));
  }
  for (std::size_t size = 0; size < handshake.size(); size += 11) {
    RawConnection client{server->port()};
    client.write(handshake.substr(0, size));
  }

  // More were opened than may be open together, and those not yet accepted are not counted.
  EXPECT_TRUE(eventually([&] { return lives(); }));
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(Abuse, AHeadThatTricklesInIsGivenUp) {
  start(hasty());
  RawConnection trickle{server->port()};
  RawConnection silent{server->port()};
  std::atomic<bool> done{false};
  const std::jthread drip{[&] {
    trickle.write("GET /echo HTTP/1.1\r\nX: ");
    while (!done) {
      trickle.write("x");
      // The slowness is the attack: a byte now and then, always sooner than a silent client's end.
      std::this_thread::sleep_for(milliseconds{50});
    }
  }};

  const std::string answer = trickle.response();
  const bool silent_closed = silent.closed();
  done = true;

  EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 408 ")) << answer;
  EXPECT_TRUE(silent_closed);
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
  EXPECT_TRUE(lives());
}

TEST_F(Abuse, ABodyThatTricklesInIsGivenUp) {
  start(hasty());
  RawConnection client{server->port()};
  std::atomic<bool> done{false};
  const std::jthread drip{[&] {
    client.write(post("Content-Length: 4000\r\n"));
    while (!done) {
      client.write("x");
      // The slowness is the attack, as above.
      std::this_thread::sleep_for(milliseconds{50});
    }
  }};

  EXPECT_TRUE(eventually([&] { return slow == 1; }));
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
  done = true;
  EXPECT_TRUE(lives());
}

TEST_F(Abuse, AnAnswerThatNobodyReadsIsGivenUp) {
  start(hasty());
  RawConnection client{server->port(), 4096};

  client.write(get("/large"));

  EXPECT_TRUE(eventually([&] { return slow == 1; }));
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
  EXPECT_TRUE(lives());
}

TEST_F(Abuse, LargeAnswersThatAreBeingSentAreBounded) {
  ServerOptions options = hasty();
  options.times.transfer = std::chrono::seconds{30};
  options.max_in_flight = 40 * 1024 * 1024;
  start(options);
  RawConnection slow_reader{server->port(), 4096};
  ASSERT_TRUE(slow_reader.ask(get("/large"), true).starts_with("HTTP/1.1 200 "));

  EXPECT_TRUE(eventually([&] {
    RawConnection other{server->port()};
    const std::string answer = other.ask(get("/large"));
    return answer.starts_with("HTTP/1.1 503 ") &&
           answer.find("Retry-After: 1\r\n") != std::string::npos;
  }));
  EXPECT_TRUE(lives());
}

TEST_F(Abuse, SilentConnectionsBeyondTheBoundDoNotHoldTheirPlaces) {
  ServerOptions options = hasty();
  options.max_connections = 2;
  options.times.head = std::chrono::seconds{30};
  start(options);
  RawConnection first{server->port()};
  RawConnection second{server->port()};
  ASSERT_TRUE(first.ask(kGet).starts_with("HTTP/1.1 200 "));
  ASSERT_TRUE(second.ask(kGet).starts_with("HTTP/1.1 200 "));

  RawConnection silent{server->port()};
  RawConnection asking{server->port()};

  const std::string answer = asking.ask(kGet);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("Retry-After: 1\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(silent.closed());
  EXPECT_GE(full, 1);
  EXPECT_TRUE(first.ask(kGet).starts_with("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace umbel::http
