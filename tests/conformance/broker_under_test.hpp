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

struct BrokerUnderTest {
  std::string name;
  // Opens it once more, as another process would. Throws if it cannot.
  std::function<std::unique_ptr<Broker>(const BrokerSetup&, const Clock&)> make;
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
[[nodiscard]] QueueFigures figures(Broker& broker, const std::string& queue = "q");

[[nodiscard]] std::vector<DeliveryTag> tags(const std::vector<Delivery>& deliveries);
[[nodiscard]] std::vector<std::string> bodies(const std::vector<Delivery>& deliveries);

#define UMBEL_INSTANTIATE_BROKER_SUITE(Suite)                                       \
  INSTANTIATE_TEST_SUITE_P(Engines, Suite,                                          \
                           ::testing::ValuesIn(::umbel::testing::broker_engines()), \
                           [](const auto& engine) { return engine.param.name; })

}  // namespace umbel::testing
