#include "umbel/runtime/readiness.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

namespace umbel {
namespace {

TEST(Readiness, NothingRequiredIsReady) {
  const Readiness ready;

  EXPECT_TRUE(ready.all().has_value());
  EXPECT_TRUE(ready.conditions().empty());
}

TEST(Readiness, NamesEachConditionAndWhatIsWrongWithIt) {
  Readiness ready;
  bool answers = false;
  ready.add("store", [&]() -> Result<void> {
    if (answers) return {};
    return unavailable("no answer");
  });
  ready.set("schedule", invalid("line 3"));

  const auto conditions = ready.conditions();

  ASSERT_EQ(conditions.size(), 2U);
  EXPECT_EQ(conditions[0].name, "schedule");
  EXPECT_EQ(conditions[0].wrong, "line 3");
  EXPECT_EQ(conditions[1].wrong, "no answer");
  ready.set("schedule", {});
  EXPECT_EQ(ready.all().error().what, "store: no answer");
  answers = true;
  EXPECT_TRUE(ready.all().has_value());
}

TEST(Readiness, ACheckThatThrowsOrGivesNoReasonDoesNotHold) {
  Readiness ready;
  ready.add("a", []() -> Result<void> { throw std::runtime_error{"boom"}; });
  ready.set("b", unavailable(""));

  const auto conditions = ready.conditions();

  EXPECT_EQ(conditions[0].wrong, "the check failed: boom");
  EXPECT_FALSE(conditions[1].holds());
  ready.remove("a");
  ready.remove("b");
  EXPECT_TRUE(ready.all().has_value());
}

TEST(Readiness, MayBeToldAndAskedFromManyThreads) {
  Readiness ready;
  ready.add("self", [&ready]() -> Result<void> {
    ready.set("other", {});
    return {};
  });

  {
    const std::jthread teller{[&] {
      for (int i = 0; i < 1000; ++i) ready.set("x", {});
    }};
    for (int i = 0; i < 100; ++i) (void)ready.conditions();
  }

  EXPECT_TRUE(ready.all().has_value());
}

}  // namespace
}  // namespace umbel
