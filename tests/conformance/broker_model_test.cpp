// Random operations on an engine and on a model of it that is too simple to be wrong.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "broker_under_test.hpp"

namespace umbel::testing {
namespace {

const std::array<std::string, 3> kQueues{"q0", "q1", "q2"};

struct ModelMessage {
  std::string queue;
  int priority = 0;
  int number = 0;  // in order of publishing
  bool redelivered = false;
};

struct ModelConsumer {
  std::unique_ptr<Consumer> real;
  std::size_t prefetch = 0;
  std::set<std::string> queues;
  std::map<DeliveryTag, ModelMessage> held;
};

class Simulation {
 public:
  Simulation(std::unique_ptr<Broker> broker, const BrokerTraits& traits, unsigned seed)
      : broker_{std::move(broker)}, traits_{traits}, random_{seed} {
    std::vector<QueueName> names;
    for (const auto& queue : kQueues) names.emplace_back(queue);
    if (!broker_->declare(names)) throw std::runtime_error{"declare"};
  }

  void step() {
    switch (below(10)) {
      case 0:
      case 1:
        return publish_some();
      case 2:
        return consumers_.size() < 3 ? open_consumer() : close_consumer();
      case 3:
        return with_consumer([this](auto& consumer) { requeue_some(consumer); });
      case 4:
      case 5:
      case 6:
        return with_consumer([this](auto& consumer) { ack_some(consumer); });
      default:
        return with_consumer([this](auto& consumer) { take_some(consumer); });
    }
  }

  // Everything that is still there, to one consumer; then nothing may be left.
  void drain() {
    while (!consumers_.empty()) close_consumer();
    std::size_t left = 0;
    for (const auto& queue : kQueues) left += line_[queue].size();
    ModelConsumer last;
    last.prefetch = 1000;
    last.queues = {kQueues.begin(), kQueues.end()};
    last.real = consume(*broker_, last.prefetch, {kQueues.begin(), kQueues.end()});
    const auto taken = take_all(*last.real, left);
    ASSERT_EQ(taken.size(), left);
    for (const auto& delivery : taken) account(delivery, last);
    ASSERT_TRUE(take(*last.real, 9, std::chrono::milliseconds{traits_.pushes ? 250 : 0}).empty());
    ASSERT_TRUE(ack(*last.real, taken).empty());
  }

  // Where the server pushes, figures are its own affair while it does.
  void compare_figures() {
    for (const auto& consumer : consumers_) {
      ASSERT_EQ(consumer.real->unacked(), consumer.held.size());
    }
    if (traits_.pushes) return;
    for (const auto& queue : kQueues) {
      const auto figures = umbel::testing::figures(*broker_, queue);
      std::size_t held = 0;
      std::size_t consumers = 0;
      for (const auto& consumer : consumers_) {
        consumers += consumer.queues.count(queue);
        for (const auto& [tag, message] : consumer.held) held += message.queue == queue ? 1U : 0U;
      }
      ASSERT_EQ(figures.ready, line_[queue].size()) << queue;
      ASSERT_EQ(figures.unacked, held) << queue;
      ASSERT_EQ(figures.consumers, consumers) << queue;
      ASSERT_EQ(figures.published_total, published_[queue]) << queue;
      ASSERT_EQ(figures.acked_total, acked_[queue]) << queue;
      ASSERT_EQ(figures.oldest_ready.has_value(), !line_[queue].empty()) << queue;
    }
  }

 private:
  using Place = std::tuple<int, int>;  // -priority, number

  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>{0, end - 1}(random_);
  }

  template <class Do>
  void with_consumer(const Do& what) {
    if (consumers_.empty()) return open_consumer();
    what(consumers_[below(consumers_.size())]);
  }

  void put(const ModelMessage& message) {
    line_[message.queue][Place{-message.priority, message.number}] = message;
  }

  void publish_some() {
    std::vector<OutgoingMessage> batch;
    for (std::size_t i = 0, n = below(6); i < n; ++i) {
      const ModelMessage message{kQueues.at(below(3)), static_cast<int>(below(3)), ++number_};
      batch.push_back(a_message(std::to_string(message.number), message.priority, message.queue));
      put(message);
      ++published_[message.queue];
    }
    publish(*broker_, batch);
  }

  void open_consumer() {
    ModelConsumer consumer;
    consumer.prefetch = 1 + below(6);
    for (std::size_t i = 0, n = 1 + below(3); i < n; ++i) {
      consumer.queues.insert(kQueues.at(below(3)));
    }
    consumer.real =
        consume(*broker_, consumer.prefetch, {consumer.queues.begin(), consumer.queues.end()});
    consumers_.push_back(std::move(consumer));
  }

  void close_consumer() {
    const auto at = consumers_.begin() + static_cast<std::ptrdiff_t>(below(consumers_.size()));
    for (auto& [tag, message] : at->held) give_back(message);
    consumers_.erase(at);
  }

  void give_back(ModelMessage message) {
    message.redelivered = true;
    put(message);
  }

  std::vector<DeliveryTag> some_tags(const ModelConsumer& consumer) {
    std::vector<DeliveryTag> chosen;
    for (const auto& [tag, message] : consumer.held) {
      if (below(2) == 0) chosen.push_back(tag);
    }
    return chosen;
  }

  void take_some(ModelConsumer& consumer) {
    const auto max = 1 + below(6);
    std::size_t there = 0;
    for (const auto& queue : consumer.queues) there += line_[queue].size();
    const auto expected = std::min({max, consumer.prefetch - consumer.held.size(), there});
    const auto taken = take(*consumer.real, max);
    if (traits_.pushes) {
      ASSERT_LE(taken.size(), expected);
    } else {
      ASSERT_EQ(taken.size(), expected);
    }
    for (const auto& delivery : taken) account(delivery, consumer);
  }

  // Whatever the queue, its first in line; where the server pushes, any one that nobody holds.
  void account(const Delivery& delivery, ModelConsumer& consumer) {
    auto& line = line_[delivery.queue.str()];
    ASSERT_FALSE(line.empty());
    const auto place = traits_.pushes
                           ? std::ranges::find_if(line,
                                                  [&](const auto& entry) {
                                                    return std::to_string(entry.second.number) ==
                                                           delivery.message.body;
                                                  })
                           : line.begin();
    ASSERT_NE(place, line.end()) << delivery.message.body << " is not in line";
    const auto first = place->second;
    ASSERT_EQ(delivery.message.body, std::to_string(first.number));
    ASSERT_EQ(delivery.message.priority, first.priority);
    if (first.redelivered || !traits_.pushes) {
      ASSERT_EQ(delivery.redelivered, first.redelivered);
    }
    ASSERT_TRUE(consumer.queues.contains(delivery.queue.str()));
    line.erase(place);
    ASSERT_TRUE(consumer.held.emplace(delivery.tag, first).second) << "a tag came twice";
  }

  void ack_some(ModelConsumer& consumer) {
    const auto chosen = some_tags(consumer);
    const auto lost = consumer.real->ack(chosen);
    ASSERT_TRUE(lost) << lost.error().what;
    ASSERT_TRUE(lost->empty());
    for (const auto tag : chosen) {
      ++acked_[consumer.held.at(tag).queue];
      consumer.held.erase(tag);
    }
    if (chosen.empty()) return;
    const auto again = consumer.real->ack(chosen);
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, chosen);
  }

  void requeue_some(ModelConsumer& consumer) {
    const auto chosen = some_tags(consumer);
    ASSERT_TRUE(consumer.real->requeue(chosen));
    for (const auto tag : chosen) {
      give_back(consumer.held.at(tag));
      consumer.held.erase(tag);
    }
  }

  std::unique_ptr<Broker> broker_;
  const BrokerTraits traits_;
  std::mt19937 random_;
  int number_ = 0;
  std::map<std::string, std::map<Place, ModelMessage>> line_;
  std::map<std::string, std::uint64_t> published_;
  std::map<std::string, std::uint64_t> acked_;
  std::vector<ModelConsumer> consumers_;
};

using BrokerModel = BrokerConformance;
UMBEL_INSTANTIATE_BROKER_SUITE(BrokerModel);

TEST_P(BrokerModel, TheEngineDoesWhatTheModelDoes) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TempDir place;
    auto with = setup();
    with.folder = place.path().string();
    with.lease = std::chrono::seconds{60};  // no consumer is lost on a slow machine
    Simulation simulation{open(with), traits(), seed};
    for (int i = 0; i < 250; ++i) {
      simulation.step();
      if (HasFatalFailure()) return;
      if (i % 5 == 0) simulation.compare_figures();
      if (HasFatalFailure()) return;
    }
    simulation.drain();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace umbel::testing
