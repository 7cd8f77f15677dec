#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core.hpp"
#include "delayed_route.hpp"
#include "field_table.hpp"
#include "follower.hpp"
#include "mailbox.hpp"
#include "receiver.hpp"
#include "umbel/base/ids.hpp"

namespace umbel {
namespace broker_rabbitmq {
namespace {

constexpr std::chrono::milliseconds kCloseLimit{2000}, kLookLimit{1000};
// Shorter waits are held by the consumer that gets the message.
constexpr std::chrono::seconds kShortestDelay{1};
constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestEvents = 64 * 1024 * 1024;

Result<void> check_queue(const QueueName& queue) {
  if (queue.empty()) return invalid("queue: its name is empty");
  if (queue.str().size() > kLongestName) {
    return invalid(fmt::format("queue `{:.60}…`: the name has {} bytes; AMQP allows {}",
                               queue.str(), queue.str().size(), kLongestName));
  }
  return {};
}

Result<void> check_binding(const QueueBinding& binding) {
  if (binding.exchange.empty()) return invalid("exchange: its name is empty");
  for (const auto& [what, text] :
       {std::pair<const char*, const std::string&>{"exchange", binding.exchange},
        {"routing_key", binding.key}}) {
    if (text.size() > kLongestName) {
      return invalid(fmt::format("{} `{:.60}…` has {} bytes; AMQP allows {}", what, text,
                                 text.size(), kLongestName));
    }
  }
  for (const auto* const type : {"direct", "fanout", "topic", "headers"}) {
    if (binding.type == type) return {};
  }
  return invalid(fmt::format("exchange type `{:.60}` (allowed: direct, fanout, topic, headers)",
                             binding.type));
}

// Destroying a user of a link: gives back, closes, waits a moment for it.
template <class User>
class Held {
 public:
  Held(std::shared_ptr<Core> core, Link& link, std::shared_ptr<User> user)
      : core_{std::move(core)}, link_{link}, user_{std::move(user)} {}
  ~Held() { link_.remove(user_, kCloseLimit); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  User* operator->() const { return user_.get(); }
  [[nodiscard]] const std::shared_ptr<User>& shared() const { return user_; }
  [[nodiscard]] Core& core() const { return *core_; }
  [[nodiscard]] Link& link() const { return link_; }
  // Work on the link's thread that nobody waits for.
  void post(std::function<void(User&, Session&)> work) const {
    link_.post(
        {.run = [user = user_, work = std::move(work)](Session& session) { work(*user, session); },
         .fail = [](const Error&) {}});
  }
  [[nodiscard]] std::function<std::optional<Error>()> outage() const {
    return [this] { return link_.outage(); };
  }

 private:
  const std::shared_ptr<Core> core_;
  Link& link_;
  const std::shared_ptr<User> user_;
};

class RabbitConsumer final : public Consumer {
 public:
  RabbitConsumer(std::shared_ptr<Core> core, std::shared_ptr<Receiver> receiver)
      : receiver_{core, core->consuming(), std::move(receiver)} {}

  Result<std::vector<Delivery>> next(std::size_t max, std::chrono::milliseconds limit,
                                     std::stop_token stop) override {
    return receiver_->next(max, limit, stop, {receiver_.outage(), [this] { renew(); }});
  }
  Result<std::vector<DeliveryTag>> ack(std::span<const DeliveryTag> tags) override {
    return settle(tags, Receiver::Settle::Ack);
  }
  Result<void> requeue(std::span<const DeliveryTag> tags) override {
    (void)settle(tags, Receiver::Settle::Requeue);
    return {};
  }
  Result<void> reject(std::span<const DeliveryTag> tags) override {
    (void)settle(tags, Receiver::Settle::Reject);
    return {};
  }
  Result<void> add_queue(const QueueName& queue) override {
    if (auto fine = check_queue(queue); !fine) return fine;
    receiver_.core().known->add(queue.str());
    return receiver_.link().call<void>(
        receiver_.core().options.answer_limit,
        [user = receiver_.shared(), name = queue.str()](Session& session) {
          return user->add_queue(session, name);
        });
  }
  Result<void> add_queue_from(const QueueName& queue, const QueueBinding& binding) override {
    if (auto fine = check_queue(queue); !fine) return fine;
    if (auto fine = check_binding(binding); !fine) return fine;
    receiver_.core().known->add(queue.str());
    return receiver_.link().call<void>(
        receiver_.core().options.answer_limit,
        [user = receiver_.shared(), name = queue.str(), binding](Session& session) {
          return user->add_queue(session, name, binding);
        });
  }
  Result<void> cancel_queue(const QueueName& queue) override {
    return receiver_.link().call<void>(
        receiver_.core().options.answer_limit,
        [user = receiver_.shared(), name = queue.str()](Session& session) {
          auto done = user->cancel_queue(session, name);
          user->flush(session);
          return done;
        });
  }
  void set_prefetch(std::size_t prefetch) override {
    if (receiver_->set_prefetch(prefetch)) renew();
  }
  std::size_t unacked() const override { return receiver_->unacked(); }

 private:
  std::vector<DeliveryTag> settle(std::span<const DeliveryTag> tags, Receiver::Settle how) {
    receiver_.link().catch_up(kLookLimit);
    bool must_flush = false;
    auto lost = receiver_->settle(tags, how, must_flush);
    if (must_flush) {
      receiver_.post([](Receiver& user, Session& session) { user.flush(session); });
    }
    return lost;
  }

  void renew() {
    receiver_.post([](Receiver& user, Session& session) { user.renew(session); });
  }

  const Held<Receiver> receiver_;
};

class RabbitSubscription final : public EventSubscription {
 public:
  RabbitSubscription(std::shared_ptr<Core> core, std::shared_ptr<Follower> follower)
      : follower_{core, core->events(), std::move(follower)} {}

  Result<std::vector<EventBatch>> next(std::size_t max, std::chrono::milliseconds limit,
                                       std::stop_token stop) override {
    if (follower_->wants_a_look(Steady::now())) look();
    return follower_->next(max, limit, stop, follower_.outage());
  }
  Result<void> commit(EventOffset offset) override {
    auto done = follower_->commit(offset);
    if (done) {
      follower_.post([](Follower& user, Session& session) { user.acknowledge(session); });
    }
    return done;
  }
  // Asked over another connection: this one may have much to read first.
  Result<EventStreamFigures> figures() override {
    const auto there = follower_.core().consuming().call<amqp_queue_declare_ok_t>(
        follower_.core().options.answer_limit,
        [name = follower_->queue()](Session& session) { return Topology::look(session, name); });
    if (!there) return there.error();
    return follower_->figures(there->message_count);
  }

 private:
  // Over another connection, for the same reason; nobody waits for it.
  void look() {
    follower_.core().consuming().post({.run =
                                           [follower = follower_.shared()](Session& session) {
                                             const auto there =
                                                 Topology::look(session, follower->queue());
                                             if (there) follower->looked(there->message_count);
                                           },
                                       .fail = [](const Error&) {}});
  }

  const Held<Follower> follower_;
};

class RabbitInbox final : public ControlInbox {
 public:
  RabbitInbox(std::shared_ptr<Core> core, std::shared_ptr<Mailbox> mailbox)
      : mailbox_{core, core->consuming(), std::move(mailbox)} {}
  Result<std::vector<Message>> next(std::size_t max, std::chrono::milliseconds limit,
                                    std::stop_token stop) override {
    return mailbox_->next(max, limit, stop, mailbox_.outage());
  }

 private:
  const Held<Mailbox> mailbox_;
};

class RabbitWorkerEvents final : public WorkerEvents {
 public:
  RabbitWorkerEvents(std::shared_ptr<Core> core, std::shared_ptr<Mailbox> mailbox)
      : mailbox_{core, core->consuming(), std::move(mailbox)} {}
  Result<std::vector<std::string>> next(std::size_t max, std::chrono::milliseconds limit,
                                        std::stop_token stop) override {
    auto messages = mailbox_->next(max, limit, stop, mailbox_.outage());
    if (!messages) return messages.error();
    std::vector<std::string> bodies;
    for (auto& message : *messages) bodies.push_back(std::move(message.body));
    return bodies;
  }

 private:
  const Held<Mailbox> mailbox_;
};

class RabbitReplyBox final : public ReplyBox {
 public:
  RabbitReplyBox(std::shared_ptr<Core> core, std::shared_ptr<Mailbox> mailbox)
      : mailbox_{core, core->consuming(), std::move(mailbox)} {}
  ReplyAddress address() const override { return {mailbox_->exchange(), mailbox_->key()}; }
  Result<std::vector<Message>> next(std::size_t max, std::chrono::milliseconds limit,
                                    std::stop_token stop) override {
    return mailbox_->next(max, limit, stop, mailbox_.outage());
  }

 private:
  const Held<Mailbox> mailbox_;
};

Result<void> send_replies(Session& session, LoosePublisher& channel,
                          const std::vector<std::unique_ptr<Outgoing>>& replies) {
  // Asked before anything else: a server that takes no messages answers no questions either.
  if (const auto why = blocked(session)) return *why;
  // To an exchange that is not there nobody listens, and sending would close the channel.
  std::map<std::string, bool> is_there;
  for (const auto& reply : replies) {
    const auto [place, fresh] = is_there.try_emplace(reply->exchange, true);
    if (!fresh || reply->exchange.empty()) continue;
    const auto there = Topology::exchange_there(session, reply->exchange);
    if (!there) return there.error();
    place->second = *there;
  }
  const bool many = replies.size() > 1;
  if (many) session.cork(true);
  Result<void> sent;
  for (const auto& reply : replies) {
    if (sent && is_there[reply->exchange]) sent = channel.send(session, *reply);
  }
  if (many && !session.failure()) session.cork(false);
  return sent;
}

class RabbitBroker final : public Broker {
 public:
  explicit RabbitBroker(std::shared_ptr<Core> core) : core_{std::move(core)} {}

  Result<void> declare(std::span<const QueueName> queues) override;
  Result<void> publish(std::span<const OutgoingMessage> messages) override;
  Result<std::unique_ptr<Consumer>> consume(ConsumeOptions options) override;
  Result<std::uint64_t> purge(const QueueName& queue) override;
  Result<void> publish_events(std::string_view body, const EventRoute& route) override;
  Result<std::unique_ptr<EventSubscription>> subscribe(SubscribeOptions options) override;
  Result<std::uint64_t> forget_subscriber(const std::string& name) override;
  Result<std::unique_ptr<WorkerEvents>> worker_events() override;
  Result<void> broadcast(const Message& request) override;
  Result<std::unique_ptr<ControlInbox>> control_inbox(const std::string& node) override;
  Result<std::unique_ptr<ReplyBox>> reply_box() override;
  Result<void> reply(const ReplyAddress& to, const Message& message) override {
    const OutgoingReply one{to, message};
    return reply_all({&one, 1});
  }
  Result<void> reply_all(std::span<const OutgoingReply> replies) override;
  Result<std::vector<QueueFigures>> queues(std::span<const QueueName> named) override;
  Result<void> ping() override;

 private:
  [[nodiscard]] Result<void> put(Batch& batch, const OutgoingMessage& message, WallTime now) const;
  [[nodiscard]] Result<void> send(const std::shared_ptr<Batch>& batch);
  template <class T>
  [[nodiscard]] Result<T> ask(std::function<Result<T>(Session&)> work) {
    return core_->consuming().call<T>(core_->options.answer_limit, std::move(work));
  }

  const std::shared_ptr<Core> core_;
};

Result<void> RabbitBroker::declare(std::span<const QueueName> queues) {
  std::vector<std::string> names;
  for (const auto& queue : queues) {
    if (auto fine = check_queue(queue); !fine) return fine;
    names.push_back(queue.str());
  }
  for (const auto& name : names) core_->known->add(name);
  return ask<void>([names, topology = core_->topology](Session& session) -> Result<void> {
    for (const auto& name : names) {
      if (auto made = topology.queue(session, name); !made) return made;
    }
    return {};
  });
}

Result<void> RabbitBroker::put(Batch& batch, const OutgoingMessage& message, WallTime now) const {
  if (auto fine = check_queue(message.queue); !fine) return fine;
  const auto& queue = message.queue.str();
  Marks marks{.published = now, .expires = message.message.expires, .not_before = {}};
  if (message.not_before && *message.not_before > now) marks.not_before = message.not_before;
  auto made = Outgoing::of(message.message, marks, true);
  if (!made) return made.error();
  auto out = std::move(*made);
  out->mandatory = true;
  out->routing_key = queue;
  if (marks.not_before) {
    const auto delay = std::chrono::floor<std::chrono::seconds>(*marks.not_before - now);
    if (delay >= kShortestDelay) {
      if (delay > kLongestDelay) {
        return invalid(fmt::format("queue `{}`: a delay of {} s is longer than {} s", queue,
                                   delay.count(), kLongestDelay.count()));
      }
      out->exchange = delay_level_name(kDelayLevels - 1);
      out->routing_key = delayed_key(delay, queue);
      if (out->routing_key.size() > kLongestName) {
        return invalid(
            fmt::format("queue `{:.60}…`: for a delayed message its name may have {} "
                        "bytes",
                        queue, kLongestName - 2 * std::size_t{kDelayLevels}));
      }
      batch.delayed.insert(queue);
    }
  }
  batch.queues.insert(queue);
  batch.messages.push_back(std::move(out));
  return {};
}

Result<void> RabbitBroker::send(const std::shared_ptr<Batch>& batch) {
  core_->publishing().post(
      {.run = [core = core_.get(),
               batch](Session& session) { core->publisher().send(session, batch); },
       .fail = [batch](const Error& error) { batch->finish(error); }});
  return batch->wait(core_->options.confirm_limit);
}

Result<void> RabbitBroker::publish(std::span<const OutgoingMessage> messages) {
  if (messages.empty()) return {};
  const auto batch = std::make_shared<Batch>();
  const auto now = core_->clock.wall();
  for (const auto& message : messages) {
    if (auto fine = put(*batch, message, now); !fine) return fine;
  }
  for (const auto& queue : batch->queues) core_->known->add(queue);
  return send(batch);
}

Result<std::unique_ptr<Consumer>> RabbitBroker::consume(ConsumeOptions options) {
  if (options.queues.empty()) return invalid("consumer: it names no queue");
  if (options.prefetch == 0) return invalid("consumer: prefetch is 0; it must be at least 1");
  for (const auto& queue : options.queues) {
    if (const auto fine = check_queue(queue); !fine) return fine.error();
  }
  for (const auto& queue : options.queues) core_->known->add(queue.str());
  auto receiver = std::make_shared<Receiver>(std::move(options), core_->topology, core_->clock);
  if (const auto up = core_->consuming().add(receiver, core_->options.answer_limit); !up) {
    return up.error();
  }
  std::unique_ptr<Consumer> made = std::make_unique<RabbitConsumer>(core_, std::move(receiver));
  return made;
}

Result<std::uint64_t> RabbitBroker::purge(const QueueName& queue) {
  if (const auto fine = check_queue(queue); !fine) return fine.error();
  return ask<std::uint64_t>([name = queue.str()](Session& session) -> Result<std::uint64_t> {
    const auto channel = session.scratch();
    if (!channel) return channel.error();
    const amqp_queue_purge_t method{0, bytes_of(name), 0};
    const auto done = session.ask<amqp_queue_purge_ok_t>(*channel, AMQP_QUEUE_PURGE_METHOD, method,
                                                         AMQP_QUEUE_PURGE_OK_METHOD,
                                                         fmt::format("purging queue `{}`", name));
    if (!done) return done.error();
    return std::uint64_t{done->message_count};
  });
}

Result<void> RabbitBroker::publish_events(std::string_view body, const EventRoute& route) {
  const auto most = std::min<std::uint64_t>(kLongestEvents, core_->options.max_event_bytes);
  if (body.size() > most) {
    return invalid(
        fmt::format("events: a batch of {} bytes; at most {} are taken", body.size(), most));
  }
  if (route.key.size() > kLongestName) {
    return invalid(fmt::format("events: the routing key `{:.60}…` has {} bytes; AMQP allows {}",
                               route.key, route.key.size(), kLongestName));
  }
  std::shared_ptr<Outgoing> out = Outgoing::event(body, route.node, core_->clock.wall());
  out->exchange = kEventExchange;
  out->routing_key = route.key;
  return core_->events().call<void>(
      core_->options.answer_limit,
      [out, channel = core_->event_publisher()](Session& session) -> Result<void> {
        if (auto made = Topology::exchange(session, kEventExchange, "topic", true); !made) {
          return made;
        }
        return channel->send(session, *out);
      });
}

Result<std::unique_ptr<EventSubscription>> RabbitBroker::subscribe(SubscribeOptions options) {
  if (options.name.empty()) return invalid("event subscriber: its name is empty");
  if (auto fine = check_queue(QueueName{Follower::queue_of(options.name)}); !fine) {
    return fine.error();
  }
  auto follower = std::make_shared<Follower>(options.name, options.after.value_or(0),
                                             core_->options.max_event_bytes);
  if (const auto up = core_->events().add(follower, core_->options.answer_limit); !up) {
    return up.error();
  }
  std::unique_ptr<EventSubscription> made =
      std::make_unique<RabbitSubscription>(core_, std::move(follower));
  return made;
}

Result<std::uint64_t> RabbitBroker::forget_subscriber(const std::string& name) {
  if (name.empty()) return invalid("event subscriber: its name is empty");
  const auto queue = Follower::queue_of(name);
  if (const auto fine = check_queue(QueueName{queue}); !fine) return fine.error();
  return ask<std::uint64_t>([queue](Session& session) -> Result<std::uint64_t> {
    // Deleting what is not there is no error to a server.
    if (const auto there = Topology::look(session, queue); !there) return there.error();
    const auto channel = session.scratch();
    if (!channel) return channel.error();
    const amqp_queue_delete_t method{0, bytes_of(queue), 1, 0, 0};
    const auto done = session.ask<amqp_queue_delete_ok_t>(
        *channel, AMQP_QUEUE_DELETE_METHOD, method, AMQP_QUEUE_DELETE_OK_METHOD,
        fmt::format("deleting queue `{}`", queue));
    if (!done) return done.error();
    return std::uint64_t{done->message_count};
  });
}

// As Celery's gossip listens.
Result<std::unique_ptr<WorkerEvents>> RabbitBroker::worker_events() {
  auto mailbox = std::make_shared<Mailbox>(
      kEventExchange, "topic", std::string{kEventExchange} + "." + random_uuid(), "worker.#",
      kControlBound,
      Mailbox::Kind{.durable_exchange = true, .time_to_live = 5'000, .expires = 60'000});
  if (const auto up = core_->consuming().add(mailbox, core_->options.answer_limit); !up) {
    return up.error();
  }
  std::unique_ptr<WorkerEvents> made =
      std::make_unique<RabbitWorkerEvents>(core_, std::move(mailbox));
  return made;
}

Result<void> RabbitBroker::broadcast(const Message& request) {
  auto made = Outgoing::of(request, {}, true);
  if (!made) return made.error();
  std::shared_ptr<Outgoing> out = std::move(*made);
  out->exchange = kControlExchange;
  return core_->publishing().call<void>(
      core_->options.answer_limit,
      [out, channel = core_->replies()](Session& session) -> Result<void> {
        if (const auto why = blocked(session)) return *why;
        if (auto there = Topology::exchange(session, kControlExchange, "fanout", false); !there) {
          return there;
        }
        return channel->send(session, *out);
      });
}

Result<std::unique_ptr<ControlInbox>> RabbitBroker::control_inbox(const std::string& node) {
  if (node.empty()) return invalid("control inbox: the node's name is empty");
  auto queue = node + "." + kControlExchange;
  if (auto fine = check_queue(QueueName{queue}); !fine) return fine.error();
  auto mailbox =
      std::make_shared<Mailbox>(kControlExchange, "fanout", std::move(queue), "", kControlBound);
  if (const auto up = core_->consuming().add(mailbox, core_->options.answer_limit); !up) {
    return up.error();
  }
  std::unique_ptr<ControlInbox> made = std::make_unique<RabbitInbox>(core_, std::move(mailbox));
  return made;
}

Result<std::unique_ptr<ReplyBox>> RabbitBroker::reply_box() {
  auto key = random_uuid();
  auto queue = key + "." + kReplyExchange;
  auto mailbox = std::make_shared<Mailbox>(kReplyExchange, "direct", std::move(queue),
                                           std::move(key), kControlBound);
  if (const auto up = core_->consuming().add(mailbox, core_->options.answer_limit); !up) {
    return up.error();
  }
  std::unique_ptr<ReplyBox> made = std::make_unique<RabbitReplyBox>(core_, std::move(mailbox));
  return made;
}

Result<void> RabbitBroker::reply_all(std::span<const OutgoingReply> replies) {
  auto all = std::make_shared<std::vector<std::unique_ptr<Outgoing>>>();
  for (const auto& [to, message] : replies) {
    if (to.exchange.size() > kLongestName || to.routing_key.size() > kLongestName) {
      return invalid("reply: its address is longer than AMQP's 255 bytes");
    }
    auto made = Outgoing::of(message, {}, false);
    if (!made) return made.error();
    (*made)->exchange = to.exchange;
    (*made)->routing_key = to.routing_key;
    all->push_back(std::move(*made));
  }
  if (all->empty()) return {};
  return core_->publishing().call<void>(
      core_->options.answer_limit,
      [all, channel = core_->replies()](Session& session) -> Result<void> {
        return send_replies(session, *channel, *all);
      });
}

// Of the queues that this process knows or is told of, what AMQP says of this moment; the
// management API adds the rest.
Result<std::vector<QueueFigures>> RabbitBroker::queues(std::span<const QueueName> named) {
  std::optional<QueuesByName> managed;
  if (core_->management() != nullptr) managed = core_->management()->queues();
  auto names = core_->known->all();
  for (const auto& name : named) names.insert(name.str());
  auto seen =
      ask<QueuesByName>([names, known = core_->known](Session& session) -> Result<QueuesByName> {
        QueuesByName all;
        const auto now = Steady::now();
        for (const auto& name : names) {
          if (!known->worth_a_look(name, now)) continue;
          const auto there = Topology::look(session, name);
          if (session.failure()) return *session.failure();
          if (!there) {
            known->not_there(name, now);
            continue;
          }
          auto& figures = all[name];
          figures.name = QueueName{name};
          figures.ready = there->message_count;
          figures.consumers = there->consumer_count;
        }
        return all;
      });
  if (!seen) return seen.error();
  if (managed) {
    for (auto& [name, figures] : *managed) {
      const auto [place, fresh] = seen->try_emplace(name, figures);
      if (fresh) continue;
      figures.ready = place->second.ready;
      figures.consumers = place->second.consumers;
      if (figures.ready == 0) figures.oldest_ready.reset();
      place->second = figures;
    }
  }
  std::vector<QueueFigures> all;
  for (auto& [name, figures] : *seen) all.push_back(std::move(figures));
  return all;
}

Result<void> RabbitBroker::ping() {
  if (auto* publishing = core_->publishing_if_any()) {
    auto open =
        publishing->call<void>(core_->options.answer_limit, [](Session& session) -> Result<void> {
          if (const auto why = blocked(session)) return *why;
          return {};
        });
    if (!open) return open;
  }
  return ask<void>([](Session& session) -> Result<void> {
    const auto channel = session.scratch();
    if (!channel) return channel.error();
    const amqp_basic_qos_t method{0, 1, 0};
    const auto answer = session.ask<amqp_basic_qos_ok_t>(
        *channel, AMQP_BASIC_QOS_METHOD, method, AMQP_BASIC_QOS_OK_METHOD, "asking for a sign");
    if (!answer) return answer.error();
    return {};
  });
}

}  // namespace
}  // namespace broker_rabbitmq

std::unique_ptr<Broker> open_rabbitmq_broker(RabbitmqBrokerOptions options, const Clock& clock,
                                             Log log) {
  return std::make_unique<broker_rabbitmq::RabbitBroker>(
      std::make_shared<broker_rabbitmq::Core>(std::move(options), clock, std::move(log)));
}

}  // namespace umbel
