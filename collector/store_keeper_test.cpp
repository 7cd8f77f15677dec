#include "store_keeper.hpp"

#include <gtest/gtest.h>

#include "umbel/metrics/catalogue.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/faulty_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::collector {
namespace {

using std::chrono::hours;
constexpr hours kKeep{30 * 24};

TEST(RetentionPlan, StepsOfARoundFollowCloselyAndAreSummed) {
  RetentionPlan plan{kKeep};
  Forgotten full;
  full.tasks = 200;
  full.more = true;
  Forgotten last;
  last.tasks = 5;

  EXPECT_LT(plan.after(full), std::chrono::seconds{1});
  EXPECT_GE(plan.after(last), std::chrono::minutes{5});
  EXPECT_EQ(plan.round().tasks, 205U);
  (void)plan.after(last);
  EXPECT_EQ(plan.round().tasks, 5U) << "a new round";
}

TEST(RetentionPlan, SightingsStayTheOverlapLonger) {
  const RetentionPlan plan{kKeep};
  const auto now = from_micros(1'795'350'738'000'000);
  EXPECT_EQ(plan.limits(now).finished_before, now - kKeep);
  EXPECT_LT(plan.limits(now).sighted_before, plan.limits(now).finished_before);
}

class StoreKeeperTest : public ::testing::Test {
 protected:
  void finish_tasks(int count) {
    Acceptance acceptance;
    acceptance.at = clock.wall();
    std::vector<FinishedRun> runs;
    for (int i = 0; i < count; ++i) {
      const TaskId id{"t" + std::to_string(i)};
      acceptance.tasks.push_back({id, "t", QueueName{"q"}, {}, {}});
      FinishedRun run;
      run.id = id;
      run.name = "t";
      run.queue = QueueName{"q"};
      run.result = "1";
      run.done = clock.wall();
      runs.push_back(run);
    }
    const auto rows = store->outbox().accept(acceptance).value();
    std::vector<OutboxId> ids;
    for (const auto& row : rows) ids.push_back(*row);
    ASSERT_TRUE(store->outbox().clear(ids));
    ASSERT_TRUE(store->results().finish(runs));
  }
  [[nodiscard]] std::size_t kept() {
    return store->results().finished_since(0, 10'000).value().size();
  }
  // The steps of one round.
  static int round(StoreKeeper& keeper) {
    for (int steps = 1; steps < 100; ++steps) {
      if (keeper.step() > std::chrono::seconds{1}) return steps;
    }
    ADD_FAILURE() << "a round has no end";
    return 0;
  }

  testing::TempDir dir;
  testing::FakeClock clock;
  std::unique_ptr<Store> store{
      open_sqlite_store({.path = dir.file("store.db")}, clock, Log::none()).value()};
  metrics::Metrics metrics{"test"};
};

TEST_F(StoreKeeperTest, ForgetsInStepsAndCounts) {
  finish_tasks(450);
  StoreKeeper keeper{*store, clock, metrics, Log::none(), kKeep};
  (void)round(keeper);
  EXPECT_EQ(kept(), 450U);
  clock.advance(kKeep + hours{1});

  EXPECT_GE(round(keeper), 3);

  EXPECT_EQ(kept(), 0U);
  EXPECT_EQ(metrics.counter(metrics::kStoreForgotten, {"tasks"}).Value(), 450);
  EXPECT_GT(metrics.gauge(metrics::kStoreBytes).Value(), 0);
}

TEST_F(StoreKeeperTest, OneOfTwoCollectorsDoesIt) {
  finish_tasks(10);
  clock.advance(kKeep + hours{1});
  ASSERT_TRUE(store->leases()
                  .acquire("store-retention", "another", std::chrono::minutes{1}, clock.wall())
                  .value());
  StoreKeeper keeper{*store, clock, metrics, Log::none(), kKeep};

  (void)round(keeper);
  EXPECT_EQ(kept(), 10U);

  clock.advance(std::chrono::minutes{2});
  (void)round(keeper);
  EXPECT_EQ(kept(), 0U);
}

TEST_F(StoreKeeperTest, WhicheverCallFailsTheNextRoundForgetsIt) {
  testing::fail_each_call([](testing::FaultPlan& plan) {
    testing::TempDir folder;
    testing::FakeClock time;
    const auto real = open_sqlite_store({.path = folder.file("s.db")}, time, Log::none()).value();
    ASSERT_TRUE(real->shared().put("k", "v", time.wall() + hours{1}));
    time.advance(hours{2});
    testing::FaultyStore faulty{*real, plan};
    metrics::Metrics some{"test"};
    StoreKeeper keeper{faulty, time, some, Log::none(), kKeep};

    for (int i = 0; i < 3; ++i) {
      (void)keeper.step();
      time.advance(std::chrono::minutes{11});
    }

    RetentionLimits limits;
    limits.expired_before = time.wall();
    EXPECT_EQ(real->retention().forget(limits, 10).value().shared_values, 0U);
  });
}

}  // namespace
}  // namespace umbel::collector
