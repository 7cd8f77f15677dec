#include "delayed_route.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace umbel::broker_rabbitmq {
namespace {

std::string zeros(int count) {
  std::string key;
  for (int i = 0; i < count; ++i) key += "0.";
  return key;
}

TEST(DelayedRoute, IsWhatKombuWrites) {
  EXPECT_EQ(delayed_key(std::chrono::seconds{3}, "qq"), zeros(26) + "1.1.qq");
  EXPECT_EQ(delayed_key(std::chrono::seconds{0}, "a.b"), zeros(28) + "a.b");
  EXPECT_EQ(delayed_key(std::chrono::seconds{1} * (1 << 27), "q"), "1." + zeros(27) + "q");
  EXPECT_EQ(delayed_key(kLongestDelay, "q").substr(0, 8), "1.1.1.1.");
}

TEST(DelayedRoute, EachLevelLooksAtItsOwnBit) {
  EXPECT_EQ(delay_level_name(27), "celery_delayed_27");
  EXPECT_EQ(waits_key(27), "1.#");
  EXPECT_EQ(passes_key(27), "0.#");
  EXPECT_EQ(waits_key(25), "*.*.1.#");
  const auto last = passes_key(0);
  EXPECT_EQ(std::ranges::count(last, '*'), 27);
  EXPECT_TRUE(last.ends_with("*.0.#"));
}

TEST(DelayedRoute, AQueueGetsWhatIsForItAlone) {
  const auto key = arrives_key("b");
  EXPECT_EQ(std::ranges::count(key, '*'), kDelayLevels);
  EXPECT_TRUE(key.ends_with("*.b"));
  EXPECT_EQ(key.find('#'), std::string::npos);
}

}  // namespace
}  // namespace umbel::broker_rabbitmq
