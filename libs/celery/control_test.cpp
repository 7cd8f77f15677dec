#include "umbel/celery/control.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "umbel/celery/task_message.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

Message message(std::string body, std::string headers = "{}") {
  Message out;
  out.content_type = "application/json";
  out.headers = std::move(headers);
  out.body = std::move(body);
  return out;
}

std::string complaint(const Message& request) {
  const auto read = decode_control_request(request);
  return read ? "" : read.error().what;
}

std::string complaint(std::string body, std::string headers = "{}") {
  return complaint(message(std::move(body), std::move(headers)));
}

TEST(ControlRequest, ReadsWhatCeleryClientsSend) {
  const auto read = decode_control_request(message(
      R"({"method": "revoke", "arguments": {"task_id": "x", "terminate": false, "signal": "SIGTERM"},
          "destination": ["w1@h", "w2@h"], "pattern": null, "matcher": null, "ticket": "64f20c47",
          "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "8a5edae9"}})",
      R"({"clock": 7, "expires": 1795350738.5})"));
  ASSERT_TRUE(read.has_value()) << read.error().what;
  EXPECT_EQ(read->method, "revoke");
  EXPECT_EQ(read->arguments.at("signal"), "SIGTERM");
  EXPECT_EQ(read->destination, (std::vector<std::string>{"w1@h", "w2@h"}));
  EXPECT_EQ(read->ticket, "64f20c47");
  ASSERT_TRUE(read->reply_to.has_value());
  EXPECT_EQ(read->reply_to->exchange, "reply.celery.pidbox");
  EXPECT_EQ(read->reply_to->routing_key, "8a5edae9");
  EXPECT_EQ(read->clock, 7);
  EXPECT_EQ(read->expires, 1795350738.5);
}

TEST(ControlRequest, NeedsNothingButAMethod) {
  const auto read = decode_control_request(
      message(R"({"method": "ping", "other": 1, "destination": []})", R"({"expires": 0})"));
  ASSERT_TRUE(read.has_value()) << read.error().what;
  EXPECT_EQ(*read, (ControlRequest{.method = "ping",
                                   .arguments = {},
                                   .destination = {},
                                   .pattern = {},
                                   .matcher = {},
                                   .ticket = {},
                                   .reply_to = std::nullopt,
                                   .clock = std::nullopt,
                                   .expires = std::nullopt}));
}

TEST(ControlRequest, SaysWhatIsWrong) {
  EXPECT_EQ(complaint("[]"), "the body is a list, not an object");
  EXPECT_EQ(complaint("{}"), "the request names no method");
  EXPECT_EQ(complaint(R"({"method": 5})"), "method is the number 5 (allowed: a string)");
  EXPECT_EQ(complaint(R"({"method": ""})"), "the method's name is empty");
  EXPECT_EQ(complaint(R"({"method": "ping", "arguments": [1]})"),
            "arguments is a list (allowed: null, or an object)");
  EXPECT_EQ(complaint(R"({"method": "ping", "destination": "w1@h"})"),
            "destination is a string (allowed: null, or a list of node names)");
  EXPECT_EQ(complaint(R"({"method": "ping", "destination": ["w1@h", 2]})"),
            "destination is the number 2 (allowed: null, or a list of node names)");
  EXPECT_EQ(complaint(R"({"method": "ping", "reply_to": {"exchange": "e"}})"),
            "reply_to has no routing_key");
  EXPECT_EQ(complaint(R"({"method": "ping"})", R"({"clock": -1})"),
            "clock is the number -1 (allowed: a whole number from 0)");
  EXPECT_EQ(complaint(R"({"method": "ping"})", R"({"expires": "soon"})"),
            "expires is a string (allowed: 0, or seconds since 1970)");
  EXPECT_EQ(complaint(R"({"method": "ping"})", "[]"), "the headers are a list, not an object");
  EXPECT_NE(complaint("{").find("the body is "), std::string::npos);
  auto pickled = message("x");
  pickled.content_type = "application/x-python-serialize";
  EXPECT_NE(complaint(pickled).find("pickle"), std::string::npos);
  EXPECT_NE(complaint(std::string(kMaxBody + 1, ' ')).find("bytes (at most"), std::string::npos);
}

TEST(ControlRequest, IsWrittenAsCeleryReadsIt) {
  ControlRequest request;
  request.method = "rate_limit";
  request.arguments = {{"task_name", "t"}, {"rate_limit", "5/m"}};
  request.destination = {"w1@h"};
  request.ticket = "k";
  request.reply_to = ControlReplyTo{"reply.celery.pidbox", "r"};
  request.clock = 3;
  const Message written = encode_control_request(request);
  EXPECT_EQ(written.content_type, "application/json");
  EXPECT_EQ(written.headers, R"({"clock": 3, "expires": 0})");
  EXPECT_EQ(written.body,
            R"({"method": "rate_limit", "arguments": {"task_name": "t", "rate_limit": "5/m"}, )"
            R"("destination": ["w1@h"], "pattern": null, "matcher": null, "ticket": "k", )"
            R"("reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "r"}})");
  const auto back = decode_control_request(written);
  ASSERT_TRUE(back.has_value()) << back.error().what;
  EXPECT_EQ(*back, request);
}

TEST(ControlReply, ReadsWhatWorkersAnswer) {
  const auto read = decode_control_reply(
      message(R"({"w1@h": {"ok": "pong"}})", R"({"ticket": "64f20c47", "clock": 2})"));
  ASSERT_TRUE(read.has_value()) << read.error().what;
  EXPECT_EQ(read->node, "w1@h");
  EXPECT_EQ(read->value, (json::object{{"ok", "pong"}}));
  EXPECT_EQ(read->ticket, "64f20c47");
  EXPECT_EQ(read->clock, 2);
}

TEST(ControlReply, TakesNullAndInfinity) {
  const auto nothing = decode_control_reply(message(R"({"w1@h": null})"));
  ASSERT_TRUE(nothing.has_value()) << nothing.error().what;
  EXPECT_TRUE(nothing->value.is_null());
  const auto conf = decode_control_reply(message(R"({"w1@h": {"max_retries": Infinity}})"));
  ASSERT_TRUE(conf.has_value()) << conf.error().what;
  EXPECT_TRUE(std::isinf(conf->value.at("max_retries").get_double()));
  const Message written = encode_control_reply(*conf);
  EXPECT_EQ(written.body, R"({"w1@h": {"max_retries": Infinity}})");
}

TEST(ControlReply, IsOneNodesAnswer) {
  for (const char* body : {"{}", R"({"a": 1, "b": 2})", R"({"": 1})", "[]", "5"}) {
    const auto read = decode_control_reply(message(body));
    ASSERT_TRUE(read.has_error()) << body;
    EXPECT_EQ(read.error().code, Errc::Invalid);
  }
}

}  // namespace
}  // namespace umbel::celery
