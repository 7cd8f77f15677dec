// A broker whose calls to publish fail when told to, before or after they took effect.
//
// The second kind is the one that real networks have: the message is in the queue, but the answer
// was lost. Everything else is passed on. Thread-safe, as the broker beneath.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "umbel/broker/broker.hpp"

namespace umbel::testing {

enum class PublishFault { BeforeEffect, AfterEffect };

class FaultyBroker final : public Broker {
 public:
  explicit FaultyBroker(Broker& real) : real_{real} {}

  // The next `times` calls to publish fail.
  void fail_publish(PublishFault fault, int times = 1) {
    const std::scoped_lock lock{mutex_};
    fault_ = fault;
    failures_left_ = times;
  }
  // Calls to publish so far, failed ones too.
  [[nodiscard]] int publishes() const {
    const std::scoped_lock lock{mutex_};
    return publishes_;
  }

  [[nodiscard]] Result<void> publish(std::span<const OutgoingMessage> messages) override {
    const auto fault = next_fault();
    if (!fault) return real_.publish(messages);
    if (*fault == PublishFault::BeforeEffect) return unavailable("publish: told to fail");
    if (auto published = real_.publish(messages); !published) return published;
    return Error{Errc::OutcomeUnknown, "publish: told to lose the answer"};
  }

  [[nodiscard]] Result<void> declare(std::span<const QueueName> names) override {
    return real_.declare(names);
  }
  [[nodiscard]] Result<std::unique_ptr<Consumer>> consume(ConsumeOptions options) override {
    return real_.consume(std::move(options));
  }
  [[nodiscard]] Result<void> publish_events(std::string_view body) override {
    return real_.publish_events(body);
  }
  [[nodiscard]] Result<std::unique_ptr<EventSubscription>> subscribe(
      SubscribeOptions options) override {
    return real_.subscribe(std::move(options));
  }
  [[nodiscard]] Result<std::vector<QueueFigures>> queues() override { return real_.queues(); }
  [[nodiscard]] Result<void> ping() override { return real_.ping(); }

 private:
  [[nodiscard]] std::optional<PublishFault> next_fault() {
    const std::scoped_lock lock{mutex_};
    ++publishes_;
    if (failures_left_ == 0) return std::nullopt;
    --failures_left_;
    return fault_;
  }

  Broker& real_;
  mutable std::mutex mutex_;
  PublishFault fault_ = PublishFault::BeforeEffect;
  int failures_left_ = 0;
  int publishes_ = 0;
};

}  // namespace umbel::testing
