// What librabbitmq itself can do: the bound that a worker over RabbitMQ is measured against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace umbel::bench {

struct AmqpConnection;

struct RawConsumer {
  std::uint16_t port = 0;
  std::string vhost, user, password, queue;
  int prefetch = 256;
};

// Takes `messages` messages and acknowledges them `together` at a time (1: one by one); answers the
// seconds from the first to the last acknowledgement. Throws std::runtime_error.
[[nodiscard]] double run_raw_consumer(const RawConsumer& from, std::size_t messages,
                                      std::size_t together);

// How many messages are ready in the queue, over a connection of its own.
class QueueGauge {
 public:
  explicit QueueGauge(const RawConsumer& from);
  ~QueueGauge();
  QueueGauge(const QueueGauge&) = delete;
  QueueGauge& operator=(const QueueGauge&) = delete;
  [[nodiscard]] std::size_t ready();

 private:
  const std::unique_ptr<AmqpConnection> connection_;
  const std::string queue_;
};

}  // namespace umbel::bench
