// One real RabbitMQ for the whole test program, a virtual host for each case, and short words for
// what the cases do with it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/testing/rabbit_server.hpp"

namespace umbel {

inline constexpr std::chrono::milliseconds kLong{20'000};
inline constexpr std::chrono::seconds kBack{30};  // a server that starts on a busy machine

inline testing::RabbitServer& server() {
  static testing::RabbitServer one{
      {.management = true, .tls = true, .more = {"max_message_size = 17000000"}}};
  return one;
}

inline OutgoingMessage a_message(const std::string& body, const std::string& queue = "q") {
  OutgoingMessage outgoing;
  outgoing.queue = QueueName{queue};
  outgoing.message.content_type = "application/json";
  outgoing.message.headers = "{}";
  outgoing.message.body = body;
  return outgoing;
}

// The lines of a log, for counting.
class Lines {
 public:
  [[nodiscard]] Log log() {
    return {"test", LogLevel::Info, [this](LogLevel, std::string_view, std::string_view text) {
              const std::lock_guard lock{mutex_};
              lines_.emplace_back(text);
            }};
  }
  [[nodiscard]] std::size_t with(const std::string& part) const {
    const std::lock_guard lock{mutex_};
    std::size_t count = 0;
    for (const auto& line : lines_) count += line.find(part) != std::string::npos ? 1U : 0U;
    return count;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

class RabbitmqStand : public ::testing::Test {
 protected:
  void SetUp() override { vhost = server().fresh_vhost(); }

  [[nodiscard]] std::unique_ptr<Broker> open(const std::string& url, Log log = Log::none()) const {
    auto parsed = parse_amqp_url(url);
    if (!parsed) throw std::runtime_error{parsed.error().what};
    return open_rabbitmq_broker({.url = *parsed,
                                 .answer_limit = std::chrono::milliseconds{5000},
                                 .confirm_limit = confirm_limit},
                                clock, std::move(log));
  }
  [[nodiscard]] std::unique_ptr<Broker> open() const { return open(server().url(vhost)); }
  [[nodiscard]] static Result<void> publish(Broker& broker, const std::string& body,
                                            const std::string& queue = "q") {
    const auto message = a_message(body, queue);
    return broker.publish({&message, 1});
  }
  [[nodiscard]] static std::unique_ptr<Consumer> consume(Broker& broker,
                                                         std::size_t prefetch = 100) {
    auto made =
        broker.consume({.queues = {QueueName{"q"}}, .prefetch = prefetch, .consumer = "tester"});
    if (!made) throw std::runtime_error{made.error().what};
    return std::move(*made);
  }
  // Until it has `count`; errors in between are outages.
  [[nodiscard]] static std::vector<Delivery> take(Consumer& consumer, std::size_t count) {
    std::vector<Delivery> all;
    const auto until = Steady::now() + kLong;
    while (all.size() < count && Steady::now() < until) {
      auto some = consumer.next(count - all.size(), std::chrono::milliseconds{100}, {});
      if (some) std::ranges::move(*some, std::back_inserter(all));
    }
    return all;
  }
  static std::vector<std::string> bodies(const std::vector<Delivery>& deliveries) {
    std::vector<std::string> all;
    for (const auto& delivery : deliveries) all.push_back(delivery.message.body);
    return all;
  }
  static std::vector<DeliveryTag> tags(const std::vector<Delivery>& deliveries) {
    std::vector<DeliveryTag> all;
    for (const auto& delivery : deliveries) all.push_back(delivery.tag);
    return all;
  }
  [[nodiscard]] std::optional<testing::RabbitQueue> seen(const std::string& name) const {
    for (auto& queue : server().queues(vhost)) {
      if (queue.name == name) return queue;
    }
    return std::nullopt;
  }

  const SystemClock clock;
  std::string vhost;
  std::chrono::milliseconds confirm_limit{10'000};
};

}  // namespace umbel
