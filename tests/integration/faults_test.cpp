// The tools that break calls, tried on themselves.
#include "umbel/testing/faults.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/faulty_history.hpp"
#include "umbel/testing/faulty_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using testing::FaultPlan;
using testing::When;

TEST(FaultPlan, FailsTheNthCallBeforeItTookEffect) {
  FaultPlan plan;
  int done = 0;
  const auto call = [&] { return plan.run("part.call", [&]() -> Result<int> { return ++done; }); };
  plan.fail(2, When::Before);

  EXPECT_EQ(call().value(), 1);
  EXPECT_EQ(call().error().code, Errc::Unavailable);
  EXPECT_EQ(call().value(), 2);

  EXPECT_TRUE(plan.fired());
  EXPECT_EQ(plan.last(), "part.call");
  EXPECT_EQ(plan.calls(), 3);
}

TEST(FaultPlan, FailsTheNthCallAfterItTookEffect) {
  FaultPlan plan;
  int done = 0;
  plan.fail(1, When::After);

  const auto lost = plan.run("part.call", [&]() -> Result<int> { return ++done; });

  EXPECT_EQ(lost.error().code, Errc::OutcomeUnknown);
  EXPECT_EQ(done, 1);
}

TEST(FaultPlan, ARealFailureIsPassedOn) {
  FaultPlan plan;
  plan.fail(1, When::After);

  const auto failed = plan.run("part.call", []() -> Result<int> { return not_found("no such"); });

  EXPECT_EQ(failed.error().code, Errc::NotFound);
}

TEST(FaultPlan, OnlyTheNamedCallsAreCounted) {
  FaultPlan plan;
  plan.only("broker.");
  plan.fail(1, When::Before);

  EXPECT_TRUE(plan.run("outbox.accept", []() -> Result<void> { return {}; }));
  EXPECT_FALSE(plan.run("broker.publish", []() -> Result<void> { return {}; }));
  EXPECT_EQ(plan.calls(), 1);
}

TEST(FaultPlan, AnOutageLastsUntilItIsOver) {
  FaultPlan plan;
  const auto call = [&] { return plan.run("part.call", []() -> Result<void> { return {}; }); };

  plan.out(true);
  EXPECT_FALSE(call());
  EXPECT_FALSE(call());
  plan.out(false);
  EXPECT_TRUE(call());
}

TEST(FailEachCall, BreaksEveryCallInBothWays) {
  std::map<std::string, int> failed;

  testing::fail_each_call([&](FaultPlan& plan) {
    for (const auto* name : {"a", "b", "c"}) {
      const auto done = plan.run(name, []() -> Result<void> { return {}; });
      if (!done) ++failed[name];
    }
  });

  EXPECT_EQ(failed, (std::map<std::string, int>{{"a", 2}, {"b", 2}, {"c", 2}}));
}

class Decorators : public ::testing::Test {
 protected:
  testing::TempDir dir;
  testing::FakeClock clock;
  FaultPlan plan;
};

TEST_F(Decorators, AStoreCallThatLostItsAnswerTookEffect) {
  const auto real = open_sqlite_store({.path = dir.file("store.db")}, clock, Log::none()).value();
  testing::FaultyStore store{*real, plan};
  plan.fail(2, When::After);

  EXPECT_TRUE(store.ping());
  const auto put = store.shared().put("key", "value", clock.wall() + std::chrono::hours{1});

  EXPECT_EQ(put.error().code, Errc::OutcomeUnknown);
  EXPECT_EQ(plan.last(), "shared.put");
  EXPECT_EQ(store.shared().get("key", clock.wall()).value(), "value");
}

TEST_F(Decorators, TakenMessagesWhoseAnswerWasLostComeAgain) {
  const auto real = open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value();
  testing::FaultyBroker broker{*real, plan};
  const OutgoingMessage message{.queue = QueueName{"q"}, .message = {}, .not_before = {}};
  ASSERT_TRUE(broker.publish({&message, 1}));
  const auto consumer =
      broker.consume({.queues = {QueueName{"q"}}, .prefetch = 1, .consumer = "c"}).value();
  plan.fail(1, When::After);

  const auto lost = consumer->next(1, std::chrono::seconds{5}, {});
  const auto again = consumer->next(1, std::chrono::seconds{5}, {});

  EXPECT_EQ(lost.error().code, Errc::OutcomeUnknown);
  ASSERT_EQ(again.value().size(), 1U);
  EXPECT_TRUE(again->front().redelivered);
  EXPECT_EQ(consumer->unacked(), 1U);
}

TEST_F(Decorators, EventsWhoseAnswerWasLostComeAgain) {
  const auto real = open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value();
  testing::FaultyBroker broker{*real, plan};
  const auto subscription = broker.subscribe({.name = "s", .after = {}}).value();
  ASSERT_TRUE(broker.publish_events("[1]", {}));
  plan.fail(1, When::After);

  EXPECT_FALSE(subscription->next(1, std::chrono::seconds{5}, {}));
  const auto again = subscription->next(1, std::chrono::seconds{5}, {});

  EXPECT_EQ(plan.last(), "subscription.next");
  ASSERT_EQ(again.value().size(), 1U);
  EXPECT_EQ(again->front().body, "[1]");
}

TEST_F(Decorators, AHistorysAppendThatLostItsAnswerTookEffect) {
  const auto real =
      open_sqlite_history({.folder = dir.file("history")}, clock, Log::none()).value();
  testing::FaultyHistory history{*real, plan};
  HistoryPosition position;
  position.event_offset = 7;
  plan.fail(1, When::After);

  EXPECT_EQ(history.append({}, {}, position).error().code, Errc::OutcomeUnknown);
  EXPECT_EQ(history.position().value(), position);
}

}  // namespace
}  // namespace umbel
