// What schedulers have in force, pauses, what became of ticks, and who changed what; whatever the
// engine.
#include <gmock/gmock.h>

#include "store_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ScheduleCard card(const std::string& name, const std::string& task = "noop") {
  return {.name = name,
          .task = task,
          .args = "[1]",
          .kwargs = R"({"x": 2})",
          .queue = "q",
          .expression = "0 9 * * mon-fri",
          .zone = "Europe/Berlin",
          .definition = "cron 0 9 * * mon-fri (Europe/Berlin)",
          .description = "what for",
          .enabled = false};
}

class ScheduleBookConformance : public StoreConformance {
 protected:
  void publish(const std::string& scheduler, const std::vector<ScheduleCard>& cards) {
    const auto done = store->schedules().publish(scheduler, cards, clock.wall());
    ASSERT_TRUE(done) << done.error().what;
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const auto& each : page().entries) found.push_back(each.name);
    return found;
  }
  ScheduleBookPage page() { return store->schedules().read(clock.wall()).value(); }
  bool alive(const std::string& scheduler) {
    return store->schedules().still_alive(scheduler, clock.wall()).value();
  }
  Result<AcceptedRows> take(const std::string& schedule, WallTime due, const std::string& task) {
    auto acceptance = accepting({a_task(task)}, clock.wall());
    acceptance.tick = Tick{.schedule = schedule, .due = due};
    return store->outbox().accept(acceptance);
  }
};

TEST_P(ScheduleBookConformance, AnEmptyBookSaysThatNoSchedulerWasSeen) {
  EXPECT_THAT(page().entries, IsEmpty());
  EXPECT_FALSE(page().last_seen.has_value());
  EXPECT_FALSE(alive("s1"));
}

TEST_P(ScheduleBookConformance, WhatASchedulerHasInForceIsToldWhole) {
  publish("s1", {card("b"), card("a")});
  EXPECT_THAT(page().entries, ElementsAre(card("a"), card("b")));
  EXPECT_EQ(page().last_seen, clock.wall());
  clock.advance(seconds{4});
  EXPECT_TRUE(alive("s1"));
  EXPECT_EQ(page().last_seen, clock.wall());
}

TEST_P(ScheduleBookConformance, AReloadReplacesWhatTheSchedulerHad) {
  publish("s1", {card("a"), card("b")});
  publish("s1", {card("b", "other"), card("c")});
  EXPECT_THAT(page().entries, ElementsAre(card("b", "other"), card("c")));
}

TEST_P(ScheduleBookConformance, AnEntryIsInForceWhileOneLivingSchedulerHasIt) {
  publish("s1", {card("a"), card("b")});
  clock.advance(seconds{1});
  publish("s2", {card("b", "newer"), card("c")});
  EXPECT_THAT(page().entries, ElementsAre(card("a"), card("b", "newer"), card("c")));
  clock.advance(kSchedulerLives - seconds{2});
  EXPECT_TRUE(alive("s2"));
  clock.advance(seconds{2});
  EXPECT_THAT(names(), ElementsAre("b", "c")) << "s1 lives no longer";
  clock.advance(seconds{1});
  EXPECT_TRUE(alive("s1")) << "and back: nobody has swept it";
  EXPECT_THAT(names(), ElementsAre("a", "b", "c"));
}

TEST_P(ScheduleBookConformance, IfNoneLivesTheLastOneIsToldWithItsTime) {
  publish("s1", {card("a")});
  clock.advance(seconds{1});
  publish("s2", {card("b")});
  const auto last = clock.wall();
  clock.advance(10 * kSchedulerLives);
  EXPECT_THAT(names(), ElementsAre("b"));
  EXPECT_EQ(page().last_seen, last);
}

TEST_P(ScheduleBookConformance, WhoLeavesIsGoneAtOnceAndWhoIsGoneIsSweptByTheNext) {
  publish("s1", {card("a")});
  publish("s2", {card("b")});
  ASSERT_TRUE(store->schedules().leave("s1"));
  EXPECT_THAT(names(), ElementsAre("b"));
  ASSERT_TRUE(store->schedules().leave("s2"));
  EXPECT_EQ(names().size(), 1U) << "the last one's stays to be seen";
  publish("s3", {card("c")});
  EXPECT_THAT(names(), ElementsAre("c"));
  EXPECT_FALSE(alive("s1"));
  EXPECT_FALSE(alive("s2"));
  EXPECT_TRUE(alive("s3"));
}

TEST_P(ScheduleBookConformance, APauseKeepsItsBeginningAndGetsTheNewestReason) {
  EXPECT_TRUE(store->schedules().pause("a", "migration", clock.wall()).value());
  const auto since = clock.wall();
  clock.advance(seconds{5});
  EXPECT_FALSE(store->schedules().pause("a", "still", clock.wall()).value());
  const SchedulePause expected{"a", since, "still"};
  EXPECT_THAT(store->schedules().pauses().value(), ElementsAre(expected));
  EXPECT_THAT(page().pauses, ElementsAre(expected));
  EXPECT_TRUE(store->schedules().resume("a", clock.wall()).value());
  EXPECT_FALSE(store->schedules().resume("a", clock.wall()).value());
  EXPECT_THAT(store->schedules().pauses().value(), IsEmpty());
}

TEST_P(ScheduleBookConformance, APausedScheduleTakesNoTickWhoeverAsks) {
  ASSERT_TRUE(store->schedules().pause("a", "", clock.wall()));
  const auto other = place->open(clock);
  auto acceptance = accepting({a_task("t1")}, clock.wall());
  acceptance.tick = Tick{.schedule = "a", .due = clock.wall()};
  const auto refused = other->outbox().accept(acceptance);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::Conflict);
  EXPECT_EQ(store->results().find(TaskId{"t1"}).error().code, Errc::NotFound);
  EXPECT_FALSE(store->ticks().latest("a").value().has_value());
  EXPECT_TRUE(take("b", clock.wall(), "t2")) << "another schedule is not concerned";
  ASSERT_TRUE(store->schedules().resume("a", clock.wall()));
  EXPECT_TRUE(other->outbox().accept(acceptance));
}

TEST_P(ScheduleBookConformance, AResumedScheduleIsInForceFromThereOn) {
  const ScheduleInForce schedule{"a", "every 1s", clock.wall()};
  ASSERT_TRUE(store->ticks().take_up(std::span{&schedule, 1}, clock.wall()));
  ASSERT_TRUE(store->schedules().pause("a", "", clock.wall()));
  clock.advance(seconds{60});
  ASSERT_TRUE(store->schedules().resume("a", clock.wall()));
  const auto resumed = clock.wall();
  clock.advance(seconds{5});
  EXPECT_EQ(store->ticks().take_up(std::span{&schedule, 1}, clock.wall())->front().since, resumed);
}

TEST_P(ScheduleBookConformance, TicksAreToldWithWhatBecameOfTheirTasks) {
  const auto start = clock.wall();
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(take("a", start + seconds{i}, "t" + std::to_string(i)));
  }
  ASSERT_TRUE(take("b", start, "other"));
  clock.advance(seconds{10});
  const std::vector<NamedTask> begun{{TaskId{"t0"}, "demo.add", QueueName{"mail"}},
                                     {TaskId{"t1"}, "demo.add", QueueName{"mail"}},
                                     {TaskId{"t3"}, "demo.add", QueueName{"mail"}}};
  ASSERT_TRUE(store->results().begin(begun));
  auto failure = a_success("t1", 0, clock.wall());
  failure.state = TaskState::Failure;
  const std::vector<FinishedRun> runs{a_success("t0", 0, clock.wall()), failure,
                                      a_retry("t2", 0, clock.wall())};
  ASSERT_TRUE(store->results().finish(runs));
  ASSERT_TRUE(store->ticks()
                  .record_missed("a", {start + seconds{6}, start + seconds{8}, 2}, clock.wall())
                  .value());

  const auto fates = store->ticks().fates("a", 4).value();
  ASSERT_EQ(fates.size(), 4U);
  EXPECT_EQ(fates[0].tick.outcome, TickOutcome::Missed);
  EXPECT_FALSE(fates[0].state.has_value());
  EXPECT_EQ(fates[1].tick.task, TaskId{"t5"});
  EXPECT_EQ(fates[1].state, TaskState::Pending);
  EXPECT_FALSE(fates[1].started);
  EXPECT_EQ(fates[3].tick.task, TaskId{"t3"});
  EXPECT_TRUE(fates[3].started);
  const auto all = store->ticks().fates("a", 100).value();
  ASSERT_EQ(all.size(), 7U);
  EXPECT_EQ(all.back().state, TaskState::Success);
  EXPECT_EQ(all.back().runtime, 0.25);

  EXPECT_EQ(store->ticks().count("a", start, start + seconds{9}).value(),
            (TickCounts{.succeeded = 1, .failed = 1, .running = 1, .waiting = 3, .missed = 2}));
  EXPECT_EQ(store->ticks().count("a", start + seconds{1}, start + seconds{2}).value(),
            (TickCounts{.failed = 1}))
      << "from inclusive, to exclusive";
  EXPECT_EQ(store->ticks().of_task(TaskId{"t5"}, start, clock.wall() + seconds{60})->value().due,
            fates[1].tick.due);
  EXPECT_FALSE(store->ticks().of_task(TaskId{"t5"}, start, start)->has_value()) << "not then";
  EXPECT_FALSE(store->ticks().of_task(TaskId{"x"}, start, clock.wall() + seconds{60})->has_value());
  EXPECT_EQ(store->ticks().count("none", start, start + seconds{9}).value(), TickCounts{});
}

TEST_P(ScheduleBookConformance, ATickWhoseTaskIsForgottenIsUnknown) {
  const auto start = clock.wall();
  ASSERT_TRUE(take("a", start, "t0"));
  const auto run = a_success("t0", 0, clock.wall());
  ASSERT_TRUE(store->results().finish({&run, 1}));
  RetentionLimits limits;
  limits.finished_before = limits.expired_before = clock.wall() + seconds{1};
  ASSERT_TRUE(store->retention().forget(limits, 10));
  EXPECT_EQ(store->ticks().count("a", start, start + seconds{1}).value(),
            (TickCounts{.unknown = 1}));
  EXPECT_FALSE(store->ticks().fates("a", 1).value().front().state.has_value());
}

class AuditLogConformance : public StoreConformance {
 protected:
  AuditEntry entry(const std::string& object) {
    return {.at = clock.wall(),
            .who = "127.0.0.1",
            .action = "task.retry",
            .object = object,
            .detail = "new",
            .outcome = "done"};
  }
};

TEST_P(AuditLogConformance, TellsTheNewestFirstAndPageByPage) {
  EXPECT_THAT(store->audit().latest(10).value(), IsEmpty());
  ASSERT_TRUE(store->audit().add({entry("a"), entry("b")}));
  ASSERT_TRUE(store->audit().add({entry("a")}));
  const auto all = store->audit().latest(10).value();
  ASSERT_EQ(all.size(), 3U);
  auto expected = entry("b");
  expected.id = all[1].id;
  EXPECT_EQ(all[1], expected);
  EXPECT_GT(all[0].id, all[1].id);
  EXPECT_GT(all[1].id, all[2].id);
  EXPECT_EQ(store->audit().latest(1, all[0].id).value(), std::vector{all[1]});
  EXPECT_EQ(store->audit().latest(10, 0, "a").value(), (std::vector{all[0], all[2]}));
}

TEST_P(AuditLogConformance, IsBounded) {
  std::vector<AuditEntry> many(AuditLog::kKept + 7, entry("x"));
  ASSERT_TRUE(store->audit().add(many));
  ASSERT_TRUE(store->audit().add({entry("last")}));
  const auto all = store->audit().latest(2 * AuditLog::kKept).value();
  EXPECT_EQ(all.size(), AuditLog::kKept);
  EXPECT_EQ(all.front().object, "last");
}

UMBEL_INSTANTIATE_STORE_SUITE(ScheduleBookConformance);
UMBEL_INSTANTIATE_STORE_SUITE(AuditLogConformance);

}  // namespace
}  // namespace umbel::testing
