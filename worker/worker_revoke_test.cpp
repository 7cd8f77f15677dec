// Tasks that are revoked before they start, and the worker that comes to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "stand.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WorkerRevokeTest : public ::testing::Test {
 protected:
  WorkerRevokeTest() {
    stand.tasks.add("noop", std::function{[this](TaskContext& context) {
                      const std::lock_guard lock{mutex};
                      ran.insert(context.id().str());
                    }},
                    {});
    stand.tasks.add("wait", std::function{[this](TaskContext&) {
                      running = true;
                      EXPECT_TRUE(eventually([&] { return go.load(); }, seconds{30}));
                    }},
                    {});
  }
  Revocation revoke(const TaskId& id) {
    const NamedTask task{id, "noop", QueueName{kDefaultQueue}};
    return stand.store.results()
        .revoke({&task, 1}, R"({"exc_type": "TaskRevokedError"})", stand.clock.wall())
        .value()
        .front();
  }
  double finished(const std::string& outcome) {
    return stand.metrics.counter(metrics::kTasksFinished, {"noop", kDefaultQueue, outcome}).Value();
  }

  std::mutex mutex;
  std::set<std::string> ran;
  std::atomic<bool> running{false}, go{false};
  Stand stand;  // last: its workers run the tasks above
};

TEST_F(WorkerRevokeTest, drops_a_waiting_task_and_tells_of_it) {
  const auto id = stand.submit("noop");
  EXPECT_EQ(revoke(id), Revocation::Revoked);
  const auto worker = stand.start();
  EXPECT_THAT(stand.types_of(id, TaskEventType::Revoked), ElementsAre(TaskEventType::Revoked));
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_TRUE(ran.empty());
  EXPECT_EQ(stand.find(id)->state, TaskState::Revoked);
  EXPECT_EQ(finished("revoked"), 1);
  EXPECT_EQ(stand.metrics.counter(metrics::kTaskDuplicates).Value(), 0);
}

TEST_F(WorkerRevokeTest, drops_a_prefetched_task_when_its_turn_comes) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  const auto first = stand.submit("wait");
  ASSERT_TRUE(eventually([&] { return running.load(); }));
  const auto second = stand.submit("noop");
  ASSERT_EQ(stand.types_of(second, TaskEventType::Received).size(), 1U);
  EXPECT_EQ(revoke(first), Revocation::Running);
  EXPECT_EQ(revoke(second), Revocation::Revoked);
  go = true;
  EXPECT_THAT(stand.types_of(second, TaskEventType::Revoked),
              ElementsAre(TaskEventType::Received, TaskEventType::Revoked));
  EXPECT_EQ(stand.result_of(first).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_TRUE(ran.empty());
}

TEST_F(WorkerRevokeTest, drops_a_task_that_is_held_for_its_eta) {
  const auto worker = stand.start();
  TaskRequest request;
  request.name = "noop";
  request.eta = stand.clock.wall() + milliseconds{600};
  const auto id = stand.enqueuer.submit({&request, 1}).value().front().id;
  EXPECT_EQ(revoke(id), Revocation::Revoked);
  EXPECT_EQ(stand.types_of(id, TaskEventType::Revoked).back(), TaskEventType::Revoked);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_TRUE(ran.empty());
}

TEST_F(WorkerRevokeTest, drops_a_foreign_task_that_has_no_row) {
  celery::TaskMessage task;
  task.task = "noop";
  const auto id = stand.send(task);
  EXPECT_EQ(revoke(id), Revocation::Revoked);
  const auto worker = stand.start();
  EXPECT_EQ(stand.types_of(id, TaskEventType::Revoked).size(), 1U);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_TRUE(ran.empty());
}

TEST_F(WorkerRevokeTest, of_a_start_and_a_revocation_exactly_one_happens) {
  constexpr int kTasks = 300;
  stand.options.concurrency = 4;
  stand.options.prefetch_multiplier = 16;
  const auto worker = stand.start();
  std::set<std::string> revoked, all;
  for (int i = 0; i < kTasks; ++i) {
    const auto id = stand.submit("noop");
    all.insert(id.str());
    const auto answer = revoke(id);
    if (answer == Revocation::Revoked) revoked.insert(id.str());
  }
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }, seconds{30}));
  const std::lock_guard lock{mutex};
  for (const auto& id : all) {
    EXPECT_NE(ran.contains(id), revoked.contains(id)) << id;
    EXPECT_EQ(stand.find(TaskId{id})->state,
              revoked.contains(id) ? TaskState::Revoked : TaskState::Success);
  }
  RecordProperty("revoked", static_cast<int>(revoked.size()));
}

TEST_F(WorkerRevokeTest, the_series_of_its_tasks_are_there_from_the_start) {
  const auto worker = stand.start();
  const auto text = stand.metrics.text();
  for (const auto* outcome : {"success", "failure", "retry", "revoked"}) {
    EXPECT_THAT(text, HasSubstr("umbel_tasks_finished_total{outcome=\"" + std::string{outcome} +
                                "\",queue=\"umbel\",task=\"noop\"} 0"));
  }
  EXPECT_THAT(text, HasSubstr("task=\"noop\""));
}

}  // namespace
}  // namespace umbel::testing
