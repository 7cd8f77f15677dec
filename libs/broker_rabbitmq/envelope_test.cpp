#include "envelope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "field_table.hpp"

namespace umbel::broker_rabbitmq {
namespace {

using ::testing::HasSubstr;

const WallTime kNow = from_micros(1'795'350'738'123'456);

Message a_task() {
  Message message;
  message.content_type = "application/json";
  message.content_encoding = "utf-8";
  message.headers = R"({"task": "t", "id": "1"})";
  message.body = "[[], {}, {}]";
  message.correlation_id = "1";
  message.reply_to = "r";
  message.priority = 3;
  return message;
}

TEST(Marks, GoThereAndBack) {
  const Marks all{.published = kNow, .expires = kNow + std::chrono::seconds{5}, .not_before = kNow};
  EXPECT_EQ(read_marks(marks_text(all)), all);
  EXPECT_EQ(marks_text({.published = from_micros(12), .expires = {}, .not_before = {}}),
            "umbel:p=12");
  EXPECT_EQ(read_marks("umbel:e=7;n=-1").not_before, from_micros(-1));
}

TEST(Marks, OfForeignersThereAreNone) {
  for (const auto* id : {"", "1f0c-77", "umbel:", "umbel:p=", "umbel:p=x;q=1;;", "umbel:p=1x"}) {
    EXPECT_EQ(read_marks(id), Marks{}) << id;
  }
}

TEST(Envelope, EveryFieldGoesThereAndBack) {
  auto message = a_task();
  message.expires = kNow + std::chrono::microseconds{1};
  const auto out = Outgoing::of(
      message, {.published = kNow, .expires = message.expires, .not_before = {}}, true);
  ASSERT_TRUE(out);
  const auto& sent = (*out)->properties();
  EXPECT_EQ(sent.delivery_mode, 2);
  EXPECT_EQ(sent._flags & AMQP_BASIC_EXPIRATION_FLAG, 0U);  // a server would drop it in silence
  auto in = read_properties(sent, kNow);
  in.message.body = (*out)->body();
  EXPECT_EQ(in.message, message);
  EXPECT_EQ(in.marks.published, kNow);
  EXPECT_EQ(in.timestamp, std::chrono::floor<std::chrono::seconds>(kNow));
}

TEST(Envelope, HeadersThatFitNoFrameAreRefused) {
  auto message = a_task();
  message.headers = "{\"a\": \"" + std::string(120'000, 'x') + "\"}";
  EXPECT_TRUE(Outgoing::of(message, {}, true));
  message.headers = "{\"a\": \"" + std::string(130'000, 'x') + "\"}";
  const auto refused = Outgoing::of(message, {}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_THAT(refused.error().what, HasSubstr("headers"));
  // Small as text, large as a table.
  message.headers = "[1";
  for (int i = 0; i < 30'000; ++i) message.headers += ",1";
  message.headers = "{\"a\":" + message.headers + "]}";
  EXPECT_FALSE(Outgoing::of(message, {}, true));
}

TEST(Envelope, WhatIsEmptyIsNotSaidButPriorityAlwaysIs) {
  const auto out = Outgoing::of({}, {}, false);
  ASSERT_TRUE(out);
  const auto& sent = (*out)->properties();
  EXPECT_EQ(sent._flags, AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_PRIORITY_FLAG);
  EXPECT_EQ(sent.delivery_mode, 1);
  EXPECT_EQ(read_properties(sent, kNow).message, Message{});
}

TEST(Envelope, ReadsAForeignExpiration) {
  amqp_basic_properties_t foreign{};
  foreign._flags = AMQP_BASIC_EXPIRATION_FLAG;
  const auto expires = [&foreign](const char* text) {
    foreign.expiration = bytes_of(text);
    return read_properties(foreign, kNow).message.expires;
  };
  EXPECT_EQ(expires("120000"), kNow + std::chrono::minutes{2});
  EXPECT_EQ(expires("0"), kNow);
  EXPECT_EQ(expires("soon"), std::nullopt);
  EXPECT_EQ(expires("-1"), std::nullopt);
  EXPECT_TRUE(expires("9223372036854775807").has_value());
}

TEST(Envelope, RefusesWhatAmqpCannotCarry) {
  const auto refusal = [](const Message& message) {
    const auto out = Outgoing::of(message, {}, true);
    EXPECT_FALSE(out);
    if (out) return std::string{};
    EXPECT_EQ(out.error().code, Errc::Invalid);
    return out.error().what;
  };
  auto message = a_task();
  message.priority = 256;
  EXPECT_THAT(refusal(message), HasSubstr("256"));
  message = a_task();
  message.correlation_id = std::string(256, 'x');
  EXPECT_THAT(refusal(message), HasSubstr("correlation id"));
  message = a_task();
  message.reply_to = std::string(300, 'x');
  EXPECT_THAT(refusal(message), HasSubstr("reply_to"));
  message = a_task();
  message.headers = "[]";
  EXPECT_THAT(refusal(message), HasSubstr("headers"));
}

TEST(Envelope, AnEventSaysWhoSentIt) {
  const auto out = Outgoing::event("[]", "w1@host", kNow);
  const auto in = read_properties(out->properties(), kNow);
  EXPECT_EQ(in.message.headers, R"({"hostname": "w1@host"})");
  EXPECT_EQ(in.message.content_type, "application/json");
  EXPECT_EQ(in.message.correlation_id, "");
  EXPECT_EQ(out->properties().delivery_mode, 1);
  EXPECT_EQ(in.marks.published, kNow);
  EXPECT_EQ(read_properties(Outgoing::event("[]", "", kNow)->properties(), kNow).message.headers,
            "{}");
}

}  // namespace
}  // namespace umbel::broker_rabbitmq
