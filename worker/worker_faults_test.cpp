// Every call of a worker to store and broker fails once, before or after it took effect: no task is
// lost, each ends with one result, and the worker goes on.
#include <gmock/gmock.h>

#include <atomic>
#include <future>

#include "stand.hpp"
#include "umbel/testing/faults.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/faulty_store.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::fail_each_call;
using testing::FaultPlan;
using testing::Stand;

// A stand whose workers meet the plan's faults; everybody else sees the real engines.
class FaultyStand : public Stand {
 public:
  explicit FaultyStand(FaultPlan& plan) : faulty_store{store, plan}, faulty_broker{*broker, plan} {
    options.heartbeat = 2000ms;
    tasks.add("count", std::function<void(TaskContext&)>{[this](TaskContext&) { ++runs; }}, {});
    TaskOptions twice;
    twice.retry.max_retries = 1;
    twice.retry.first_delay = 1ms;
    tasks.add("twice", std::function<void(TaskContext&)>{[this](TaskContext& context) {
                ++runs;
                if (context.retries() == 0) throw TaskError{"ValueError", "not yet"};
              }},
              {}, twice);
    tasks.add("patient", std::function<void(TaskContext&)>{[this](TaskContext& context) {
                ++runs;
                if (patience && !context.sleep_for(20s)) throw std::runtime_error{"told to stop"};
              }},
              {});
  }

  // As a supervisor does it: a worker that cannot start is started again.
  std::unique_ptr<Worker> start_faulty() {
    for (int tries = 0; tries < 3; ++tries) {
      auto worker = std::make_unique<Worker>(options, tasks, faulty_broker, faulty_store, clock,
                                             metrics, log);
      if (worker->start()) return worker;
    }
    ADD_FAILURE() << "the worker did not start";
    return nullptr;
  }

  TaskId send_redelivered(const std::string& name) {
    const auto id = send(name);
    auto consumer = broker->consume({{QueueName{kDefaultQueue}}, 1, "lost"});
    EXPECT_EQ((*consumer)->next(1, 5s, {}).value().size(), 1U);
    return id;
  }

  testing::FaultyStore faulty_store;
  testing::FaultyBroker faulty_broker;
  std::atomic<int> runs{0};
  std::atomic<bool> patience{true};
};

TEST(WorkerFaults, LosesNothingAndGoesOnWhicheverCallFails) {
  fail_each_call([](FaultPlan& plan) {
    FaultyStand stand{plan};
    std::map<TaskId, TaskState> expected;
    expected[stand.send_redelivered("count")] = TaskState::Success;
    expected[stand.submit("twice")] = TaskState::Success;
    expected[stand.send("no.such")] = TaskState::Failure;
    celery::TaskMessage old;
    old.task = "count";
    old.expires = stand.clock.wall() - 1s;
    expected[stand.send(old)] = TaskState::Revoked;
    celery::TaskMessage far;
    far.task = "count";
    far.eta = stand.clock.wall() + 24h;
    const auto tomorrow = stand.send(far);
    celery::TaskMessage bad;
    bad.task = "count";
    bad.id = TaskId{"poison"};
    auto poison = celery::encode_task(bad);
    poison.body = "nonsense";
    stand.publish(poison);
    expected[TaskId{"poison"}] = TaskState::Failure;

    const auto worker = stand.start_faulty();
    ASSERT_TRUE(worker);
    for (const auto& [id, state] : expected) {
      EXPECT_EQ(stand.result_of(id).state, state) << id;
    }
    EXPECT_EQ(stand.result_of(stand.submit("count")).state, TaskState::Success)
        << "the worker goes on";
    EXPECT_TRUE(eventually([&] {
      const auto queue = stand.queue();
      return queue.ready + queue.unacked.value() == 0 && queue.delayed >= 1;
    })) << "what is done is acknowledged, and tomorrow's task waits in the broker";
    EXPECT_GE(stand.runs, 4);
    EXPECT_LE(stand.runs, 5) << "one fault makes one run twice at most";
    EXPECT_FALSE(stand.find(tomorrow));
    EXPECT_TRUE(eventually([&] { return worker->ready().has_value(); }));
  });
}

TEST(WorkerFaults, HandsBackWhatRunsAndWhatWaitsWhicheverCallOfTheStopFails) {
  fail_each_call([](FaultPlan& plan) {
    FaultyStand stand{plan};
    stand.options.concurrency = 1;
    stand.options.stop_soft = 10ms;
    stand.options.stop_hard = 400ms;
    std::vector<TaskId> ids;
    auto worker = stand.start_faulty();
    ASSERT_TRUE(worker);
    for (int i = 0; i < 3; ++i) ids.push_back(stand.submit("patient"));
    ASSERT_TRUE(eventually([&] { return stand.runs >= 1 && stand.queue().unacked == 3; }));
    worker->stop();
    worker.reset();

    stand.patience = false;
    const auto second = stand.start_faulty();
    ASSERT_TRUE(second);
    for (const auto& id : ids) EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
    EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  });
}

}  // namespace
}  // namespace umbel
