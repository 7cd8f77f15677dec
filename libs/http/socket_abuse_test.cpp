// What WebSocket clients do that no browser does: every line of the table is replayed against a
// real server, which must close that connection with the right code, and no other.
#include <mutex>

#include "abuse_fixture.hpp"

namespace umbel::http {
namespace {

std::string frame(unsigned first, std::string payload, bool masked = true) {
  std::string bytes{static_cast<char>(first)};
  const unsigned mask_bit = masked ? 0x80U : 0U;
  if (payload.size() < 126) {
    bytes.push_back(static_cast<char>(mask_bit | payload.size()));
  } else {
    bytes.push_back(static_cast<char>(mask_bit | 127U));
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>((payload.size() >> shift) & 0xFFU));
    }
  }
  if (masked) {
    const std::string mask = "\x12\x34\x56\x78";
    bytes += mask;
    for (std::size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<char>(payload[i] ^ mask[i % 4]);
    }
  }
  return bytes + payload;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

class SocketAbuse : public Abuse {
 protected:
  WebSocketRoute route() {
    WebSocketRoute route;
    route.path = "/live";
    route.on_open = [this](const std::shared_ptr<WebSocket>& socket, const Request&) {
      const std::lock_guard lock{mutex};
      open.push_back(socket);
    };
    route.on_text = [this](const std::shared_ptr<WebSocket>& socket, std::string_view text) {
      ++texts;
      socket->send(std::make_shared<const std::string>("got " + std::string{text}));
    };
    route.on_close = [this](const std::shared_ptr<WebSocket>&) { ++closed; };
    return route;
  }
  std::shared_ptr<WebSocket> page(std::size_t index) {
    const std::lock_guard lock{mutex};
    return open.at(index);
  }
  std::size_t opened() {
    const std::lock_guard lock{mutex};
    return open.size();
  }
  [[nodiscard]] bool socket_lives() const {
    RawConnection client{server->port()};
    if (!client.ask(upgrade("/live")).starts_with("HTTP/1.1 101")) return false;
    client.send_text("x");
    return client.frame() == "got x";
  }

  std::mutex mutex;
  std::vector<std::shared_ptr<WebSocket>> open;
  std::atomic<int> closed{0}, texts{0};
};

struct BadFrames {
  std::string what;
  std::string bytes;
  int code;  // of the close frame
};

std::vector<BadFrames> bad_frames() {
  using namespace std::string_literals;
  const std::string announced_2_gib = "\x81\xff\0\0\0\0\x7f\xff\0\0"s + "\1\2\3\4";
  const std::string announced_top_bit = "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"s + "\1\2\3\4";
  return {
      {"no mask", frame(0x81, "hello", false), 1002},
      {"no mask on a ping", frame(0x89, "hello", false), 1002},
      {"a reserved bit", frame(0xC1, "hello"), 1002},
      {"all reserved bits", frame(0xF1, "hello"), 1002},
      {"an unknown kind", frame(0x83, "hello"), 1002},
      {"an unknown control frame", frame(0x8B, ""), 1002},
      {"a continuation of nothing", frame(0x80, "hello"), 1002},
      {"a message within another", frame(0x01, "a") + frame(0x81, "b"), 1002},
      {"a ping in pieces", frame(0x09, "a"), 1002},
      {"a long ping", frame(0x89, std::string(126, 'x')), 1002},
      {"a long goodbye", frame(0x88, std::string(200, 'x')), 1002},
      {"half a close code", frame(0x88, "\x03"), 1002},
      {"a close code that may not be sent", frame(0x88, "\x03\xed"), 1002},
      {"a close reason that is not UTF-8", frame(0x88, "\x03\xe8\xff"), 1002},
      {"binary", frame(0x82, "hello"), 1003},
      {"binary in pieces", frame(0x02, "hello"), 1003},
      {"not UTF-8", frame(0x81, "\xff\xfe"), 1007},
      {"an overlong slash", frame(0x81, "\xc0\xaf"), 1007},
      {"a surrogate", frame(0x81, "\xed\xa0\x80"), 1007},
      {"beyond Unicode", frame(0x81, "\xf4\x90\x80\x80"), 1007},
      {"a cut character", frame(0x81, "\xe2\x82"), 1007},
      {"a character in pieces that ends wrong", frame(0x01, "\xe2") + frame(0x80, "x"), 1007},
      {"2 GiB announced", announced_2_gib, 1009},
      {"2^63 and more announced", announced_top_bit, 1009},
      {"over the bound", frame(0x81, std::string(5000, 'x')), 1009},
      {"pieces over the bound",
       frame(0x01, std::string(2000, 'x')) + frame(0x00, std::string(2000, 'x')) +
           frame(0x00, std::string(2000, 'x')),
       1009},
      {"endless empty pieces", frame(0x01, "a") + repeated(frame(0x00, ""), 5000), 1008},
      {"a flood of pings", repeated(frame(0x89, "x"), 5000), 1008},
      {"a flood of pongs", repeated(frame(0x8A, ""), 5000), 1008},
      {"a flood of texts", repeated(frame(0x81, "x"), 5000), 1008},
  };
}

int close_code(RawConnection& client) {
  const auto payload = client.frame(0x88);
  if (!payload || payload->size() < 2) return 0;
  return static_cast<unsigned char>((*payload)[0]) * 256 +
         static_cast<unsigned char>((*payload)[1]);
}

TEST_F(SocketAbuse, EveryBadFrameEndsItsConnectionWithACodeAndNoOther) {
  ServerOptions options = hasty();
  options.max_message = 4096;
  start(options, {route()});
  RawConnection bystander{server->port()};
  ASSERT_TRUE(bystander.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));
  int bad = 0;
  for (const BadFrames& each : bad_frames()) {
    SCOPED_TRACE(each.what);
    RawConnection client{server->port()};
    ASSERT_TRUE(client.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));

    client.write(each.bytes);

    EXPECT_EQ(close_code(client), each.code);
    EXPECT_TRUE(client.closed());
    ++bad;
  }
  bystander.send_text("still here");
  EXPECT_EQ(bystander.frame(), "got still here");
  EXPECT_TRUE(eventually([&] { return closed == bad; }));
  EXPECT_EQ(malformed, bad);
}

TEST_F(SocketAbuse, BytesOneByOneAndCutFramesAreFine) {
  start(hasty(), {route()});
  const std::string text = frame(0x01, "h\xc3") + frame(0x89, "p") + frame(0x80, "\xa4 there");
  RawConnection client{server->port()};
  ASSERT_TRUE(client.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));

  for (const char byte : text) client.write({&byte, 1});

  EXPECT_EQ(client.frame(), "got h\xc3\xa4 there");
  for (std::size_t size = 1; size < text.size(); size += 3) {
    RawConnection cut{server->port()};
    ASSERT_TRUE(cut.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));
    cut.write(text.substr(0, size));
  }
  EXPECT_TRUE(eventually([&] { return server->connections() == 1; }));
  EXPECT_TRUE(socket_lives());
}

TEST_F(SocketAbuse, WhatIsWrongWithAHandshakeIsSaid) {
  start(hasty(), {route()});
  const auto ask = [&](const std::string& request) {
    RawConnection client{server->port()};
    return client.ask(request);
  };

  EXPECT_TRUE(ask("GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n")
                  .starts_with("HTTP/1.1 400 "));
  const std::string old =
      ask("GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
          "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "Sec-WebSocket-Version: 8\r\n\r\n");
  EXPECT_TRUE(old.starts_with("HTTP/1.1 426 ")) << old;
  EXPECT_NE(old.find("Sec-WebSocket-Version: 13\r\n"), std::string::npos) << old;
  EXPECT_TRUE(ask(upgrade("/live", "Host: evil.example\r\n")).starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask(upgrade("/live", "Origin: null\r\n")).starts_with("HTTP/1.1 403 "));
  EXPECT_TRUE(socket_lives());
}

TEST_F(SocketAbuse, ASilentClientIsAskedAndThenClosed) {
  ServerOptions options = hasty();
  options.times.ping = milliseconds{100};
  options.times.silence = milliseconds{600};
  start(options, {route()});
  RawConnection dead{server->port()};
  ASSERT_TRUE(dead.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));
  RawConnection alive{server->port()};
  ASSERT_TRUE(alive.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));

  while (closed == 0 && alive.frame(0x89).has_value()) alive.write(frame(0x8A, ""));

  EXPECT_TRUE(dead.frame(0x89).has_value());
  EXPECT_TRUE(dead.closed());
  alive.send_text("here");
  EXPECT_EQ(alive.frame(), "got here");
}

TEST_F(SocketAbuse, AClientThatReadsAByteNowAndThenIsClosedForItsAge) {
  ServerOptions options = hasty();
  options.times.lag = milliseconds{500};
  start(options, {route()});
  RawConnection client{server->port(), 2048};
  ASSERT_TRUE(client.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));
  ASSERT_TRUE(eventually([&] { return opened() == 1; }));

  EXPECT_TRUE(page(0)->send(std::make_shared<const std::string>(3'000'000, 'x')));

  EXPECT_TRUE(eventually([&] { return closed == 1; }));
  EXPECT_EQ(slow, 1);
  EXPECT_FALSE(page(0)->send(std::make_shared<const std::string>("more")));
}

TEST_F(SocketAbuse, OneThatDoesNotReadHoldsUpNobody) {
  ServerOptions options = hasty();
  options.max_connections = 32;
  options.max_queued_per_socket = 64 * 1024 * 1024;
  start(options, {route()});
  std::vector<std::unique_ptr<RawConnection>> blocked;
  for (int i = 0; i < 10; ++i) {
    blocked.push_back(std::make_unique<RawConnection>(server->port(), 2048));
    ASSERT_TRUE(blocked.back()->ask(upgrade("/live")).starts_with("HTTP/1.1 101"));
    ASSERT_TRUE(eventually([&] { return opened() == blocked.size(); }));
  }
  RawConnection reader{server->port()};
  ASSERT_TRUE(reader.ask(upgrade("/live")).starts_with("HTTP/1.1 101"));
  ASSERT_TRUE(eventually([&] { return opened() == 11; }));
  const auto large = std::make_shared<const std::string>(100'000, 'x');
  const auto small = std::make_shared<const std::string>("tick");

  for (int i = 0; i < 200; ++i) {
    for (std::size_t each = 0; each < 10; ++each) ASSERT_TRUE(page(each)->send(large));
    ASSERT_TRUE(page(10)->send(small));
    ASSERT_EQ(reader.frame(), "tick") << i;
  }
}

}  // namespace
}  // namespace umbel::http
