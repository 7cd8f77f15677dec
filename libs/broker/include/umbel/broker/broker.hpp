// The broker port: queues of messages, and one stream of events that everybody may follow.
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
#include "umbel/model/message.hpp"

namespace umbel {

struct OutgoingMessage {
  QueueName queue;
  Message message;
  std::optional<WallTime> not_before;  // delayed delivery; nothing or the past: at once
};

using DeliveryTag = std::uint64_t;  // unique within one Consumer

struct Delivery {
  DeliveryTag tag = 0;
  QueueName queue;
  Message message;
  bool redelivered = false;  // some consumer held it before
  WallTime published{};
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

  // Messages held now.
  [[nodiscard]] virtual std::size_t unacked() const = 0;
};

struct QueueFigures {
  QueueName name;
  std::uint64_t ready = 0;    // waiting, deliverable now
  std::uint64_t delayed = 0;  // waiting for their time
  std::uint64_t unacked = 0;  // held by consumers
  std::uint64_t consumers = 0;
  std::optional<WallTime> oldest_ready;  // when the oldest deliverable message became so
  std::uint64_t published_total = 0;     // since the queue exists
  std::uint64_t acked_total = 0;
};

using EventOffset = std::uint64_t;  // of a batch in the stream; batches are numbered without holes

struct EventBatch {
  EventOffset offset = 0;
  std::string body;  // a JSON list of events, or one event object
  WallTime published{};
};

struct EventStreamFigures {
  EventOffset last = 0;       // newest batch in the stream; 0: none yet
  EventOffset committed = 0;  // what this subscriber has committed
};

// One subscriber's place in the event stream; two with the same name share one place and must not
// run at the same time.
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

  // Appends one batch to the event stream. `body` is a JSON list.
  [[nodiscard]] virtual Result<void> publish_events(std::string_view body) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<EventSubscription>> subscribe(
      SubscribeOptions options) = 0;

  [[nodiscard]] virtual Result<std::vector<QueueFigures>> queues() = 0;

  // Whether the broker answers now; for /readyz.
  [[nodiscard]] virtual Result<void> ping() = 0;
};

}  // namespace umbel
