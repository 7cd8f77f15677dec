#include "broker_under_test.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace umbel::testing {
namespace {

template <class T>
T expect(Result<T> result) {
  if (!result) throw std::runtime_error{result.error().what};
  return std::move(*result);
}

}  // namespace

OutgoingMessage a_message(const std::string& body, int priority, const std::string& queue) {
  OutgoingMessage outgoing;
  outgoing.queue = QueueName{queue};
  outgoing.message.content_type = "application/json";
  outgoing.message.content_encoding = "utf-8";
  outgoing.message.headers = "{}";
  outgoing.message.body = body;
  outgoing.message.correlation_id = "id-" + body;
  outgoing.message.priority = priority;
  return outgoing;
}

void publish(Broker& broker, const std::vector<OutgoingMessage>& messages) {
  if (const auto done = broker.publish(messages); !done) {
    throw std::runtime_error{done.error().what};
  }
}

std::unique_ptr<Consumer> consume(Broker& broker, std::size_t prefetch,
                                  const std::vector<std::string>& queues) {
  ConsumeOptions options{.queues = {}, .prefetch = prefetch, .consumer = "tester@here"};
  for (const auto& queue : queues) options.queues.emplace_back(queue);
  return expect(broker.consume(std::move(options)));
}

std::vector<Delivery> take(Consumer& consumer, std::size_t max, std::chrono::milliseconds limit) {
  return expect(consumer.next(max, limit, {}));
}

std::vector<Delivery> take_all(Consumer& consumer, std::size_t count) {
  std::vector<Delivery> all;
  while (all.size() < count) {
    auto some = take(consumer, count - all.size(), kLong);
    if (some.empty()) break;
    std::ranges::move(some, std::back_inserter(all));
  }
  return all;
}

std::vector<DeliveryTag> ack(Consumer& consumer, const std::vector<Delivery>& deliveries) {
  return expect(consumer.ack(tags(deliveries)));
}

QueueFigures figures(Broker& broker, const std::string& queue) {
  const auto all = expect(broker.queues());
  const auto found = std::ranges::find(all, QueueName{queue}, &QueueFigures::name);
  if (found == all.end()) throw std::runtime_error{"no figures of queue " + queue};
  return *found;
}

std::unique_ptr<ControlInbox> open_inbox(Broker& broker, const std::string& node) {
  return expect(broker.control_inbox(node));
}

Message a_control(const std::string& body, const ReplyAddress& reply_to) {
  Message message;
  message.content_type = "application/json";
  message.content_encoding = "utf-8";
  message.headers = boost::json::serialize(
      boost::json::object{{"exchange", reply_to.exchange}, {"routing_key", reply_to.routing_key}});
  message.body = body;
  return message;
}

ReplyAddress reply_address(const Message& request) {
  const auto headers = boost::json::parse(request.headers);
  const auto text = [&headers](const char* key) {
    return std::string{headers.at(key).as_string()};
  };
  return {.exchange = text("exchange"), .routing_key = text("routing_key")};
}

std::vector<DeliveryTag> tags(const std::vector<Delivery>& deliveries) {
  std::vector<DeliveryTag> all;
  for (const auto& delivery : deliveries) all.push_back(delivery.tag);
  return all;
}

std::vector<std::string> bodies(const std::vector<Delivery>& deliveries) {
  std::vector<std::string> all;
  for (const auto& delivery : deliveries) all.push_back(delivery.message.body);
  return all;
}

}  // namespace umbel::testing
