// Queues in tables: each operation as statements within the caller's transaction.
//
// Nothing here locks, waits or keeps state between calls. All throw SQLite::Exception; those that
// change something must run inside a sqlite::WriteTransaction. Instants are microseconds: wall time
// for messages, steady time for leases.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connection.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::broker_sqlite {

using QueueId = std::int64_t;
using MessageId = std::int64_t;
using ConsumerId = std::int64_t;

// What makes a lease valid: its machine has not been started anew since, and its time is not over.
struct LeaseTime {
  std::string boot;
  std::int64_t now = 0;
};

struct NewMessage {
  QueueId queue = 0;
  const Message* message = nullptr;
  std::int64_t due = 0;  // deliverable from then on
};

struct Claimed {
  MessageId id = 0;
  QueueId queue = 0;
  bool redelivered = false;
  std::int64_t published = 0;
  Message message;
};

struct Readiness {
  bool ready = false;                    // a claim would find something
  std::optional<std::int64_t> next_due;  // else when the next delayed message is due
};

struct Acked {
  QueueId queue = 0;
  MessageId id = 0;
};

[[nodiscard]] std::optional<QueueId> find_queue(Connection& connection, const QueueName& name);
[[nodiscard]] QueueId declare_queue(Connection& connection, const QueueName& name);

// Removes up to `most` of the messages in line with an id of at most `newest`; answers how many.
// Those that are due join the line first.
[[nodiscard]] std::size_t purge(Connection& connection, QueueId queue, MessageId newest,
                                std::size_t most, std::int64_t now);
[[nodiscard]] MessageId newest_message(Connection& connection);

void insert_messages(Connection& connection, std::span<const NewMessage> messages,
                     std::int64_t now);

// Reads only.
[[nodiscard]] Readiness readiness(Connection& connection, std::span<const QueueId> queues,
                                  std::int64_t now);

// Takes up to `most` messages of all queues together: larger priority first, then oldest first.
[[nodiscard]] std::vector<Claimed> claim(Connection& connection, ConsumerId consumer,
                                         std::span<const QueueId> queues, std::size_t most,
                                         std::int64_t now);

// Removes for good what the consumer holds of `messages`; answers those.
[[nodiscard]] std::vector<Acked> ack(Connection& connection, ConsumerId consumer,
                                     std::span<const MessageId> messages);

// Puts back what the consumer holds of `messages`, at its old place; answers the queues.
[[nodiscard]] std::vector<QueueId> requeue(Connection& connection, ConsumerId consumer,
                                           std::span<const MessageId> messages);

[[nodiscard]] ConsumerId add_consumer(Connection& connection, const std::string& name,
                                      const std::string& wake, std::span<const QueueId> queues,
                                      const std::string& boot, std::int64_t expires);
void add_to_queue(Connection& connection, ConsumerId consumer, QueueId queue);  // again: nothing
void take_from_queue(Connection& connection, ConsumerId consumer, QueueId queue);
[[nodiscard]] bool has_consumer(Connection& connection, ConsumerId consumer);
// Removes the consumer and puts back all that it holds; answers the queues.
[[nodiscard]] std::vector<QueueId> remove_consumer(Connection& connection, ConsumerId consumer);
void renew_lease(Connection& connection, ConsumerId consumer, std::int64_t expires);
[[nodiscard]] std::vector<ConsumerId> expired_consumers(Connection& connection,
                                                        const LeaseTime& time);
[[nodiscard]] std::string wake_name(Connection& connection, ConsumerId consumer);
// Names of the sockets of all consumers of these queues.
[[nodiscard]] std::vector<std::string> wake_names(Connection& connection,
                                                  std::span<const QueueId> queues);

[[nodiscard]] std::vector<QueueFigures> queue_figures(Connection& connection, std::int64_t now,
                                                      const LeaseTime& time);

}  // namespace umbel::broker_sqlite
