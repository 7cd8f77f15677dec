// The broker port: queues of messages, one stream of events that everybody may follow, and the
// channel of remote control (control_channel.hpp).
//
// What an engine promises, whatever it is: a published message is kept until a consumer
// acknowledges it; a message held by a consumer that died goes back to its queue within 10 s,
// marked as redelivered; acknowledging what one no longer holds changes nothing and is said.
// tests/conformance/ checks every engine against this header. All classes are thread-safe; every
// wait ends at its limit or when its stop token is set.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/broker/control_channel.hpp"
#include "umbel/broker/worker_events.hpp"
#include "umbel/model/message.hpp"

namespace umbel {

struct OutgoingMessage {
  QueueName queue;
  Message message;
  std::optional<WallTime> not_before;  // delayed delivery; nothing or the past: at once
};

struct OutgoingReply {
  ReplyAddress to;
  Message message;
};

using DeliveryTag = std::uint64_t;  // unique within one Consumer

struct Delivery {
  DeliveryTag tag = 0;
  QueueName queue;
  Message message;
  bool redelivered = false;  // some consumer held it before
  WallTime published{};
};

// Where a queue gets its messages from, in AMQP's words.
struct QueueBinding {
  std::string exchange;
  std::string type = "direct";  // of the exchange
  std::string key;

  friend bool operator==(const QueueBinding&, const QueueBinding&) = default;
};

struct ConsumeOptions {
  std::vector<QueueName> queues;  // declared if missing
  std::size_t prefetch = 4;       // most messages held unacknowledged; at least 1
  std::string consumer;           // for people: a worker's node name
};

// One consumer's hold on its queues. Destroying it gives everything unacknowledged back at once.
class Consumer {
 public:
  virtual ~Consumer() = default;

  // Waits up to `limit` for a message, then takes what is there: at most `max`, at most what
  // prefetch leaves. Larger priority first, then oldest first. Empty when the limit passed or stop
  // was requested. A message whose `expires` has passed is still delivered: the worker says so.
  [[nodiscard]] virtual Result<std::vector<Delivery>> next(std::size_t max,
                                                           std::chrono::milliseconds limit,
                                                           std::stop_token stop) = 0;

  // Removes messages for good. Answers the tags that this consumer no longer held (its lease had
  // run out): those were or will be delivered again. Unavailable: nothing was acknowledged.
  [[nodiscard]] virtual Result<std::vector<DeliveryTag>> ack(std::span<const DeliveryTag> tags) = 0;

  // Puts messages back, first in line; they come again as redelivered.
  [[nodiscard]] virtual Result<void> requeue(std::span<const DeliveryTag> tags) = 0;

  // Removes messages for good that nobody will ever run (poison, revoked). Where an engine sets
  // such messages aside (a dead-letter exchange) they go there; elsewhere this is ack(). Tags that
  // are no longer held change nothing.
  [[nodiscard]] virtual Result<void> reject(std::span<const DeliveryTag> tags) = 0;

  // Takes from this queue too, from the next delivery on, also within a call of next() that waits
  // now. Declared if missing; consumed already: nothing happens. Invalid: an empty name.
  [[nodiscard]] virtual Result<void> add_queue(const QueueName& queue) = 0;

  // The same; the queue is bound to an exchange of this name and type, declared if it is missing.
  // Invalid: this engine cannot, or there is an exchange of that name and of another type; then
  // nothing was changed.
  [[nodiscard]] virtual Result<void> add_queue_from(const QueueName& queue,
                                                    const QueueBinding& binding) {
    if (binding == QueueBinding{queue.str(), "direct", queue.str()}) return add_queue(queue);
    return invalid("queue `" + queue.str() +
                   "`: this broker has no exchanges (allowed: the direct exchange and the routing "
                   "key of the queue's own name)");
  }

  // Takes no more from this queue; what is held of it stays held. Not consumed: nothing happens. A
  // consumer without any queue waits until it is given one.
  [[nodiscard]] virtual Result<void> cancel_queue(const QueueName& queue) = 0;

  // Most messages held unacknowledged from now on; 0 is taken as 1. Larger: a call of next() that
  // waits for room goes on. Smaller: what is held stays held, and nothing comes until there is
  // room.
  virtual void set_prefetch(std::size_t prefetch) = 0;

  // Messages held now.
  [[nodiscard]] virtual std::size_t unacked() const = 0;
};

// What is nothing the engine cannot know; nobody may show it as 0.
struct QueueFigures {
  QueueName name;
  std::uint64_t ready = 0;               // waiting, deliverable now
  std::optional<std::uint64_t> delayed;  // waiting for their time
  std::optional<std::uint64_t> unacked;  // held by consumers
  std::uint64_t consumers = 0;
  std::optional<WallTime> oldest_ready;          // when the oldest deliverable message became so
  std::optional<std::uint64_t> published_total;  // since the queue exists
  std::optional<std::uint64_t> acked_total;      // acknowledged or rejected, since the queue exists
};

// Where a batch of events belongs, for engines that others listen to by routing key.
struct EventRoute {
  // One worker event: its type with a dot (`worker.heartbeat`); a list of task events: this.
  std::string key = "task.multi";
  std::string node;  // the sender's node name; empty: not said
};

// Of a batch in the stream; batches are numbered without holes. An engine without numbers of its
// own numbers them for each subscription, on from `SubscribeOptions::after`: there an offset says
// nothing to another process.
using EventOffset = std::uint64_t;

// A place where batches may be missing that nobody can count: the stream stood at its bound there,
// or close to it. By the instants at which its neighbours were published.
struct PerhapsCut {
  std::optional<WallTime> from;  // the last batch before; nothing: read by an earlier subscription
  WallTime to{};                 // the first one behind
};

struct EventBatch {
  EventOffset offset = 0;
  std::string body;  // a JSON list of events, or one event object
  WallTime published{};
  // Of an engine whose stream leaves no hole where it was cut: what it found out by this batch,
  // often long after the place.
  std::optional<PerhapsCut> perhaps_cut{};
};

struct EventStreamFigures {
  EventOffset last = 0;       // newest batch in the stream; 0: none yet
  EventOffset committed = 0;  // what this subscriber has committed
};

// One subscriber's place in the event stream; two with the same name share one place and must not
// run at the same time. At least once: what was not committed comes again after a restart, and an
// engine may then deliver what was seen under a new offset.
class EventSubscription {
 public:
  virtual ~EventSubscription() = default;

  // Waits up to `limit` for batches after the last one returned, oldest first, at most `max`. A
  // hole in the offsets means that the stream's bound cut off what this subscriber had not read:
  // the caller counts it.
  [[nodiscard]] virtual Result<std::vector<EventBatch>> next(std::size_t max,
                                                             std::chrono::milliseconds limit,
                                                             std::stop_token stop) = 0;

  // Everything up to and including `offset` is done with; after a restart reading goes on behind
  // it.
  [[nodiscard]] virtual Result<void> commit(EventOffset offset) = 0;
  [[nodiscard]] virtual Result<EventStreamFigures> figures() = 0;
};

struct SubscribeOptions {
  std::string name;
  // Start behind this batch, whatever the broker remembers (a subscriber that keeps its offset with
  // what it made of the events). Nothing: behind the broker's committed offset, or for a new
  // subscriber at the beginning of what the stream still holds.
  std::optional<EventOffset> after;
};

class Broker {
 public:
  virtual ~Broker() = default;

  [[nodiscard]] virtual Result<void> declare(std::span<const QueueName> queues) = 0;

  // All or nothing; on return the messages survive kill -9. Queues are declared if missing.
  [[nodiscard]] virtual Result<void> publish(std::span<const OutgoingMessage> messages) = 0;

  [[nodiscard]] virtual Result<std::unique_ptr<Consumer>> consume(ConsumeOptions options) = 0;

  // Removes every message of this queue that waits to be delivered, and answers how many went;
  // those held, and those that wait for their time, stay. NotFound: no such queue. Unavailable: a
  // part of them may be gone.
  [[nodiscard]] virtual Result<std::uint64_t> purge(const QueueName& queue) = 0;

  // Appends one batch to the event stream. `body` is a JSON list of events, or one event object
  // (what a worker says of itself goes alone, for those who listen by routing key).
  [[nodiscard]] virtual Result<void> publish_events(std::string_view body,
                                                    const EventRoute& route) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<EventSubscription>> subscribe(
      SubscribeOptions options) = 0;

  // Deletes what is kept for a subscriber that is retired for good; answers how many batches
  // nobody will read. Conflict: it reads now. NotFound: nothing is kept under that name. Invalid:
  // this engine keeps no batches for anybody in particular.
  [[nodiscard]] virtual Result<std::uint64_t> forget_subscriber(const std::string& name) {
    return invalid(
        "event subscriber `" + name +
        "`: this broker keeps one stream for all subscribers, and nothing to be deleted");
  }

  // Events of workers alone, as they come. Invalid: this engine has no such thing.
  [[nodiscard]] virtual Result<std::unique_ptr<WorkerEvents>> worker_events() {
    return invalid("this broker does not pass workers' events on by themselves");
  }

  // A request to every control inbox that is open now. Nobody has one: not an error.
  [[nodiscard]] virtual Result<void> broadcast(const Message& request) = 0;

  // The inbox of the node of that name (`celery@host`); one at a time, for two of one name may
  // share what comes. Invalid: an empty name.
  [[nodiscard]] virtual Result<std::unique_ptr<ControlInbox>> control_inbox(
      const std::string& node) = 0;

  // A place for replies, under an address that no other box has.
  [[nodiscard]] virtual Result<std::unique_ptr<ReplyBox>> reply_box() = 0;

  // Sends a reply there. Nobody reads at that address, or no longer: not an error. An empty
  // exchange means the queue of that name, and then without one the reply is dropped as well.
  [[nodiscard]] virtual Result<void> reply(const ReplyAddress& to, const Message& message) = 0;
  // The same for many at once, in order. After an error a part of them may have been sent.
  [[nodiscard]] virtual Result<void> reply_all(std::span<const OutgoingReply> replies) {
    for (const auto& one : replies) {
      if (auto sent = reply(one.to, one.message); !sent) return sent;
    }
    return {};
  }

  // Of all queues where the engine can list them; else of those that this broker has had to do with
  // and of those named, as far as they exist.
  [[nodiscard]] virtual Result<std::vector<QueueFigures>> queues(
      std::span<const QueueName> named) = 0;
  [[nodiscard]] Result<std::vector<QueueFigures>> queues() { return queues({}); }

  // Whether the broker answers now; for /readyz.
  [[nodiscard]] virtual Result<void> ping() = 0;
};

}  // namespace umbel
