#include "frame_parser.hpp"

#include <gtest/gtest.h>

#include <random>

#include "raw_request.hpp"

namespace umbel::http {
namespace {

struct Heard {
  std::vector<std::string> texts, pings;
  FrameParser::Sink sink{[this](std::string_view text) { texts.emplace_back(text); },
                         [this](std::string_view payload) { pings.emplace_back(payload); }};
};

std::string masked(unsigned first, std::string payload) {
  std::string bytes{static_cast<char>(first), static_cast<char>(0x80U | payload.size())};
  bytes += "abcd";
  for (std::size_t i = 0; i < payload.size(); ++i) {
    payload[i] = static_cast<char>(payload[i] ^ "abcd"[i % 4]);
  }
  return bytes + payload;
}

TEST(FrameParser, IsTheSameHoweverTheBytesComeIn) {
  const std::string stream = masked(0x81, "one") + masked(0x01, "tw") + masked(0x89, "ping") +
                             masked(0x80, "o") + masked(0x81, "") + masked(0x8A, "pong");
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    Heard heard;
    FrameParser parser{100};
    for (std::size_t at = 0; at < stream.size(); at += step) {
      EXPECT_FALSE(parser.feed(std::string_view{stream}.substr(at, step), heard.sink).has_value());
    }
    EXPECT_EQ(heard.texts, (std::vector<std::string>{"one", "two", ""}));
    EXPECT_EQ(heard.pings, (std::vector<std::string>{"ping"}));
    EXPECT_EQ(parser.frames(), 6U);
  }
}

TEST(FrameParser, AGoodbyeIsTheClientsOwn) {
  Heard heard;
  FrameParser parser{100};

  const auto end = parser.feed(masked(0x88, "\x03\xe9") + masked(0x81, "late"), heard.sink);

  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->by_client);
  EXPECT_EQ(end->code, kCloseGoingAway);
  EXPECT_TRUE(heard.texts.empty());
  EXPECT_FALSE(parser.feed(masked(0x81, "later"), heard.sink).has_value());
  EXPECT_TRUE(heard.texts.empty());
}

TEST(FrameParser, HoldsNoMoreThanItsBoundWhateverComes) {
  std::mt19937 random{7};
  std::uniform_int_distribution<int> any{0, 255}, size{1, 40};
  for (int round = 0; round < 3000; ++round) {
    Heard heard;
    FrameParser parser{64};
    std::optional<WebSocketEnd> end;
    for (int chunk = 0; chunk < 20 && !end; ++chunk) {
      std::string bytes;
      // Plausible first bytes more often than not, or nothing would get past them.
      if (any(random) < 200) {
        bytes = masked(any(random) < 128 ? 0x01 : 0x00, std::string(20, 'x'));
      } else {
        for (int i = size(random); i > 0; --i) bytes.push_back(static_cast<char>(any(random)));
      }
      end = parser.feed(bytes, heard.sink);
      ASSERT_LE(parser.buffered(), 64U + 125U);
    }
    if (end && !end->by_client) {
      EXPECT_FALSE(end->reason.empty());
    }
  }
}

TEST(Utf8, IsWhatRfc3629Says) {
  for (const char* good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2", "\xe2(\xa1"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

RawRequest plain() {
  RawRequest raw;
  raw.method = "GET";
  raw.target = "/";
  raw.version = "1.1";
  raw.headers = {{"Host", "localhost"}};
  return raw;
}

TEST(RawRequest, APlainOneIsFineAndDecoded) {
  RawRequest raw = plain();
  raw.target = "/a%20b%2fc";
  raw.headers.emplace_back("X-Twice", "1");
  raw.headers.emplace_back("x-twice", "2");

  EXPECT_FALSE(refuse_malformed(raw).has_value());
  const Request request = to_request(raw);
  EXPECT_EQ(request.path, "/a b/c");
  EXPECT_EQ(request.header("x-twice"), "1, 2");
}

TEST(RawRequest, AnOldClientNeedsNoHost) {
  RawRequest raw = plain();
  raw.headers.clear();

  EXPECT_EQ(refuse_malformed(raw)->status, 400);
  raw.version = "1.0";
  EXPECT_FALSE(refuse_malformed(raw).has_value());
}

TEST(RawRequest, TheTargetsOwnHostMustBeTheHeaders) {
  RawRequest raw = plain();
  raw.authority = "LOCALHOST";
  EXPECT_FALSE(refuse_malformed(raw).has_value());

  raw.authority = "evil.example";

  EXPECT_EQ(refuse_malformed(raw)->status, 400);
}

}  // namespace
}  // namespace umbel::http
