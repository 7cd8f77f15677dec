// What librabbitmq itself can do: the bound that a worker over RabbitMQ is measured against, and a
// producer that costs next to nothing.
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

// Takes messages and acknowledges them `together` at a time (1: one by one), until it is killed.
// Throws std::runtime_error.
[[noreturn]] void run_raw_consumer(const RawConsumer& from, std::size_t together);

// Publishes as Celery's producers do: Celery's v2 messages to the default exchange, persistent and
// without confirms, over one connection. The queue exists.
class RawProducer {
 public:
  explicit RawProducer(const RawConsumer& to);
  ~RawProducer();
  RawProducer(const RawProducer&) = delete;
  RawProducer& operator=(const RawProducer&) = delete;
  // `args`: the positional arguments as a JSON list. Throws std::runtime_error.
  void publish(const std::string& task, const std::string& id, const std::string& args);

 private:
  const std::unique_ptr<AmqpConnection> connection_;
  const std::string queue_;
};

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
