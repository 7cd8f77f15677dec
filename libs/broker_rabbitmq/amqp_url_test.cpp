#include "umbel/broker_rabbitmq/amqp_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace umbel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

AmqpHost only_host(const std::string& url) {
  const auto parsed = parse_amqp_url(url);
  if (!parsed) throw std::runtime_error{parsed.error().what};
  EXPECT_EQ(parsed->hosts.size(), 1U) << url;
  return parsed->hosts.front();
}

std::string refusal(const std::string& url) {
  const auto parsed = parse_amqp_url(url);
  EXPECT_FALSE(parsed) << url;
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, Errc::Invalid);
  return parsed.error().what;
}

TEST(AmqpUrl, WhatIsNotSaidIsTheCustom) {
  for (const auto* url : {"amqp://", "amqp://localhost", "pyamqp://localhost:5672/"}) {
    const auto host = only_host(url);
    EXPECT_EQ(host.host, "localhost") << url;
    EXPECT_EQ(host.port, 5672) << url;
    EXPECT_EQ(host.user, "guest") << url;
    EXPECT_EQ(host.password, "guest") << url;
    EXPECT_EQ(host.vhost, "/") << url;
    EXPECT_FALSE(host.tls) << url;
  }
  EXPECT_EQ(only_host("amqps://h").port, 5671);
  EXPECT_TRUE(only_host("amqps://h").tls);
}

TEST(AmqpUrl, ReadsTheVirtualHostAsCeleryDoes) {
  EXPECT_EQ(only_host("amqp://h:5672").vhost, "/");
  EXPECT_EQ(only_host("amqp://h/").vhost, "/");
  EXPECT_EQ(only_host("amqp://h//").vhost, "/");
  EXPECT_EQ(only_host("amqp://h/%2F").vhost, "/");
  EXPECT_EQ(only_host("amqp://h/app").vhost, "app");
  EXPECT_EQ(only_host("amqp://h//app").vhost, "/app");
  EXPECT_EQ(only_host("amqp://h/a%20b/c").vhost, "a b/c");
}

TEST(AmqpUrl, ReadsLoginAndAddress) {
  const auto host = only_host("amqp://ann%40home:p%3Aw%2F@10.0.0.7:15/app");
  EXPECT_EQ(host.user, "ann@home");
  EXPECT_EQ(host.password, "p:w/");
  EXPECT_EQ(host.host, "10.0.0.7");
  EXPECT_EQ(host.port, 15);
  EXPECT_EQ(host.shown(), "10.0.0.7:15/app");
  const auto six = only_host("amqp://[::1]:99//");
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.port, 99);
  EXPECT_EQ(six.shown(), "[::1]:99/");
}

TEST(AmqpUrl, ReadsAListOfHostsAndOptionsBehindAny) {
  const auto url = parse_amqp_url("amqp://a//;amqps://b/x?heartbeat=30&max_priority=10;pyamqp://c");
  ASSERT_TRUE(url);
  ASSERT_EQ(url->hosts.size(), 3U);
  EXPECT_EQ(url->hosts[1].host, "b");
  EXPECT_EQ(url->hosts[1].vhost, "x");
  EXPECT_TRUE(url->hosts[1].tls);
  EXPECT_EQ(url->hosts[2].host, "c");
  EXPECT_EQ(url->heartbeat, std::chrono::seconds{30});
  EXPECT_EQ(url->max_priority, 10);
}

TEST(AmqpUrl, ReadsTheOptions) {
  const auto url = parse_amqp_url(
      "amqps://h//?queue_type=quorum&management=http%3A%2F%2Fu%3Ap%40h%3A15672&cacertfile=/ca.pem"
      "&certfile=/c.pem&keyfile=/k.pem&verify=verify_none");
  ASSERT_TRUE(url) << url.error().what;
  EXPECT_EQ(url->queue_type, "quorum");
  EXPECT_EQ(url->management, "http://u:p@h:15672");
  EXPECT_EQ(url->ca_file, "/ca.pem");
  EXPECT_EQ(url->cert_file, "/c.pem");
  EXPECT_EQ(url->key_file, "/k.pem");
  EXPECT_FALSE(url->verify);
  const auto bare = parse_amqp_url("amqp://h");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->queue_type, "");
  EXPECT_FALSE(bare->max_priority);
  EXPECT_EQ(bare->heartbeat, std::chrono::seconds{10});
  EXPECT_TRUE(bare->verify);
}

TEST(AmqpUrl, RefusalsNameThePartAndWhatIsAllowed) {
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
  EXPECT_THAT(refusal("http://h"), HasSubstr("amqps://"));
  EXPECT_THAT(refusal("amqp://u@h:port"), HasSubstr("`port`"));
  EXPECT_THAT(refusal("amqp://h:70000"), HasSubstr("65535"));
  EXPECT_THAT(refusal("amqp://[::1"), HasSubstr("]"));
  EXPECT_THAT(refusal("amqp://h/%zz"), HasSubstr("virtual host"));
  EXPECT_THAT(refusal("amqp://h/?queue_type=stream"), HasSubstr("quorum"));
  EXPECT_THAT(refusal("amqp://h/?max_priority=256"), HasSubstr("255"));
  EXPECT_THAT(refusal("amqp://h/?heartbeat=soon"), HasSubstr("`soon`"));
  EXPECT_THAT(refusal("amqp://h/?heart=1"), HasSubstr("heartbeat"));
  EXPECT_THAT(refusal("amqp://u:p@h/?heart=1"), HasSubstr("`heart`"));
  EXPECT_THAT(refusal("amqp://u:p/w@h/v"), HasSubstr("%2F"));
  EXPECT_THAT(refusal("amqp://h/a%00b"), HasSubstr("zero byte"));
  EXPECT_THAT(refusal("amqp://h/?verify=no"), HasSubstr("verify_none"));
  EXPECT_THAT(refusal("amqp://h/?management=h:15672"), HasSubstr("http://"));
  EXPECT_THAT(refusal("amqp://h/?certfile=/c.pem"), HasSubstr("keyfile"));
  EXPECT_THAT(refusal("amqp://h/?queue_type=quorum&max_priority=3"), HasSubstr("quorum"));
}

TEST(AmqpUrl, NoRefusalHoldsAPassword) {
  for (const auto* url : {"amqp://u:secret@h:x", "amqp://u:secret@h/%z", "amqp://u:sec%ret@h",
                          "amqp://u:secret@h/?management=u:secret@h", "http://u:secret@h",
                          "amqp://u:secret@h/;amqp://u:secret@h:0", "amqp://u:secret",
                          "amqp://u:sec/ret@h/v", "amqp://u:x?secret@h/v", "amqp://u:x;secret@h",
                          "amqp://u:1?secret=1@h/v", "amqp://u:1/secret@h/v"}) {
    EXPECT_THAT(refusal(url), Not(HasSubstr("sec"))) << url;
  }
  EXPECT_THAT(only_host("amqp://u:secret@h//").shown(), Not(HasSubstr("secret")));
}

TEST(AmqpUrl, KnowsItsSchemes) {
  EXPECT_TRUE(is_amqp_url("amqp://h"));
  EXPECT_TRUE(is_amqp_url("pyamqp://h"));
  EXPECT_TRUE(is_amqp_url("amqps://h"));
  EXPECT_FALSE(is_amqp_url("sqlite:x"));
  EXPECT_FALSE(is_amqp_url("redis://h"));
}

}  // namespace
}  // namespace umbel
