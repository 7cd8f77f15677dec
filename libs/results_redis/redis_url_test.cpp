#include "umbel/results_redis/redis_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace umbel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

RedisOptions read(std::string_view url) {
  const auto options = parse_redis_url(url);
  EXPECT_TRUE(options) << url << ": " << options.error().what;
  return options ? *options : RedisOptions{};
}

std::string fault(std::string_view url) {
  const auto options = parse_redis_url(url);
  EXPECT_FALSE(options) << url << " was read";
  if (options) return {};
  EXPECT_EQ(options.error().code, Errc::Invalid);
  return options.error().what;
}

TEST(RedisUrl, ReadsWhatCeleryWrites) {
  const auto all = read("redis://me:p%40ss@example.org:6380/3");
  EXPECT_EQ(all.host, "example.org");
  EXPECT_EQ(all.port, 6380);
  EXPECT_EQ(all.user, "me");
  EXPECT_EQ(all.password, "p@ss");
  EXPECT_EQ(all.database, 3);
  EXPECT_EQ(all.expires, 24h);

  const auto least = read("redis://");
  EXPECT_EQ(least.host, "localhost");
  EXPECT_EQ(least.port, 6379);
  EXPECT_EQ(least.database, 0);
  EXPECT_TRUE(least.password.empty());

  EXPECT_EQ(read("redis://:secret@host").password, "secret");
  EXPECT_EQ(read("redis://[::1]:6380/1").host, "::1");
  EXPECT_EQ(read("redis://[::1]:6380/1").port, 6380);

  const auto socket = read("redis+socket:///run/redis.sock?virtual_host=2&password=x");
  EXPECT_EQ(socket.path, "/run/redis.sock");
  EXPECT_EQ(socket.database, 2);
  EXPECT_EQ(socket.password, "x");
}

TEST(RedisUrl, ReadsOptions) {
  const auto options = read(
      "redis://h/0?global_keyprefix=shop&result_expires=60&socket_timeout=1.5"
      "&socket_connect_timeout=0.2");
  EXPECT_EQ(options.prefix, "shop_");
  EXPECT_EQ(options.expires, 60s);
  EXPECT_EQ(options.timeout, 1500ms);
  EXPECT_EQ(options.connect_timeout, 200ms);
  EXPECT_EQ(read("redis://h/0?global_keyprefix=shop:").prefix, "shop:");
  EXPECT_EQ(read("redis://h/0?result_expires=0").expires, 0s);
}

TEST(RedisUrl, SaysWhatIsWrongAndNeverThePassword) {
  EXPECT_THAT(fault("rediss://:secret@h/0"), HasSubstr("TLS"));
  EXPECT_THAT(fault("amqp://h"), HasSubstr("scheme"));
  EXPECT_THAT(fault("redis://:secret@h:port/0"), HasSubstr("`port`"));
  EXPECT_THAT(fault("redis://:secret@h:70000/0"), HasSubstr("70000"));
  EXPECT_THAT(fault("redis://h/first"), HasSubstr("`first`"));
  EXPECT_THAT(fault("redis://h/-1"), HasSubstr("`-1`"));
  EXPECT_THAT(fault("redis://h/0?fast=1"), HasSubstr("`fast` is not known"));
  EXPECT_THAT(fault("redis://h/0?result_expires=soon"), HasSubstr("`soon`"));
  EXPECT_THAT(fault("redis://h/0?socket_timeout=0"), HasSubstr("socket_timeout"));
  EXPECT_THAT(fault("redis://h/0?socket_timeout=nan"), HasSubstr("socket_timeout"));
  EXPECT_THAT(fault("redis://:se%zzcret@h/0"), HasSubstr("the password has a `%`"));
  EXPECT_THAT(fault("redis://:%00@h/0"), HasSubstr("zero byte"));
  EXPECT_THAT(fault("redis://[::1"), HasSubstr("`]`"));
  EXPECT_THAT(fault("redis+socket://run"), HasSubstr("path"));
  for (const char* url :
       {"rediss://:secret@h/0", "redis://:secret@h:port/0", "redis://:secret@h/0?fast=1",
        "redis://:secret%@h/0", "redis://:se/cretsecret@h/0", "redis://:x?secret=1@h/0",
        "redis://u:secret", "redis://:1/secret@h/0"}) {
    EXPECT_THAT(fault(url), Not(HasSubstr("secret"))) << url;
  }
}

TEST(RedisUrl, IsShownWithoutThePassword) {
  EXPECT_EQ(read("redis://:secret@h:1/2").shown(), "redis://:**@h:1/2");
  EXPECT_EQ(read("redis://h/2").shown(), "redis://h:6379/2");
  EXPECT_EQ(read("redis+socket:///run/r.sock?password=secret").shown(),
            "redis+socket:///run/r.sock");
}

}  // namespace
}  // namespace umbel
