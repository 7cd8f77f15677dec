// For tests: asks workers by remote control, through the broker's port.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "umbel/broker/broker.hpp"
#include "umbel/celery/control.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::testing {

class ControlClient {
 public:
  explicit ControlClient(Broker& broker) : broker_{broker} {}

  // Replies by node: as many as are waited for, within a time that only a fault uses up.
  std::map<std::string, boost::json::value> ask(
      celery::ControlRequest request, std::size_t replies = 1,
      std::chrono::milliseconds limit = std::chrono::seconds{20}) {
    auto box = broker_.reply_box().value();
    request.ticket = new_task_id().str();
    request.reply_to = celery::ControlReplyTo{box->address().exchange, box->address().routing_key};
    EXPECT_TRUE(broker_.broadcast(celery::encode_control_request(request)));
    std::map<std::string, boost::json::value> found;
    const auto end = Steady::now() + limit;
    while (found.size() < replies && Steady::now() < end) {
      const auto messages = box->next(100, std::chrono::milliseconds{100}, {});
      if (!messages) continue;
      for (const auto& message : *messages) {
        auto reply = celery::decode_control_reply(message);
        EXPECT_TRUE(reply) << reply.error().what;
        EXPECT_EQ(reply->ticket, request.ticket);
        found[reply->node] = std::move(reply->value);
      }
    }
    EXPECT_EQ(found.size(), replies) << request.method;
    return found;
  }
  boost::json::value ask(const std::string& method, const std::string& arguments = "{}") {
    const auto replies = ask(request(method, arguments));
    return replies.empty() ? boost::json::value{} : replies.begin()->second;
  }
  std::string text(const std::string& method, const std::string& arguments = "{}") {
    return celery::to_json(ask(method, arguments));
  }
  void tell(const std::string& method, const std::string& arguments = "{}") {
    EXPECT_TRUE(broker_.broadcast(celery::encode_control_request(request(method, arguments))));
  }
  static celery::ControlRequest request(const std::string& method,
                                        const std::string& arguments = "{}") {
    celery::ControlRequest made;
    made.method = method;
    made.arguments = celery::parse_json(arguments).value().as_object();
    return made;
  }

 private:
  Broker& broker_;
};

}  // namespace umbel::testing
