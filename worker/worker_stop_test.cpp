// Ends and outages: nothing is lost when the worker stops, and nothing when the store does.
#include <gmock/gmock.h>

#include <atomic>
#include <future>

#include "event_sender.hpp"
#include "soft_limits.hpp"
#include "stand.hpp"
#include "umbel/testing/forwarding_broker.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::Stand;

// Tasks that wait for the test.
class Gate {
 public:
  void open() { promise_.set_value(); }
  std::function<void(TaskContext&)> task() {
    return [this](TaskContext&) {
      ++running;
      future_.wait();
    };
  }
  std::atomic<int> running{0};

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

std::function<void(TaskContext&)> patient(std::atomic<int>& running, std::atomic<int>& told) {
  return [&](TaskContext& context) {
    ++running;
    if (!context.sleep_for(60s)) {
      ++told;
      throw TaskError{"InterruptedError", "told to stop"};
    }
  };
}

TEST(WorkerStop, GivesBackWhatHasNotStartedAndFinishesWhatHas) {
  Stand stand;
  Gate gate;
  stand.tasks.add("gate", gate.task(), {});
  stand.options.concurrency = 1;
  auto worker = stand.start();
  const auto first = stand.submit("gate");
  ASSERT_TRUE(eventually([&] { return gate.running == 1; }));
  std::vector<TaskId> rest;
  for (int i = 0; i < 3; ++i) rest.push_back(stand.submit("gate"));
  ASSERT_TRUE(eventually([&] { return stand.queue().unacked == 4; }));

  auto stopping = std::async(std::launch::async, [&] { worker->stop(); });
  EXPECT_TRUE(eventually([&] { return stand.queue().ready == 3; })) << "before the end of the stop";
  EXPECT_FALSE(worker->ready());
  gate.open();
  stopping.get();
  EXPECT_EQ(stand.result_of(first).state, TaskState::Success);
  EXPECT_THAT(stand.lines("not finished before the stop"), IsEmpty());

  worker = stand.start();
  for (const auto& id : rest) EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST(WorkerStop, TellsRunningTasksToStopAndHandsThemBack) {
  Stand stand;
  std::atomic<int> running{0}, told{0};
  stand.tasks.add("patient", patient(running, told), {});
  stand.options.stop_soft = 50ms;
  stand.options.stop_hard = 5000ms;
  const auto worker = stand.start();
  const auto id = stand.submit("patient");
  ASSERT_TRUE(eventually([&] { return running == 1; }));

  const auto begin = Steady::now();
  worker->stop();
  EXPECT_LT(Steady::now() - begin, 4s);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(stand.find(id)->state, TaskState::Pending);
  EXPECT_EQ(stand.queue().ready, 1U);
  EXPECT_THAT(stand.lines("not finished before the stop"), SizeIs(1));
  EXPECT_THAT(stand.lines("not finished before the stop")[0], HasSubstr(id.str()));
  EXPECT_EQ(worker->stuck(), 0U);
}

TEST(WorkerStop, DoesNotWaitForATaskThatNeverReturns) {
  Stand stand;
  Gate gate;
  stand.tasks.add("gate", gate.task(), {});
  stand.options.stop_soft = 20ms;
  stand.options.stop_hard = 60ms;
  auto worker = stand.start();
  const auto id = stand.submit("gate");
  ASSERT_TRUE(eventually([&] { return gate.running == 1; }));

  worker->stop();
  EXPECT_EQ(worker->stuck(), 1U);
  EXPECT_THAT(stand.lines("not finished before the stop")[0], HasSubstr(id.str()));
  EXPECT_EQ(stand.queue().ready, 1U);
  gate.open();
  EXPECT_TRUE(eventually([&] { return worker->stuck() == 0; }));
  EXPECT_EQ(stand.find(id)->state, TaskState::Pending)
      << "the result of an abandoned run is dropped";

  worker = stand.start();
  EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
}

TEST(WorkerStop, IsFineUnstartedAndTwice) {
  Stand stand;
  Worker worker{stand.options, stand.tasks,   *stand.broker, stand.store,
                stand.clock,   stand.metrics, stand.log};
  EXPECT_FALSE(worker.ready());
  worker.stop();
  worker.stop();
  EXPECT_FALSE(worker.start()) << "a worker is started once";
  EXPECT_EQ(worker.stuck(), 0U);
}

TEST(WorkerStop, LosesNothingUnderLoad) {
  Stand stand;
  stand.options.concurrency = 4;
  std::function<std::int64_t(TaskContext&, std::int64_t)> same = [](TaskContext&, std::int64_t n) {
    return n;
  };
  stand.tasks.add("same", same, {"n"});
  std::vector<TaskId> ids;
  for (int round = 0; round < 5; ++round) {
    const auto worker = stand.start();
    for (int i = 0; i < 40; ++i) ids.push_back(stand.submit("same", "[7]"));
    worker->stop();
  }
  const auto worker = stand.start();
  for (const auto& id : ids) EXPECT_EQ(stand.result_of(id).result, "7");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST(WorkerOutage, KeepsResultsUntilTheStoreAnswersAgain) {
  Stand stand;
  Gate gate;
  stand.tasks.add("gate", gate.task(), {});
  const auto worker = stand.start();
  const auto id = stand.submit("gate");
  ASSERT_TRUE(eventually([&] { return gate.running == 1; }));
  stand.store.faulty.out = true;
  gate.open();
  ASSERT_TRUE(eventually([&] { return stand.store.faulty.refused >= 3; }));
  EXPECT_EQ(stand.queue().unacked, 1U) << "never acknowledged before the result is stored";
  EXPECT_FALSE(worker->ready());
  stand.store.faulty.out = false;

  EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_TRUE(eventually([&] { return worker->ready().has_value(); }));
  EXPECT_EQ(gate.running, 1);
  EXPECT_THAT(stand.lines("does not work"), SizeIs(1));
  EXPECT_TRUE(eventually([&] { return stand.lines("works again").size() == 1; }));
}

TEST(WorkerOutage, HandsBackAResultThatItCannotStoreBeforeTheEnd) {
  Stand stand;
  Gate gate;
  stand.tasks.add("gate", gate.task(), {});
  stand.options.stop_soft = 50ms;
  stand.options.stop_hard = 100ms;
  auto worker = stand.start();
  const auto id = stand.submit("gate");
  ASSERT_TRUE(eventually([&] { return gate.running == 1; }));
  stand.store.faulty.out = true;
  gate.open();
  ASSERT_TRUE(eventually([&] { return stand.store.faulty.refused >= 1; }));
  worker->stop();
  stand.store.faulty.out = false;
  EXPECT_EQ(stand.queue().ready, 1U);

  worker = stand.start();
  EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
  EXPECT_EQ(gate.running, 2);
}

TEST(WorkerOutage, WaitsWithNewTasksWhileTheStoreIsOut) {
  Stand stand;
  Gate gate;
  gate.open();
  stand.tasks.add("gate", gate.task(), {});
  const auto worker = stand.start();
  stand.store.faulty.out = true;
  const auto id = stand.submit("gate");
  ASSERT_TRUE(eventually([&] { return stand.store.faulty.refused >= 2; }));
  EXPECT_EQ(gate.running, 0);
  stand.store.faulty.out = false;
  EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
}

TEST(WorkerOutage, FailsTheOneTaskWhoseResultTheStoreRefuses) {
  Stand stand;
  std::function<std::string(TaskContext&, std::string)> echo = [](TaskContext&, std::string text) {
    return text;
  };
  stand.tasks.add("echo", echo, {"text"});
  stand.store.faulty.refuse_invalid = true;
  const auto worker = stand.start();
  const auto bad = stand.submit("echo", R"(["unstorable"])");
  const auto good = stand.submit("echo", R"(["fine"])");

  EXPECT_EQ(stand.result_of(good).result, "\"fine\"");
  const auto task = stand.result_of(bad);
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_THAT(task.result, HasSubstr("the result could not be stored"));
}

TEST(WorkerRedelivery, RunsAgainWithANewNumberAndEndsOnce) {
  Stand stand;
  std::atomic<int> runs{0};
  std::function<std::int64_t(TaskContext&)> count = [&](TaskContext&) { return ++runs; };
  stand.tasks.add("count", count, {});
  const auto id = stand.send("count");
  {
    auto consumer = stand.broker->consume({{QueueName{kDefaultQueue}}, 1, "lost"});
    ASSERT_TRUE(consumer);
    const auto held = (*consumer)->next(1, 5s, {});
    ASSERT_THAT(held.value(), SizeIs(1));
  }  // given back unacknowledged
  const auto worker = stand.start();

  EXPECT_EQ(stand.result_of(id).run, 1);
  const auto state = stand.store.results().look_up({&id, 1});
  EXPECT_EQ(state->at(0).lost_starts, 1);
  EXPECT_EQ(runs, 1);
}

TEST(WorkerRedelivery, GivesUpATaskThatTookThreeWorkersWithIt) {
  Stand stand;
  std::atomic<int> runs{0};
  std::function<std::int64_t(TaskContext&)> count = [&](TaskContext&) { return ++runs; };
  stand.tasks.add("count", count, {});
  const auto id = stand.send("count");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stand.store.results().begin_again(id, "count", QueueName{kDefaultQueue}));
  }
  {
    auto consumer = stand.broker->consume({{QueueName{kDefaultQueue}}, 1, "lost"});
    ASSERT_TRUE(consumer);
    ASSERT_THAT((*consumer)->next(1, 5s, {}).value(), SizeIs(1));
  }
  const auto worker = stand.start();

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "WorkerLostError");
  EXPECT_EQ(Stand::field(task, "exc_module"), "billiard.exceptions");
  EXPECT_EQ(runs, 0);
}

TEST(WorkerRedelivery, DropsAnAttemptThatAlreadyEndedInARetry) {
  Stand stand;
  std::mutex mutex;
  std::vector<std::int64_t> attempts;
  std::function<void(TaskContext&)> note = [&](TaskContext& context) {
    const std::lock_guard lock{mutex};
    attempts.push_back(context.retries());
  };
  stand.tasks.add("note", note, {});
  celery::TaskMessage task;
  task.task = "note";
  task.id = new_task_id();
  (void)stand.send(task);
  {
    auto consumer = stand.broker->consume({{QueueName{kDefaultQueue}}, 1, "lost"});
    ASSERT_TRUE(consumer);
    ASSERT_THAT((*consumer)->next(1, 5s, {}).value(), SizeIs(1));
    FinishedRun run;
    run.id = task.id;
    run.name = task.task;
    run.queue = QueueName{kDefaultQueue};
    run.state = TaskState::Retry;
    run.done = stand.clock.wall();
    task.retries = 1;
    run.retry = AcceptedTask{task.id, task.task, run.queue, celery::encode_task(task), {}};
    ASSERT_TRUE(stand.store.results().finish({&run, 1}));
  }  // died before the ack; the first attempt's message comes again
  const auto worker = stand.start();

  EXPECT_EQ(stand.result_of(task.id).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  const std::lock_guard lock{mutex};
  EXPECT_THAT(attempts, ::testing::ElementsAre(1));
}

// Another consumer, which can be told to fail.
class FailingConsumer final : public Consumer {
 public:
  FailingConsumer(std::unique_ptr<Consumer> real, std::shared_ptr<std::atomic<bool>> fails)
      : real_{std::move(real)}, fails_{std::move(fails)} {}
  Result<std::vector<Delivery>> next(std::size_t max, std::chrono::milliseconds limit,
                                     std::stop_token stop) override {
    if (*fails_) return unavailable("cut, says the test");
    return real_->next(max, limit, std::move(stop));
  }
  Result<std::vector<DeliveryTag>> ack(std::span<const DeliveryTag> tags) override {
    if (*fails_) return unavailable("cut, says the test");
    return real_->ack(tags);
  }
  Result<void> requeue(std::span<const DeliveryTag> tags) override { return real_->requeue(tags); }
  Result<void> reject(std::span<const DeliveryTag> tags) override { return real_->reject(tags); }
  Result<void> add_queue(const QueueName& queue) override { return real_->add_queue(queue); }
  Result<void> cancel_queue(const QueueName& queue) override { return real_->cancel_queue(queue); }
  void set_prefetch(std::size_t prefetch) override { real_->set_prefetch(prefetch); }
  [[nodiscard]] std::size_t unacked() const override { return real_->unacked(); }

 private:
  std::unique_ptr<Consumer> real_;
  std::shared_ptr<std::atomic<bool>> fails_;
};

// A broker whose event stream can be shut and whose first consumer can be cut.
class FaultyBroker final : public testing::ForwardingBroker {
 public:
  using ForwardingBroker::ForwardingBroker;
  std::atomic<bool> shut{true};
  std::atomic<int> tries{0};
  std::shared_ptr<std::atomic<bool>> first_fails = std::make_shared<std::atomic<bool>>(false);
  std::atomic<int> consumers{0};
  Result<std::unique_ptr<Consumer>> consume(ConsumeOptions options) override {
    auto real = ForwardingBroker::consume(std::move(options));
    if (!real || consumers++ > 0) return real;
    return std::unique_ptr<Consumer>{
        std::make_unique<FailingConsumer>(std::move(*real), first_fails)};
  }
  Result<void> publish_events(std::string_view body, const EventRoute& route) override {
    ++tries;
    if (shut) return unavailable("shut, says the test");
    return ForwardingBroker::publish_events(body, route);
  }
};

TEST(WorkerOutage, TakesANewConsumerWhenTheOldOneStaysOut) {
  Stand stand;
  FaultyBroker broker{*stand.broker};
  broker.shut = false;
  Gate gate;
  stand.tasks.add("gate", gate.task(), {});
  stand.options.concurrency = 1;
  stand.options.reconnect_after = 100ms;
  Worker worker{stand.options, stand.tasks,   broker,   stand.store,
                stand.clock,   stand.metrics, stand.log};
  ASSERT_TRUE(worker.start());
  const auto running = stand.submit("gate");
  const auto waiting = stand.submit("gate");
  ASSERT_TRUE(eventually([&] { return gate.running == 1 && stand.queue().unacked == 2; }));
  *broker.first_fails = true;
  ASSERT_TRUE(eventually([&] { return broker.consumers == 2; }));
  gate.open();

  EXPECT_EQ(stand.result_of(waiting).state, TaskState::Success);
  EXPECT_EQ(stand.result_of(running).state, TaskState::Success);
  *broker.first_fails = false;
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_EQ(gate.running, 2) << "each ran once";
}

TEST(EventSender, KeepsEventsWhileTheBrokerRefusesAndCountsWhatItCannotHold) {
  Stand stand;
  FaultyBroker broker{*stand.broker};
  Instruments instruments{stand.metrics, {}};
  LamportClock lamport;
  EventSender sender{broker, stand.clock, lamport, instruments, stand.log, "w1@test", true, 10};
  for (int i = 0; i < 15; ++i) {
    TaskEvent event;
    event.type = TaskEventType::Started;
    event.uuid = TaskId{"t" + std::to_string(i)};
    sender.send(event);
  }
  ASSERT_TRUE(eventually([&] { return broker.tries >= 2; }));
  EXPECT_FALSE(sender.flush(1ms));
  broker.shut = false;
  EXPECT_TRUE(sender.flush(20s));
  TaskEvent last;
  last.type = TaskEventType::Started;
  last.uuid = TaskId{"last"};
  sender.send(last);
  EXPECT_TRUE(sender.flush(20s));

  std::vector<std::uint64_t> sequences;
  for (const auto& event : stand.events()) {
    sequences.push_back(std::get<TaskEvent>(event).origin.sequence.value_or(0));
  }
  EXPECT_EQ(instruments.events_dropped.Value(), 5);
  EXPECT_THAT(sequences, ::testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16))
      << "a hole where five were dropped";
  EXPECT_THAT(stand.lines("does not work"), SizeIs(1));
}

TEST(SoftLimits, CallsInOrderOfTimeAndForgets) {
  SoftLimits limits;
  std::mutex mutex;
  std::vector<int> called;
  const auto note = [&](int n) {
    return [&, n] {
      const std::lock_guard lock{mutex};
      called.push_back(n);
    };
  };
  (void)limits.after(60ms, note(3));
  (void)limits.after(20ms, note(1));
  limits.forget(limits.after(40ms, note(2)));

  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock{mutex};
    return called.size() == 2;
  }));
  EXPECT_THAT(called, ::testing::ElementsAre(1, 3));
}

}  // namespace
}  // namespace umbel
