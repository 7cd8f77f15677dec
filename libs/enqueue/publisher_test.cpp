// Acceptance that does not wait for the broker: the answer comes first, nothing is lost behind it.
#include "publisher.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "known_tasks.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using enqueue::KnownTasks;
using enqueue::Publisher;
using testing::eventually;
using testing::PublishFault;

std::vector<OutboxRow> rows(OutboxId first, std::size_t count) {
  std::vector<OutboxRow> made(count);
  for (auto& row : made) row.id = first++;
  return made;
}

TEST(Publisher, PublishesInTheOrderOfAcceptanceAndTheRestAtItsEnd) {
  std::vector<OutboxId> seen;
  {
    Publisher publisher{[&](std::span<const OutboxRow> all) {
      for (const auto& row : all) seen.push_back(row.id);
    }};
    for (OutboxId first = 0; first < 1000; first += 10) publisher.take(rows(first, 10));
  }
  ASSERT_EQ(seen.size(), 1000U);
  for (OutboxId i = 0; i < 1000; ++i) EXPECT_EQ(seen[i], i);
}

TEST(Publisher, WhileNothingGoesOutItLeavesToTheRelayWhatFindsNoRoom) {
  std::latch gate{1};
  std::atomic<std::size_t> published{0};
  std::atomic<bool> begun{false};
  {
    Publisher publisher{
        [&](std::span<const OutboxRow> all) {
          begun = true;
          gate.wait();
          published += all.size();
        },
        {.most_rows = 10, .most_together = 5, .for_room = std::chrono::milliseconds{1}}};
    publisher.take(rows(0, 5));
    ASSERT_TRUE(eventually([&] { return begun.load(); }));
    publisher.take(rows(5, 10));      // waits in the queue
    publisher.take(rows(15, 10));     // no room in time
    publisher.take(rows(25, 1'000));  // nor here
    gate.count_down();
  }
  EXPECT_EQ(published, 15U);
}

class BehindTest : public ::testing::Test {
 protected:
  testing::TempDir dir;
  testing::FakeClock clock;
  std::unique_ptr<Store> store =
      open_sqlite_store({.path = dir.file("store.db")}, clock, Log::none()).value();
  std::unique_ptr<Broker> real =
      open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value();
  testing::FaultyBroker broker{*real};

  std::unique_ptr<Enqueuer> enqueuer() {
    auto made = std::make_unique<Enqueuer>(*store, broker, clock, Log::none(), "gen1@test");
    made->publish_behind();
    return made;
  }
  static TaskRequest task(const std::string& id) {
    TaskRequest request;
    request.name = "task";
    request.id = TaskId{id};
    return request;
  }
  std::size_t waiting() {
    return store->outbox().unpublished(clock.wall() + std::chrono::hours{1}, 1000).value().size();
  }
  std::uint64_t ready() {
    std::uint64_t tasks = 0;
    for (const auto& queue : real->queues().value()) tasks += queue.ready;
    return tasks;
  }
};

TEST_F(BehindTest, AnAcceptedTaskHasAStatusAtOnceAndIsPublishedSoon) {
  const auto behind = enqueuer();
  const auto request = task("t1");

  ASSERT_TRUE(behind->submit(std::span{&request, 1}).has_value());

  EXPECT_EQ(store->results().find(TaskId{"t1"})->state, TaskState::Pending);
  EXPECT_TRUE(eventually([&] { return ready() == 1 && waiting() == 0; }));
}

TEST_F(BehindTest, WhatWasAcceptedBeforeTheEndIsPublishedAtTheEnd) {
  auto behind = enqueuer();
  for (int i = 0; i < 100; ++i) {
    const auto request = task("t" + std::to_string(i));
    ASSERT_TRUE(behind->submit(std::span{&request, 1}).has_value());
  }
  behind.reset();
  EXPECT_EQ(ready(), 100U);
  EXPECT_EQ(waiting(), 0U);
}

// As after a kill between acceptance and publish: the row is all there is.
TEST_F(BehindTest, WhatWasNeverPublishedIsRelayedByWhoeverComesNext) {
  broker.fail_publish(PublishFault::BeforeEffect);
  auto behind = enqueuer();
  const auto request = task("t1");
  ASSERT_TRUE(behind->submit(std::span{&request, 1}).has_value());
  behind.reset();
  EXPECT_EQ(store->results().find(TaskId{"t1"})->state, TaskState::Pending);
  ASSERT_EQ(ready(), 0U);
  ASSERT_EQ(waiting(), 1U);

  Enqueuer next{*store, broker, clock, Log::none(), "gen2@test"};
  clock.advance(std::chrono::seconds{3});

  EXPECT_EQ(next.relay().value(), 1U);
  EXPECT_EQ(ready(), 1U);
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(BehindTest, WhatAWorkerRegistersCountsATenthOfASecondLater) {
  KnownTasks known{store->catalogue(), clock};
  EXPECT_FALSE((*known.find("task"))->has_value());
  CatalogueEntry entry;
  entry.name = "task";
  entry.queue = QueueName{"own"};
  ASSERT_TRUE(store->catalogue().upsert(std::span{&entry, 1}, clock.wall()).has_value());

  clock.advance(KnownTasks::kKeep);

  const auto found = known.find("task");
  ASSERT_TRUE(found.has_value() && (*found)->has_value());
  EXPECT_EQ((**found)->queue, QueueName{"own"});
}

}  // namespace
}  // namespace umbel
