// Acceptance and outbox, whatever the engine.
#include "store_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::seconds;

class OutboxConformance : public StoreConformance {};

TEST_P(OutboxConformance, AnAcceptedTaskIsPendingAndWaitsInTheOutbox) {
  const auto accepted = store->outbox().accept(accepting({a_task("t1")}, clock.wall()));

  ASSERT_TRUE(accepted.has_value()) << accepted.error().what;
  ASSERT_EQ(accepted->size(), 1U);
  ASSERT_TRUE(accepted->front().has_value());
  const auto found = store->results().find(TaskId{"t1"});
  ASSERT_TRUE(found.has_value()) << found.error().what;
  EXPECT_EQ(found->state, TaskState::Pending);
  EXPECT_EQ(found->name, "demo.add");
  EXPECT_EQ(found->queue, QueueName{"mail"});
  EXPECT_EQ(found->accepted, clock.wall());
  EXPECT_EQ(found->run, 0);
  EXPECT_EQ(found->sequence, 0U);
}

TEST_P(OutboxConformance, TheMessageComesBackAsItWasAccepted) {
  const auto task = a_task("t1");
  const auto accepted = store->outbox().accept(accepting({task}, clock.wall()));

  const auto rows = store->outbox().unpublished(clock.wall() + seconds{1}, 10);

  ASSERT_TRUE(rows.has_value()) << rows.error().what;
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->front().id, accepted->front());
  EXPECT_EQ(rows->front().task, task.id);
  EXPECT_EQ(rows->front().queue, task.queue);
  EXPECT_EQ(rows->front().message, task.message);
  EXPECT_EQ(rows->front().not_before, task.not_before);
}

TEST_P(OutboxConformance, AMessageWithoutExpiryOrDelayComesBackWithoutThem) {
  auto task = a_task("t1");
  task.message.expires.reset();
  task.message.body.clear();
  task.not_before.reset();
  ASSERT_TRUE(store->outbox().accept(accepting({task}, clock.wall())).has_value());

  const auto rows = store->outbox().unpublished(clock.wall() + seconds{1}, 10);

  ASSERT_TRUE(rows.has_value());
  EXPECT_EQ(rows->front().message, task.message);
  EXPECT_FALSE(rows->front().not_before.has_value());
}

TEST_P(OutboxConformance, AcceptingAnIdAgainMakesNothingNew) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("t1")}, clock.wall())).has_value());

  const auto again =
      store->outbox().accept(accepting({a_task("t1"), a_task("t2"), a_task("t2")}, clock.wall()));

  ASSERT_TRUE(again.has_value()) << again.error().what;
  ASSERT_EQ(again->size(), 3U);
  EXPECT_FALSE((*again)[0].has_value());
  EXPECT_TRUE((*again)[1].has_value());
  EXPECT_FALSE((*again)[2].has_value());
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 10)->size(), 2U);
}

TEST_P(OutboxConformance, RowsOfALaterClockAreUnpublishedTooWhenAskedFor) {
  const auto start = clock.wall();
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("now")}, start)).has_value());
  ASSERT_TRUE(store->outbox()
                  .accept(accepting({a_task("later")}, start + std::chrono::hours{1}))
                  .has_value());

  const auto without = store->outbox().unpublished(start, 10);
  const auto with = store->outbox().unpublished(start, 10, start + seconds{2});

  EXPECT_TRUE(without->empty());
  ASSERT_EQ(with->size(), 1U);
  EXPECT_EQ(with->front().task, TaskId{"later"});
}

TEST_P(OutboxConformance, OnlyRowsWrittenBeforeAreUnpublishedOldestFirst) {
  const auto start = clock.wall();
  for (const auto* id : {"t1", "t2", "t3"}) {
    ASSERT_TRUE(store->outbox().accept(accepting({a_task(id)}, clock.wall())).has_value());
    clock.advance(seconds{1});
  }

  const auto none = store->outbox().unpublished(start, 10);
  const auto two = store->outbox().unpublished(start + seconds{2}, 10);
  const auto first = store->outbox().unpublished(start + seconds{9}, 1);

  EXPECT_TRUE(none->empty());
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ((*two)[0].task, TaskId{"t1"});
  EXPECT_EQ((*two)[1].task, TaskId{"t2"});
  ASSERT_EQ(first->size(), 1U);
  EXPECT_EQ(first->front().task, TaskId{"t1"});
}

TEST_P(OutboxConformance, ClearedRowsAreGoneAndTheirNumbersAreNotUsedAgain) {
  const auto first = store->outbox().accept(accepting({a_task("t1")}, clock.wall()));
  const std::vector<OutboxId> rows{*first->front(), 4711};

  ASSERT_TRUE(store->outbox().clear(rows).has_value());
  ASSERT_TRUE(store->outbox().clear(rows).has_value()) << "gone rows are passed over";
  const auto second = store->outbox().accept(accepting({a_task("t2")}, clock.wall()));
  ASSERT_TRUE(store->outbox().clear(rows).has_value());

  EXPECT_GT(*second->front(), *first->front());
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 10)->size(), 1U);
}

TEST_P(OutboxConformance, ATakenTickIsAConflictAndChangesNothing) {
  auto acceptance = accepting({a_task("t1")}, clock.wall());
  acceptance.tick = Tick{.schedule = "hourly", .due = clock.wall()};
  ASSERT_TRUE(store->outbox().accept(acceptance).has_value());

  acceptance.tasks = {a_task("t2")};
  acceptance.sightings = {{"t3_a", "cpp", clock.wall()}};
  acceptance.watermark = Watermark{"cpp", clock.wall()};
  const auto second = store->outbox().accept(acceptance);

  ASSERT_TRUE(second.has_error());
  EXPECT_EQ(second.error().code, Errc::Conflict);
  EXPECT_NE(second.error().what.find("hourly"), std::string::npos) << second.error().what;
  EXPECT_EQ(store->results().find(TaskId{"t2"}).error().code, Errc::NotFound);
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 10)->size(), 1U);
  EXPECT_FALSE(store->submissions().watermark("cpp")->has_value());
  EXPECT_EQ(store->submissions().sighted(std::vector<std::string>{"t3_a"}).value(),
            std::vector<bool>{false});
}

TEST_P(OutboxConformance, TheSameInstantOfAnotherScheduleIsAnotherTick) {
  auto acceptance = accepting({a_task("t1")}, clock.wall());
  acceptance.tick = Tick{.schedule = "hourly", .due = clock.wall()};
  ASSERT_TRUE(store->outbox().accept(acceptance).has_value());

  acceptance.tasks = {a_task("t2")};
  acceptance.tick->schedule = "daily";

  EXPECT_TRUE(store->outbox().accept(acceptance).has_value());
}

TEST_P(OutboxConformance, ATaskSeenFirstByItsLostRunBecomesAcceptedWithoutASecondMessage) {
  ASSERT_TRUE(
      store->results().begin_again(TaskId{"t1"}, "demo.add", QueueName{"mail"}).has_value());

  const auto accepted = store->outbox().accept(accepting({a_task("t1")}, clock.wall()));

  ASSERT_TRUE(accepted.has_value());
  EXPECT_FALSE(accepted->front().has_value());
  const auto found = store->results().find(TaskId{"t1"});
  ASSERT_TRUE(found.has_value()) << found.error().what;
  EXPECT_EQ(found->run, 1);
}

TEST_P(OutboxConformance, SightingsAndWatermarkAreKeptWithTheTasks) {
  auto acceptance = accepting({a_task("t1")}, clock.wall());
  acceptance.sightings = {{"t3_a", "cpp", clock.wall()}, {"t3_b", "cpp", clock.wall()}};
  acceptance.watermark = Watermark{"cpp", clock.wall()};
  ASSERT_TRUE(store->outbox().accept(acceptance).has_value());

  acceptance.tasks.clear();
  acceptance.watermark->newest -= seconds{60};
  ASSERT_TRUE(store->outbox().accept(acceptance).has_value()) << "seen again: harmless";

  const std::vector<std::string> names{"t3_b", "t3_c", "t3_a"};
  EXPECT_EQ(store->submissions().sighted(names).value(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(store->submissions().watermark("cpp").value(), clock.wall()) << "never moves back";
  EXPECT_FALSE(store->submissions().watermark("rust")->has_value());
}

UMBEL_INSTANTIATE_STORE_SUITE(OutboxConformance);

}  // namespace
}  // namespace umbel::testing
