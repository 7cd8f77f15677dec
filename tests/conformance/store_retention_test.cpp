// Forgetting what is past its time, whatever the engine.
#include "store_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
constexpr auto kDay = hours{24};

class StoreRetentionConformance : public StoreConformance {
 protected:
  [[nodiscard]] RetentionLimits limits() const {
    RetentionLimits made;
    made.finished_before = made.sighted_before = clock.wall() - 30 * kDay;
    made.sightings_kept = 2;
    made.expired_before = clock.wall();
    return made;
  }
  // Until nothing more is found; the sum of all steps.
  Forgotten forget_all(std::size_t most = 100) {
    Forgotten sum;
    for (int step = 0; step < 100; ++step) {
      const auto done = store->retention().forget(limits(), most).value();
      EXPECT_LE(done.tasks, most);
      EXPECT_LE(done.sightings, most);
      sum.tasks += done.tasks;
      sum.outbox += done.outbox;
      sum.sightings += done.sightings;
      sum.shared_values += done.shared_values;
      if (!done.more) return sum;
    }
    ADD_FAILURE() << "there is always more";
    return sum;
  }
  // Accepted and published.
  void accept(const std::string& id) {
    const auto rows = store->outbox().accept(accepting({a_task(id)}, clock.wall())).value();
    ASSERT_TRUE(store->outbox().clear(std::vector{*rows.front()}));
  }
  void finish(const std::string& id) {
    const auto run = a_success(id, 0, clock.wall());
    ASSERT_TRUE(store->results().finish({&run, 1}).value().front().stored);
  }
  [[nodiscard]] bool knows(const std::string& id) {
    return store->results().find(TaskId{id}).has_value();
  }
};

TEST_P(StoreRetentionConformance, ForgetsOldResultsAndNothingThatIsNotEnded) {
  accept("old");
  accept("waits");
  accept("tried");
  finish("old");
  const auto retry = a_retry("tried", 0, clock.wall());
  ASSERT_TRUE(store->results().finish({&retry, 1}));
  clock.advance(29 * kDay);
  accept("young");
  finish("young");
  EXPECT_EQ(forget_all(), Forgotten{});

  clock.advance(2 * kDay);
  const auto forgotten = forget_all();

  EXPECT_EQ(forgotten.tasks, 1U);
  EXPECT_FALSE(knows("old"));
  EXPECT_EQ(store->results().find(TaskId{"old"}).error().code, Errc::NotFound);
  EXPECT_TRUE(knows("young"));
  EXPECT_TRUE(knows("waits"));
  EXPECT_TRUE(knows("tried"));
  EXPECT_EQ(store->results().finished_since(0, 10).value().size(), 1U);
}

TEST_P(StoreRetentionConformance, GoesInSteps) {
  for (int i = 0; i < 25; ++i) {
    accept("t" + std::to_string(i));
    finish("t" + std::to_string(i));
  }
  clock.advance(31 * kDay);

  const auto first = store->retention().forget(limits(), 10).value();
  EXPECT_EQ(first.tasks, 10U);
  EXPECT_TRUE(first.more);
  EXPECT_EQ(forget_all(10).tasks, 15U);
  EXPECT_TRUE(store->results().finished_since(0, 100).value().empty());
}

TEST_P(StoreRetentionConformance, AResultFromAWrongClockDoesNotKeepTheOthers) {
  accept("future");
  accept("old");
  const auto future = a_success("future", 0, clock.wall() + 365 * kDay);
  ASSERT_TRUE(store->results().finish({&future, 1}));
  finish("old");
  clock.advance(31 * kDay);

  EXPECT_EQ(forget_all().tasks, 1U);
  EXPECT_FALSE(knows("old"));
  EXPECT_TRUE(knows("future"));
}

TEST_P(StoreRetentionConformance, ALeftoverMessageOfAnEndedTaskGoesWithIt) {
  const auto rows =
      store->outbox().accept(accepting({a_task("ended"), a_task("waits")}, clock.wall()));
  ASSERT_TRUE(rows);
  finish("ended");
  clock.advance(31 * kDay);

  const auto forgotten = forget_all();

  EXPECT_EQ(forgotten.outbox, 1U);
  const auto left = store->outbox().unpublished(clock.wall(), 10).value();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left.front().task, TaskId{"waits"});
}

TEST_P(StoreRetentionConformance, TheNewestSightingsOfEachSubredditStay) {
  Acceptance seen = accepting({}, clock.wall());
  for (int i = 0; i < 5; ++i) {
    for (const std::string subreddit : {"cpp", "linux"}) {
      seen.sightings.push_back({.fullname = "t3_" + subreddit + std::to_string(i),
                                .subreddit = subreddit,
                                .created = clock.wall() + minutes{i}});
    }
  }
  seen.watermark = Watermark{.subreddit = "cpp", .newest = clock.wall()};
  ASSERT_TRUE(store->outbox().accept(seen));
  Acceptance other = accepting({}, clock.wall());
  other.watermark = Watermark{.subreddit = "linux", .newest = clock.wall()};
  ASSERT_TRUE(store->outbox().accept(other));
  EXPECT_EQ(forget_all().sightings, 0U) << "too young";
  clock.advance(31 * kDay);

  EXPECT_EQ(forget_all(2).sightings, 6U);

  const std::vector<std::string> names{"t3_cpp2", "t3_cpp3", "t3_cpp4", "t3_linux3", "t3_linux0"};
  EXPECT_EQ(store->submissions().sighted(names).value(),
            (std::vector<bool>{false, true, true, true, false}));
}

TEST_P(StoreRetentionConformance, ExpiredSharedValuesGo) {
  ASSERT_TRUE(store->shared().put("short", "1", clock.wall() + minutes{1}));
  ASSERT_TRUE(store->shared().put("long", "1", clock.wall() + 2 * kDay));
  clock.advance(kDay);

  EXPECT_EQ(forget_all().shared_values, 1U);
  EXPECT_EQ(store->shared().get("long", clock.wall()).value(), "1");
}

TEST_P(StoreRetentionConformance, SpaceIsUsedAgain) {
  const auto fill = [this](const std::string& prefix) {
    std::vector<AcceptedTask> tasks;
    std::vector<FinishedRun> runs;
    for (int i = 0; i < 300; ++i) {
      tasks.push_back(a_task(prefix + std::to_string(i)));
      runs.push_back(a_success(prefix + std::to_string(i), 0, clock.wall()));
      runs.back().result = std::string(2000, 'r');
    }
    const auto rows = store->outbox().accept(accepting(tasks, clock.wall())).value();
    std::vector<OutboxId> ids;
    for (const auto& row : rows) ids.push_back(*row);
    ASSERT_TRUE(store->outbox().clear(ids));
    ASSERT_TRUE(store->results().finish(runs));
  };
  fill("a");
  const auto full = store->retention().size().value();
  EXPECT_GT(full.bytes, 500'000U);

  for (const std::string next : {"b", "c", "d"}) {
    clock.advance(31 * kDay);
    EXPECT_EQ(forget_all().tasks, 300U);
    EXPECT_GT(store->retention().size().value().free_bytes, 400'000U);
    fill(next);
  }

  EXPECT_LT(store->retention().size().value().bytes, full.bytes * 3 / 2);
}

UMBEL_INSTANTIATE_STORE_SUITE(StoreRetentionConformance);

}  // namespace
}  // namespace umbel::testing
