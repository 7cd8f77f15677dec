// What every broker engine is tested with. An engine joins with one line in broker_engines.cpp.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {

struct BrokerSetup {
  std::string folder;  // one per test: who opens the same folder shares the same broker
  std::chrono::milliseconds lease{6000};
  std::size_t max_event_bytes = 64 * 1024 * 1024;
};

// What engines may do differently within the port's promises.
struct BrokerTraits {
  // The server hands messages out ahead of next(), up to the consumer's prefetch: what was
  // published may need a moment to come and figures to follow, the order across queues is the
  // server's, and what a consumer leaves behind may be marked as redelivered though nobody was
  // given it.
  bool pushes = false;
  int top_priority = 255;              // the largest that is told apart
  std::chrono::microseconds grain{1};  // of instants on the wire
  // Figures of a queue that are known.
  bool knows_delayed = true;
  bool knows_unacked = true;
  bool knows_totals = true;
  bool knows_oldest = true;
  // Offsets are the stream's and survive restarts; else they are of one subscription each, what was
  // not committed comes again whatever `after` says, and what was cut off leaves no hole.
  bool numbered_stream = true;
  bool keeps_early_events = true;  // a new subscriber sees what was published before
  bool has_exchanges = false;      // queues can be bound to any, and events be heard by routing key
};

struct BrokerUnderTest {
  std::string name;
  // Opens it once more, as another process would. Throws if it cannot.
  std::function<std::unique_ptr<Broker>(const BrokerSetup&, const Clock&)> make;
  BrokerTraits traits{};
  friend std::ostream& operator<<(std::ostream& out, const BrokerUnderTest& engine) {
    return out << engine.name;
  }
};

[[nodiscard]] std::vector<BrokerUnderTest> broker_engines();

class BrokerConformance : public ::testing::TestWithParam<BrokerUnderTest> {
 protected:
  [[nodiscard]] BrokerSetup setup() const { return {.folder = dir.path().string()}; }
  [[nodiscard]] std::unique_ptr<Broker> open(const BrokerSetup& with) const {
    return GetParam().make(with, clock);
  }
  [[nodiscard]] std::unique_ptr<Broker> open() const { return open(setup()); }
  [[nodiscard]] static const BrokerTraits& traits() { return GetParam().traits; }
  // How long nothing must come for a test to believe that nothing comes.
  [[nodiscard]] static std::chrono::milliseconds quiet() {
    return std::chrono::milliseconds{traits().pushes ? 250 : 0};
  }
  // An instant as the engine's wire has it.
  [[nodiscard]] static WallTime on_wire(WallTime time) {
    return WallTime{time.time_since_epoch() - time.time_since_epoch() % traits().grain};
  }

  const TempDir dir;
  const SystemClock clock;
};

inline constexpr std::chrono::milliseconds kAtOnce{0};
inline constexpr std::chrono::milliseconds kLong{20'000};  // a wait that should end much sooner

[[nodiscard]] OutgoingMessage a_message(const std::string& body, int priority = 0,
                                        const std::string& queue = "q");

// Each fails the test (by throwing) on an error of the broker.
void publish(Broker& broker, const std::vector<OutgoingMessage>& messages);
[[nodiscard]] std::unique_ptr<Consumer> consume(Broker& broker, std::size_t prefetch = 100,
                                                const std::vector<std::string>& queues = {"q"});
[[nodiscard]] std::vector<Delivery> take(Consumer& consumer, std::size_t max,
                                         std::chrono::milliseconds limit = kAtOnce);
// Waits until it has `count` messages; fewer when it took too long.
[[nodiscard]] std::vector<Delivery> take_all(Consumer& consumer, std::size_t count);
// Answers the tags that were lost.
std::vector<DeliveryTag> ack(Consumer& consumer, const std::vector<Delivery>& deliveries);
// Throws if the broker does not know the queue. Where the server pushes they follow what happened:
// ask with eventually().
[[nodiscard]] QueueFigures figures(Broker& broker, const std::string& queue = "q");

[[nodiscard]] std::unique_ptr<ControlInbox> open_inbox(Broker& broker, const std::string& node);
// A message of remote control whose headers name where to reply, if anywhere.
[[nodiscard]] Message a_control(const std::string& body, const ReplyAddress& reply_to = {});
[[nodiscard]] ReplyAddress reply_address(const Message& request);

[[nodiscard]] std::vector<DeliveryTag> tags(const std::vector<Delivery>& deliveries);
[[nodiscard]] std::vector<std::string> bodies(const std::vector<Delivery>& deliveries);

#define UMBEL_INSTANTIATE_BROKER_SUITE(Suite)                                       \
  INSTANTIATE_TEST_SUITE_P(Engines, Suite,                                          \
                           ::testing::ValuesIn(::umbel::testing::broker_engines()), \
                           [](const auto& engine) { return engine.param.name; })

}  // namespace umbel::testing
