// A broker whose calls fail: every call as a FaultPlan says, or those to publish when told to.
//
// A call that fails after it took effect is the one that real networks have: the message is in the
// queue, but the answer was lost. For Consumer::next that is a lost connection: what was taken goes
// back and comes again as redelivered. Thread-safe, as the broker beneath.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/broker/broker.hpp"
#include "umbel/testing/faults.hpp"

namespace umbel::testing {

class FaultyConsumer final : public Consumer {
 public:
  FaultyConsumer(std::unique_ptr<Consumer> real, FaultPlan& plan)
      : real_{std::move(real)}, plan_{plan} {}

  [[nodiscard]] Result<std::vector<Delivery>> next(std::size_t max, std::chrono::milliseconds limit,
                                                   std::stop_token stop) override {
    return plan_.run(
        "consumer.next", [&] { return real_->next(max, limit, stop); },
        [this](const Result<std::vector<Delivery>>& taken) {
          std::vector<DeliveryTag> tags;
          for (const auto& delivery : *taken) tags.push_back(delivery.tag);
          const auto back = real_->requeue(tags);
          EXPECT_TRUE(back) << back.error().what;
        });
  }
  [[nodiscard]] Result<std::vector<DeliveryTag>> ack(std::span<const DeliveryTag> tags) override {
    return plan_.run("consumer.ack", [&] { return real_->ack(tags); });
  }
  [[nodiscard]] Result<void> requeue(std::span<const DeliveryTag> tags) override {
    return plan_.run("consumer.requeue", [&] { return real_->requeue(tags); });
  }
  [[nodiscard]] Result<void> reject(std::span<const DeliveryTag> tags) override {
    return plan_.run("consumer.reject", [&] { return real_->reject(tags); });
  }
  [[nodiscard]] Result<void> add_queue(const QueueName& queue) override {
    return plan_.run("consumer.add_queue", [&] { return real_->add_queue(queue); });
  }
  [[nodiscard]] Result<void> add_queue_from(const QueueName& queue,
                                            const QueueBinding& binding) override {
    return plan_.run("consumer.add_queue_from",
                     [&] { return real_->add_queue_from(queue, binding); });
  }
  [[nodiscard]] Result<void> cancel_queue(const QueueName& queue) override {
    return plan_.run("consumer.cancel_queue", [&] { return real_->cancel_queue(queue); });
  }
  void set_prefetch(std::size_t prefetch) override { real_->set_prefetch(prefetch); }
  [[nodiscard]] std::size_t unacked() const override { return real_->unacked(); }

 private:
  std::unique_ptr<Consumer> real_;
  FaultPlan& plan_;
};

class FaultySubscription final : public EventSubscription {
 public:
  FaultySubscription(std::unique_ptr<EventSubscription> real, FaultPlan& plan)
      : real_{std::move(real)}, plan_{plan} {}

  // After: what was read comes again at the next call, for it was never returned.
  [[nodiscard]] Result<std::vector<EventBatch>> next(std::size_t max,
                                                     std::chrono::milliseconds limit,
                                                     std::stop_token stop) override {
    return plan_.run(
        "subscription.next",
        [&]() -> Result<std::vector<EventBatch>> {
          const std::scoped_lock lock{mutex_};
          if (unreturned_.empty()) return real_->next(max, limit, stop);
          const auto count = static_cast<std::ptrdiff_t>(std::min(max, unreturned_.size()));
          std::vector<EventBatch> first{unreturned_.begin(), unreturned_.begin() + count};
          unreturned_.erase(unreturned_.begin(), unreturned_.begin() + count);
          return first;
        },
        [this](Result<std::vector<EventBatch>>& read) {
          const std::scoped_lock lock{mutex_};
          unreturned_.insert(unreturned_.begin(), read->begin(), read->end());
        });
  }
  [[nodiscard]] Result<void> commit(EventOffset offset) override {
    return plan_.run("subscription.commit", [&] { return real_->commit(offset); });
  }
  [[nodiscard]] Result<EventStreamFigures> figures() override {
    return plan_.run("subscription.figures", [&] { return real_->figures(); });
  }

 private:
  std::unique_ptr<EventSubscription> real_;
  FaultPlan& plan_;
  std::mutex mutex_;
  std::vector<EventBatch> unreturned_;
};

// What is read although the call fails is lost, as on a wire that breaks.
class FaultyControlInbox final : public ControlInbox {
 public:
  FaultyControlInbox(std::unique_ptr<ControlInbox> real, FaultPlan& plan)
      : real_{std::move(real)}, plan_{plan} {}

  [[nodiscard]] Result<std::vector<Message>> next(std::size_t max, std::chrono::milliseconds limit,
                                                  std::stop_token stop) override {
    return plan_.run("control_inbox.next", [&] { return real_->next(max, limit, stop); });
  }

 private:
  std::unique_ptr<ControlInbox> real_;
  FaultPlan& plan_;
};

class FaultyReplyBox final : public ReplyBox {
 public:
  FaultyReplyBox(std::unique_ptr<ReplyBox> real, FaultPlan& plan)
      : real_{std::move(real)}, plan_{plan} {}

  [[nodiscard]] ReplyAddress address() const override { return real_->address(); }
  [[nodiscard]] Result<std::vector<Message>> next(std::size_t max, std::chrono::milliseconds limit,
                                                  std::stop_token stop) override {
    return plan_.run("reply_box.next", [&] { return real_->next(max, limit, stop); });
  }

 private:
  std::unique_ptr<ReplyBox> real_;
  FaultPlan& plan_;
};

enum class PublishFault { BeforeEffect, AfterEffect };

// The real broker and the plan outlive it and what it made.
class FaultyBroker final : public Broker {
 public:
  explicit FaultyBroker(Broker& real) : FaultyBroker{real, nullptr} {}
  FaultyBroker(Broker& real, FaultPlan& plan) : FaultyBroker{real, &plan} {}

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
    return plan_->run("broker.publish", [&]() -> Result<void> {
      const auto fault = next_fault();
      if (!fault) return real_.publish(messages);
      if (*fault == PublishFault::BeforeEffect) return unavailable("publish: told to fail");
      if (auto published = real_.publish(messages); !published) return published;
      return Error{Errc::OutcomeUnknown, "publish: told to lose the answer"};
    });
  }

  [[nodiscard]] Result<void> declare(std::span<const QueueName> names) override {
    return plan_->run("broker.declare", [&] { return real_.declare(names); });
  }
  // After: the consumer was there for a moment and is gone with its connection.
  [[nodiscard]] Result<std::unique_ptr<Consumer>> consume(ConsumeOptions options) override {
    return plan_->run("broker.consume", [&]() -> Result<std::unique_ptr<Consumer>> {
      auto consumer = real_.consume(std::move(options));
      if (!consumer) return consumer.error();
      return std::unique_ptr<Consumer>{
          std::make_unique<FaultyConsumer>(std::move(*consumer), *plan_)};
    });
  }
  [[nodiscard]] Result<void> publish_events(std::string_view body,
                                            const EventRoute& route) override {
    return plan_->run("broker.publish_events", [&] { return real_.publish_events(body, route); });
  }
  [[nodiscard]] Result<std::unique_ptr<EventSubscription>> subscribe(
      SubscribeOptions options) override {
    return plan_->run("broker.subscribe", [&]() -> Result<std::unique_ptr<EventSubscription>> {
      auto subscription = real_.subscribe(std::move(options));
      if (!subscription) return subscription.error();
      return std::unique_ptr<EventSubscription>{
          std::make_unique<FaultySubscription>(std::move(*subscription), *plan_)};
    });
  }
  [[nodiscard]] Result<std::uint64_t> purge(const QueueName& queue) override {
    return plan_->run("broker.purge", [&] { return real_.purge(queue); });
  }
  [[nodiscard]] Result<std::unique_ptr<WorkerEvents>> worker_events() override {
    return plan_->run("broker.worker_events", [&] { return real_.worker_events(); });
  }
  [[nodiscard]] Result<void> broadcast(const Message& request) override {
    return plan_->run("broker.broadcast", [&] { return real_.broadcast(request); });
  }
  [[nodiscard]] Result<std::unique_ptr<ControlInbox>> control_inbox(
      const std::string& node) override {
    return plan_->run("broker.control_inbox", [&]() -> Result<std::unique_ptr<ControlInbox>> {
      auto inbox = real_.control_inbox(node);
      if (!inbox) return inbox.error();
      return std::unique_ptr<ControlInbox>{
          std::make_unique<FaultyControlInbox>(std::move(*inbox), *plan_)};
    });
  }
  [[nodiscard]] Result<std::unique_ptr<ReplyBox>> reply_box() override {
    return plan_->run("broker.reply_box", [&]() -> Result<std::unique_ptr<ReplyBox>> {
      auto box = real_.reply_box();
      if (!box) return box.error();
      return std::unique_ptr<ReplyBox>{std::make_unique<FaultyReplyBox>(std::move(*box), *plan_)};
    });
  }
  [[nodiscard]] Result<void> reply(const ReplyAddress& to, const Message& message) override {
    return plan_->run("broker.reply", [&] { return real_.reply(to, message); });
  }
  [[nodiscard]] Result<std::vector<QueueFigures>> queues(
      std::span<const QueueName> named) override {
    return plan_->run("broker.queues", [&] { return real_.queues(named); });
  }
  [[nodiscard]] Result<void> ping() override {
    return plan_->run("broker.ping", [&] { return real_.ping(); });
  }

 private:
  FaultyBroker(Broker& real, FaultPlan* plan)
      : real_{real}, plan_{plan != nullptr ? plan : &no_faults_} {}

  [[nodiscard]] std::optional<PublishFault> next_fault() {
    const std::scoped_lock lock{mutex_};
    ++publishes_;
    if (failures_left_ == 0) return std::nullopt;
    --failures_left_;
    return fault_;
  }

  Broker& real_;
  FaultPlan no_faults_;
  FaultPlan* plan_;
  mutable std::mutex mutex_;
  PublishFault fault_ = PublishFault::BeforeEffect;
  int failures_left_ = 0;
  int publishes_ = 0;
};

}  // namespace umbel::testing
