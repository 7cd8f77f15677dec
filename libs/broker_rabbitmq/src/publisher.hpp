// The channel that messages are published on, each confirmed by the server.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "topology.hpp"

namespace umbel::broker_rabbitmq {

// Messages that are confirmed together, and the wait for that. Sent whole or not at all, but a
// server that goes away in the middle may keep a part: the error says so, and who publishes the
// batch again publishes those twice.
class Batch {
 public:
  std::vector<std::unique_ptr<Outgoing>> messages;
  std::set<std::string> queues;   // must exist
  std::set<std::string> delayed;  // must be reachable through the levels of delay
  std::size_t unconfirmed = 0;    // of the link's thread

  void finish(Result<void> result);  // the first word counts
  [[nodiscard]] bool finished() const;
  [[nodiscard]] std::size_t largest() const;  // body, in bytes
  [[nodiscard]] Result<void> wait(std::chrono::milliseconds limit);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Result<void>> result_;
};

class Publisher final : public ChannelUser {
 public:
  explicit Publisher(Topology topology) : topology_{std::move(topology)} {}

  void send(Session& session, const std::shared_ptr<Batch>& batch);  // on the link's thread

  Result<void> up(Session& session, amqp_channel_t channel) override;
  void down(const Error& error) override;
  void method(Session& session, amqp_channel_t channel, const amqp_method_t& method) override;
  void content(Session& session, Content&& content) override;

 private:
  void confirm(std::uint64_t sequence, bool multiple, const std::optional<Error>& refused);

  const Topology topology_;
  std::optional<amqp_channel_t> channel_;
  std::uint64_t first_ = 1;                         // sequence of unconfirmed_.front()
  std::deque<std::shared_ptr<Batch>> unconfirmed_;  // one for each message; nothing: confirmed
};

// The channel for what nobody waits to hear of again: events, replies. Not confirmed.
class LoosePublisher final : public ChannelUser {
 public:
  // Sends it if the channel is up.
  [[nodiscard]] Result<void> send(Session& session, const Outgoing& message);

  Result<void> up(Session& session, amqp_channel_t channel) override;
  void down(const Error& error) override;

 private:
  std::optional<amqp_channel_t> channel_;
};

// Why nothing can be published now, if the server says so.
[[nodiscard]] std::optional<Error> blocked(const Session& session);

}  // namespace umbel::broker_rabbitmq
