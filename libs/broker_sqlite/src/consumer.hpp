// One consumer: a row with a lease, a connection of its own, and the tags of what it holds.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::broker_sqlite {

class SqliteConsumer final : public Consumer {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Consumer>> open(std::shared_ptr<Core> core,
                                                              ConsumeOptions options);
  ~SqliteConsumer() override;

  [[nodiscard]] Result<std::vector<Delivery>> next(std::size_t max, std::chrono::milliseconds limit,
                                                   std::stop_token stop) override;
  [[nodiscard]] Result<std::vector<DeliveryTag>> ack(std::span<const DeliveryTag> tags) override;
  [[nodiscard]] Result<void> requeue(std::span<const DeliveryTag> tags) override;
  [[nodiscard]] Result<void> reject(std::span<const DeliveryTag> tags) override;
  [[nodiscard]] Result<void> add_queue(const QueueName& queue) override;
  [[nodiscard]] Result<void> cancel_queue(const QueueName& queue) override;
  void set_prefetch(std::size_t prefetch) override;
  [[nodiscard]] std::size_t unacked() const override;

 private:
  SqliteConsumer(std::shared_ptr<Core> core, ConsumeOptions options,
                 std::unique_ptr<Connection> connection);

  // All below: mutex_ is held.
  // After another file took the place of ours nothing is held any more, and take() begins anew.
  [[nodiscard]] Result<void> follow();
  void declare();
  void register_anew();
  [[nodiscard]] std::vector<Delivery> take(std::size_t max, std::optional<std::int64_t>& next_due);
  [[nodiscard]] Delivery hand_out(Claimed claimed);
  void drop(std::span<const DeliveryTag> tags);

  const std::shared_ptr<Core> core_;
  ConsumeOptions options_;  // queues and prefetch change
  WakeSocket socket_;
  Signal room_;  // a place within prefetch became free, or a queue was added
  mutable std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  std::vector<QueueId> queues_;
  std::map<QueueId, QueueName> names_;
  ConsumerId id_ = 0;
  DeliveryTag last_tag_ = 0;
  std::map<DeliveryTag, MessageId> held_;
};

}  // namespace umbel::broker_sqlite
