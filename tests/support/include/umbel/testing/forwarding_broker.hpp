// A broker that hands every call on to another: for tests that change one or two of them.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "umbel/broker/broker.hpp"

namespace umbel::testing {

// The real broker outlives it. Thread-safe, as the one beneath.
class ForwardingBroker : public Broker {
 public:
  explicit ForwardingBroker(Broker& real) : real_{real} {}

  [[nodiscard]] Result<void> publish(std::span<const OutgoingMessage> messages) override {
    return real_.publish(messages);
  }
  [[nodiscard]] Result<void> declare(std::span<const QueueName> names) override {
    return real_.declare(names);
  }
  [[nodiscard]] Result<std::unique_ptr<Consumer>> consume(ConsumeOptions options) override {
    return real_.consume(std::move(options));
  }
  [[nodiscard]] Result<void> publish_events(std::string_view body,
                                            const EventRoute& route) override {
    return real_.publish_events(body, route);
  }
  [[nodiscard]] Result<std::unique_ptr<EventSubscription>> subscribe(
      SubscribeOptions options) override {
    return real_.subscribe(std::move(options));
  }
  [[nodiscard]] Result<std::uint64_t> purge(const QueueName& queue) override {
    return real_.purge(queue);
  }
  [[nodiscard]] Result<std::unique_ptr<WorkerEvents>> worker_events() override {
    return real_.worker_events();
  }
  [[nodiscard]] Result<void> broadcast(const Message& request) override {
    return real_.broadcast(request);
  }
  [[nodiscard]] Result<std::unique_ptr<ControlInbox>> control_inbox(
      const std::string& node) override {
    return real_.control_inbox(node);
  }
  [[nodiscard]] Result<std::unique_ptr<ReplyBox>> reply_box() override { return real_.reply_box(); }
  [[nodiscard]] Result<void> reply(const ReplyAddress& to, const Message& message) override {
    return real_.reply(to, message);
  }
  [[nodiscard]] Result<std::vector<QueueFigures>> queues(
      std::span<const QueueName> named) override {
    return real_.queues(named);
  }
  [[nodiscard]] Result<void> ping() override { return real_.ping(); }

 private:
  Broker& real_;
};

}  // namespace umbel::testing
