// Of starting a task and revoking it exactly one has its way, whatever the engine.
#include <gmock/gmock.h>

#include <latch>
#include <thread>

#include "store_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::seconds;
constexpr const char* kResult = R"({"exc_type": "TaskRevokedError"})";

NamedTask named(const std::string& id) { return {TaskId{id}, "demo.add", QueueName{"mail"}}; }

class RevocationConformance : public StoreConformance {
 protected:
  void accept(const std::string& id) {
    ASSERT_TRUE(store->outbox().accept(accepting({a_task(id)}, clock.wall())));
  }
  RunState begin(const std::string& id) {
    const auto task = named(id);
    return store->results().begin({&task, 1}).value().front();
  }
  Revocation revoke(const std::string& id) {
    const auto task = named(id);
    return store->results().revoke({&task, 1}, kResult, clock.wall()).value().front();
  }
};

TEST_P(RevocationConformance, ATaskThatHasNotStartedEndsAsRevoked) {
  accept("t1");
  clock.advance(seconds{3});
  EXPECT_EQ(revoke("t1"), Revocation::Revoked);
  const auto found = store->results().find(TaskId{"t1"}).value();
  EXPECT_EQ(found.state, TaskState::Revoked);
  EXPECT_EQ(found.result, kResult);
  EXPECT_EQ(found.done, clock.wall());
  EXPECT_EQ(found.worker, "");
  EXPECT_GT(found.sequence, 0U);
  const auto state = begin("t1");
  EXPECT_TRUE(state.final);
  EXPECT_TRUE(state.revoked);
  const TaskId id{"t1"};
  EXPECT_TRUE(store->results().look_up({&id, 1}).value().front().revoked);
  const auto run = a_success("t1", 0, clock.wall());
  EXPECT_FALSE(store->results().finish({&run, 1}).value().front().stored);
  EXPECT_EQ(revoke("t1"), Revocation::Ended);
}

TEST_P(RevocationConformance, ATaskThatHasStartedCannotBeRevoked) {
  accept("t1");
  const auto state = begin("t1");
  EXPECT_FALSE(state.final);
  EXPECT_EQ(state.run, 0);
  EXPECT_EQ(revoke("t1"), Revocation::Running);
  const auto run = a_success("t1", 0, clock.wall());
  EXPECT_TRUE(store->results().finish({&run, 1}).value().front().stored);
  EXPECT_EQ(revoke("t1"), Revocation::Ended);
  const auto again = begin("t1");
  EXPECT_TRUE(again.final);
  EXPECT_FALSE(again.revoked);
}

TEST_P(RevocationConformance, ARunThatWasHandedBackOrRetriedHasNotStarted) {
  accept("back");
  (void)begin("back");
  const auto back = named("back");
  ASSERT_TRUE(store->results().hand_back({&back, 1}));
  EXPECT_EQ(revoke("back"), Revocation::Revoked);

  accept("again");
  (void)begin("again");
  const auto retry = a_retry("again", 0, clock.wall());
  ASSERT_TRUE(store->results().finish({&retry, 1}).value().front().stored);
  EXPECT_EQ(revoke("again"), Revocation::Revoked);
  EXPECT_EQ(store->results().find(TaskId{"again"})->state, TaskState::Revoked);
}

TEST_P(RevocationConformance, ARedeliveredRunIsAStart) {
  accept("t1");
  ASSERT_TRUE(store->results().begin_again(TaskId{"t1"}, "demo.add", QueueName{"mail"}));
  EXPECT_EQ(revoke("t1"), Revocation::Running);
  ASSERT_TRUE(store->results().begin_again(TaskId{"foreign"}, "demo.add", QueueName{"mail"}));
  EXPECT_EQ(revoke("foreign"), Revocation::Running);
}

TEST_P(RevocationConformance, ATaskWithoutARowGetsOne) {
  EXPECT_EQ(revoke("foreign"), Revocation::Revoked);
  const auto found = store->results().find(TaskId{"foreign"}).value();
  EXPECT_EQ(found.name, "demo.add");
  EXPECT_EQ(found.queue, QueueName{"mail"});
  EXPECT_EQ(found.state, TaskState::Revoked);
  EXPECT_FALSE(begin("other").final);
  EXPECT_EQ(store->results().find(TaskId{"other"}).error().code, Errc::NotFound)
      << "a start is no status";
  EXPECT_EQ(revoke("other"), Revocation::Running);
}

TEST_P(RevocationConformance, AnEndByAWorkerIsNotOneByUs) {
  accept("t1");
  auto expired = a_success("t1", 0, clock.wall());
  expired.state = TaskState::Revoked;
  ASSERT_TRUE(store->results().finish({&expired, 1}).value().front().stored);
  const auto state = begin("t1");
  EXPECT_TRUE(state.final);
  EXPECT_FALSE(state.revoked);
}

TEST_P(RevocationConformance, WhatATaskWasAcceptedWithIsKept) {
  accept("t1");
  const auto kept = store->results().arguments(TaskId{"t1"}).value();
  EXPECT_EQ(kept.body, a_task("t1").message.body);
  EXPECT_EQ(kept.bytes, a_task("t1").message.body.size());
  const auto run = a_success("t1", 0, clock.wall());
  ASSERT_TRUE(store->results().finish({&run, 1}));
  EXPECT_EQ(store->results().arguments(TaskId{"t1"})->body, a_task("t1").message.body)
      << "also when it has ended";
  auto large = a_task("large");
  large.message.body = std::string(kKeptBody + 1, 'x');
  ASSERT_TRUE(store->outbox().accept(accepting({large}, clock.wall())));
  const auto left_out = store->results().arguments(TaskId{"large"}).value();
  EXPECT_FALSE(left_out.body.has_value());
  EXPECT_EQ(left_out.bytes, kKeptBody + 1);
  (void)begin("foreign");
  EXPECT_EQ(store->results().arguments(TaskId{"foreign"})->bytes, 0U);
  EXPECT_FALSE(store->results().arguments(TaskId{"unknown"})->body.has_value());
}

TEST_P(RevocationConformance, OfAStartAndARevocationAtTheSameInstantExactlyOneHappens) {
  constexpr int kTasks = 200;
  const auto other = place->open(clock);
  int revoked = 0;
  for (int i = 0; i < kTasks; ++i) {
    const auto id = "t" + std::to_string(i);
    if (i % 2 == 0) accept(id);
    std::latch together{2};
    RunState begun;
    std::thread starter{[&] {
      const auto task = named(id);
      together.arrive_and_wait();
      begun = store->results().begin({&task, 1}).value().front();
    }};
    const auto task = named(id);
    together.arrive_and_wait();
    const auto answer = other->results().revoke({&task, 1}, kResult, clock.wall()).value().front();
    starter.join();
    EXPECT_EQ(begun.final, answer == Revocation::Revoked) << id;
    EXPECT_EQ(!begun.final, answer == Revocation::Running) << id;
    revoked += answer == Revocation::Revoked ? 1 : 0;
  }
  RecordProperty("revoked", revoked);
}

UMBEL_INSTANTIATE_STORE_SUITE(RevocationConformance);

}  // namespace
}  // namespace umbel::testing
