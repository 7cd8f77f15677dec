// The channel of one consumer: what the server pushes waits here until it is asked for.
//
// The server pushes up to `prefetch` messages of each queue (per-consumer qos, which quorum queues
// need); handed out are at most `prefetch` in all. A limit that was given to the server cannot be
// changed, only given anew with a new consumer, whose count begins at nothing: so that is done only
// when nothing lies here any more, or far too much. A tag holds the number of the connection it
// came over: after a loss all tags are tags of the past, and what they stood for comes again.
//
// An acknowledgement costs the server as much for one message as for many. Done ones that stand
// behind one still at work wait a moment for it, so that one acknowledgement will do for all; what
// is at work for longer keeps no other waiting.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "topology.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::broker_rabbitmq {

class Receiver final : public ChannelUser, public std::enable_shared_from_this<Receiver> {
 public:
  enum class Settle { Ack, Requeue, Reject };

  Receiver(ConsumeOptions options, Topology topology, const Clock& clock);

  struct Link {
    std::function<std::optional<Error>()> outage;  // why it is down, asked while it is
    std::function<void()> renew;                   // has renew() called on its thread
  };
  [[nodiscard]] Result<std::vector<Delivery>> next(std::size_t max, std::chrono::milliseconds limit,
                                                   const std::stop_token& stop, const Link& link);
  // Answers the tags that are not held. `must_flush`: whether flush() has to be called for it.
  [[nodiscard]] std::vector<DeliveryTag> settle(std::span<const DeliveryTag> tags, Settle how,
                                                bool& must_flush);
  [[nodiscard]] std::size_t unacked() const;
  // Answers whether renew() is due.
  bool set_prefetch(std::size_t prefetch);

  // On the link's thread:
  void flush(Session& session);
  // `binding`: where it gets its messages from; nothing: as Celery declares a queue by its name.
  [[nodiscard]] Result<void> add_queue(Session& session, const std::string& queue,
                                       std::optional<QueueBinding> binding = std::nullopt);
  [[nodiscard]] Result<void> cancel_queue(Session& session, const std::string& queue);
  void renew(Session& session);  // gives the server limits that fit the prefetch

  Result<void> up(Session& session, amqp_channel_t channel) override;
  void down(const Error& error) override;
  void method(Session& session, amqp_channel_t channel, const amqp_method_t& method) override;
  void content(Session& session, Content&& content) override;
  void content_over() override { changed_.notify_all(); }
  std::optional<Steady::time_point> due(Session& session) override;
  void closing(Session& session, amqp_channel_t channel) override;

 private:
  enum class Stand : std::uint8_t { Waits, Held, Acking, Settled };
  struct Tag {
    Stand stand = Stand::Waits;
    std::uint32_t consumer = 0;  // in consumers_
  };
  struct Pushing {  // a consumer as the server knows it
    QueueName queue;
    std::size_t limit = 0;
    std::size_t pushed = 0;  // and not settled
    bool current = true;     // not cancelled
  };
  struct Frames {  // to be sent, in this order
    std::vector<std::uint64_t> requeue, reject;
    std::uint64_t ack_up_to = 0;
    bool ack_many = false;
    std::vector<std::uint64_t> ack;
  };

  [[nodiscard]] Result<void> declare(Session& session, const std::string& queue) const;
  [[nodiscard]] Result<void> consume(Session& session, const std::string& queue);
  void again(Session& session, const std::string& queue);
  // Answers when the next look is due.
  std::optional<Steady::time_point> look_for_missing(Session& session);
  [[nodiscard]] Result<void> cancel(Session& session, const std::string& queue);
  [[nodiscard]] Result<void> allow(Session& session);
  void forget_all();
  void ripen(WallTime now);
  [[nodiscard]] std::vector<Delivery> take(std::size_t max);
  enum class Late : std::uint8_t { Waits, Sent };  // what is done and stands behind what is not
  void flush(Session& session, Late late);
  [[nodiscard]] Frames frames(Late late);
  [[nodiscard]] DeliveryTag tag_of(std::uint64_t amqp_tag) const;
  // Of those that are locked already:
  [[nodiscard]] Tag& tag_at(std::uint64_t amqp_tag) { return stands_[amqp_tag - first_]; }
  [[nodiscard]] bool starves(const Pushing& consumer) const;
  [[nodiscard]] bool overfed(const Pushing& consumer) const;
  [[nodiscard]] std::uint32_t place_for(Pushing consumer);
  void settle_one(std::uint64_t amqp_tag, Settle how);
  void give_back(const std::string& queue);

  const std::string name_;
  const Topology topology_;
  const Clock& clock_;

  // Of the link's thread.
  std::optional<amqp_channel_t> channel_;
  std::uint64_t consumers_made_ = 0;
  std::size_t limit_ = 0;                              // of the consumers that are made now
  std::optional<Steady::time_point> late_until_;       // then what waits is sent
  std::map<std::string, std::string> tags_of_queues_;  // queue to consumer tag
  std::map<std::string, QueueBinding> bindings_;       // of queues that have one of their own
  std::map<std::string, Steady::time_point> missing_;  // queues that are to be looked for, and when
  bool was_up_ = false;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::string> queues_;
  std::vector<Pushing> consumers_;                    // of this connection
  std::map<std::string, std::uint32_t> consumer_of_;  // by consumer tag, cancelled ones too
  std::size_t prefetch_;
  std::uint64_t generation_ = 0;
  std::map<int, std::deque<Delivery>, std::greater<>> waiting_;  // by priority
  std::multimap<WallTime, Delivery> early_;                      // before their time
  std::uint64_t first_ = 1;                                      // AMQP's tag of stands_.front()
  std::deque<Tag> stands_;  // of all tags that are not settled, and some that are
  std::vector<std::uint64_t> acks_, requeues_, rejects_;
  std::size_t held_ = 0;
  bool flush_due_ = false;
  bool renewing_ = false;
  bool is_up_ = false;
  std::optional<Error> error_;  // it did not come up, though the link is
};

}  // namespace umbel::broker_rabbitmq
