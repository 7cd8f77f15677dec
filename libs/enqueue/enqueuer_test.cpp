#include "umbel/enqueue/enqueuer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/enqueue/relay.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/forwarding_broker.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::PublishFault;

class LogLines {
 public:
  Log log() {
    return Log{"test", LogLevel::Info,
               [this](LogLevel, std::string_view message, std::string_view) {
                 const std::scoped_lock lock{mutex_};
                 messages_.emplace_back(message);
               }};
  }
  std::vector<std::string> messages() const {
    const std::scoped_lock lock{mutex_};
    return messages_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

class EnqueuerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened_store = open_sqlite_store({.path = folder.file("store.db")}, clock, Log::none());
    ASSERT_TRUE(opened_store.has_value()) << opened_store.error().what;
    store = std::move(*opened_store);
    auto opened_broker = open_sqlite_broker({.path = folder.file("broker.db")}, clock, Log::none());
    ASSERT_TRUE(opened_broker.has_value()) << opened_broker.error().what;
    real_broker = std::move(*opened_broker);
    broker = std::make_unique<testing::FaultyBroker>(*real_broker);
    enqueuer = std::make_unique<Enqueuer>(*store, *broker, clock, lines.log(), "gen1@test");

    CatalogueEntry add;
    add.name = "demo.add";
    add.queue = QueueName{"demo"};
    add.parameters = {{"x", "integer", true, ""}, {"y", "integer", true, ""}};
    add.soft_time_limit = 2.5;
    add.ignore_result = true;
    ASSERT_TRUE(store->catalogue().upsert(std::span{&add, 1}, clock.wall()).has_value());
  }

  static TaskRequest add(const std::string& id) {
    TaskRequest request;
    request.name = "demo.add";
    request.args = "[1, 2]";
    request.id = TaskId{id};
    return request;
  }
  Result<std::vector<AcceptedHandle>> submit(const TaskRequest& request) {
    return enqueuer->submit(std::span{&request, 1});
  }
  // Takes everything that is deliverable in `queue`.
  std::vector<Delivery> delivered(const std::string& queue) {
    auto consumer =
        real_broker->consume({.queues = {QueueName{queue}}, .prefetch = 1000, .consumer = "test"});
    EXPECT_TRUE(consumer.has_value());
    auto taken = (*consumer)->next(1000, milliseconds{0}, {});
    EXPECT_TRUE(taken.has_value());
    std::vector<DeliveryTag> tags;
    for (const auto& delivery : *taken) tags.push_back(delivery.tag);
    EXPECT_TRUE((*consumer)->ack(tags).has_value());
    return *taken;
  }
  std::vector<std::string> delivered_ids(const std::string& queue) {
    std::vector<std::string> ids;
    for (const auto& delivery : delivered(queue)) ids.push_back(delivery.message.correlation_id);
    std::ranges::sort(ids);
    return ids;
  }
  std::size_t waiting() {
    return store->outbox().unpublished(clock.wall() + seconds{1}, 10'000).value().size();
  }

  testing::TempDir folder;
  testing::FakeClock clock;
  LogLines lines;
  std::unique_ptr<Store> store;
  std::unique_ptr<Broker> real_broker;
  std::unique_ptr<testing::FaultyBroker> broker;
  std::unique_ptr<Enqueuer> enqueuer;
};

TEST_F(EnqueuerTest, ASubmittedTaskIsPendingPublishedAndClearedFromTheOutbox) {
  const auto handles = submit(add("t1"));

  ASSERT_TRUE(handles.has_value()) << handles.error().what;
  EXPECT_EQ(handles->front().id, TaskId{"t1"});
  EXPECT_EQ(handles->front().queue, QueueName{"demo"}) << "as the catalogue says";
  EXPECT_TRUE(handles->front().fresh);
  EXPECT_EQ(store->results().find(TaskId{"t1"})->state, TaskState::Pending);
  EXPECT_EQ(waiting(), 0U);
  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
  EXPECT_TRUE(lines.messages().empty());
}

TEST_F(EnqueuerTest, TheMessageCarriesWhatTheRequestAndTheCatalogueSay) {
  auto request = add("t1");
  request.kwargs = "{}";
  request.expires = clock.wall() + seconds{60};
  request.priority = 5;
  request.parent = TaskId{"parent"};

  ASSERT_TRUE(submit(request).has_value());

  const auto deliveries = delivered("demo");
  ASSERT_EQ(deliveries.size(), 1U);
  const auto task = celery::decode_task(deliveries.front().message);
  ASSERT_TRUE(task.has_value()) << task.error().what;
  EXPECT_EQ(task->task, "demo.add");
  EXPECT_EQ(task->args, (boost::json::array{1, 2}));
  EXPECT_EQ(task->root_id, "t1");
  EXPECT_EQ(task->parent_id, "parent");
  EXPECT_EQ(task->origin, "gen1@test");
  EXPECT_EQ(task->expires, request.expires);
  EXPECT_EQ(task->priority, 5);
  EXPECT_TRUE(task->ignore_result);
  EXPECT_EQ(task->soft_time_limit, 2.5);
}

TEST_F(EnqueuerTest, ATaskThatNobodyRegisteredGoesToTheDefaultQueueUnchecked) {
  TaskRequest request;
  request.name = "unheard.of";
  request.kwargs = R"({"anything": [1]})";
  request.root = TaskId{"root"};

  const auto handles = submit(request);

  ASSERT_TRUE(handles.has_value()) << handles.error().what;
  EXPECT_EQ(handles->front().queue, QueueName{kDefaultQueue});
  const auto deliveries = delivered(kDefaultQueue);
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(celery::decode_task(deliveries.front().message)->root_id, "root");
  EXPECT_EQ(deliveries.front().message.correlation_id, handles->front().id.str());
}

TEST_F(EnqueuerTest, ARequestsQueueBeatsTheCatalogues) {
  auto request = add("t1");
  request.queue = QueueName{"urgent"};

  ASSERT_TRUE(submit(request).has_value());

  EXPECT_THAT(delivered_ids("urgent"), ElementsAre("t1"));
}

TEST_F(EnqueuerTest, AnEtaDelaysTheDeliveryAndStandsInTheHeader) {
  auto request = add("t1");
  request.eta = clock.wall() + seconds{30};

  ASSERT_TRUE(submit(request).has_value());

  EXPECT_TRUE(delivered("demo").empty());
  clock.advance(seconds{31});
  const auto deliveries = delivered("demo");
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(celery::decode_task(deliveries.front().message)->eta, request.eta);
}

TEST_F(EnqueuerTest, SubmittingAnIdTwiceMakesOneMessage) {
  ASSERT_TRUE(submit(add("t1")).has_value());

  const auto again = submit(add("t1"));

  ASSERT_TRUE(again.has_value());
  EXPECT_FALSE(again->front().fresh);
  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
}

TEST_F(EnqueuerTest, OneBadRequestOfManyAcceptsNothingAndIsNamed) {
  auto bad = add("t2");
  bad.args = "[1]";
  const std::vector<TaskRequest> requests{add("t1"), bad, add("t3")};

  const auto handles = enqueuer->submit(requests);

  ASSERT_TRUE(handles.has_error());
  EXPECT_EQ(handles.error().code, Errc::Invalid);
  EXPECT_THAT(handles.error().what, HasSubstr("request 2 of 3"));
  EXPECT_THAT(handles.error().what, HasSubstr("`y` is missing"));
  EXPECT_EQ(store->results().find(TaskId{"t1"}).error().code, Errc::NotFound);
  EXPECT_EQ(broker->publishes(), 0);
}

TEST_F(EnqueuerTest, AnEnvelopeOutOfBoundsIsInvalidAndNamesTheBound) {
  auto nameless = add("t1");
  nameless.name.clear();
  auto without_id = add("");
  auto long_id = add(std::string(256, 'x'));
  auto low = add("t1");
  low.priority = -1;
  auto high = add("t1");
  high.priority = 256;
  auto no_queue = add("t1");
  no_queue.queue = QueueName{};

  EXPECT_THAT(submit(nameless).error().what, HasSubstr("without a name"));
  EXPECT_THAT(submit(without_id).error().what, HasSubstr("1 to 255"));
  EXPECT_THAT(submit(long_id).error().what, HasSubstr("256 bytes"));
  EXPECT_THAT(submit(low).error().what, HasSubstr("between 0 and 255"));
  EXPECT_THAT(submit(high).error().what, HasSubstr("priority 256"));
  EXPECT_THAT(submit(no_queue).error().what, HasSubstr("queue without a name"));
}

TEST_F(EnqueuerTest, ATakenTickIsAConflictAndPublishesNothing) {
  Together tick;
  tick.tick = Tick{.schedule = "hourly", .due = clock.wall()};
  const auto first = add("t1");
  const auto second = add("t2");
  ASSERT_TRUE(enqueuer->submit(std::span{&first, 1}, tick).has_value());

  const auto handles = enqueuer->submit(std::span{&second, 1}, tick);

  ASSERT_TRUE(handles.has_error());
  EXPECT_EQ(handles.error().code, Errc::Conflict);
  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
}

TEST_F(EnqueuerTest, SightingsAndWatermarkAreAcceptedWithTheTasks) {
  Together together;
  together.sightings = {{"t3_a", "cpp", clock.wall()}};
  together.watermark = Watermark{"cpp", clock.wall()};
  const auto request = add("t1");

  ASSERT_TRUE(enqueuer->submit(std::span{&request, 1}, together).has_value());

  EXPECT_EQ(store->submissions().watermark("cpp").value(), clock.wall());
  EXPECT_EQ(store->submissions().sighted(std::vector<std::string>{"t3_a"}).value(),
            std::vector<bool>{true});
}

TEST_F(EnqueuerTest, WhatCouldNotBePublishedIsAcceptedAndRelayedOnceMore) {
  broker->fail_publish(PublishFault::BeforeEffect);
  const auto handles = submit(add("t1"));
  ASSERT_TRUE(handles.has_value()) << "it is ours, published or not";
  EXPECT_TRUE(handles->front().fresh);
  EXPECT_TRUE(delivered("demo").empty());

  EXPECT_EQ(enqueuer->relay(seconds{2}).value(), 0U) << "not old enough";
  clock.advance(milliseconds{2001});
  EXPECT_EQ(enqueuer->relay(seconds{2}).value(), 1U);
  EXPECT_EQ(enqueuer->relay(seconds{2}).value(), 0U);

  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(EnqueuerTest, AClockThatIsSetBackKeepsNothingInTheOutbox) {
  broker->fail_publish(PublishFault::BeforeEffect);
  ASSERT_TRUE(submit(add("t1")).has_value());
  EXPECT_EQ(enqueuer->relay().value(), 0U);

  clock.set_wall(clock.wall() - std::chrono::hours{1});
  clock.advance(seconds{3});

  EXPECT_EQ(enqueuer->relay().value(), 1U);
  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
}

TEST_F(EnqueuerTest, AClockThatIsSetForwardMakesNothingOld) {
  EXPECT_EQ(enqueuer->relay().value(), 0U);
  broker->fail_publish(PublishFault::BeforeEffect, 2);
  ASSERT_TRUE(submit(add("t1")).has_value());

  clock.advance(milliseconds{500});
  clock.set_wall(clock.wall() + std::chrono::hours{1});

  EXPECT_EQ(enqueuer->relay().value(), 0U) << "written half a second ago";
  ASSERT_TRUE(submit(add("t2")).has_value());
  clock.advance(milliseconds{1900});
  EXPECT_EQ(enqueuer->relay().value(), 1U) << "two seconds old by now; the other is not";
  clock.advance(milliseconds{200});
  EXPECT_EQ(enqueuer->relay().value(), 1U);
  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1", "t2"));
}

TEST_F(EnqueuerTest, ALostAnswerBringsTheSameTaskExactlyOnceMore) {
  broker->fail_publish(PublishFault::AfterEffect);
  ASSERT_TRUE(submit(add("t1")).has_value());
  clock.advance(seconds{3});

  EXPECT_EQ(enqueuer->relay().value(), 1U);
  EXPECT_EQ(enqueuer->relay().value(), 0U);

  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1", "t1")) << "the same id: a worker drops one";
}

TEST_F(EnqueuerTest, AnOutageIsOneLogLineAndOneAtItsEnd) {
  broker->fail_publish(PublishFault::BeforeEffect, 4);
  ASSERT_TRUE(submit(add("t1")).has_value());
  ASSERT_TRUE(submit(add("t2")).has_value());
  clock.advance(seconds{3});
  EXPECT_TRUE(enqueuer->relay().has_error());
  EXPECT_TRUE(enqueuer->relay().has_error());
  EXPECT_TRUE(enqueuer->publishing_fails());
  EXPECT_EQ(enqueuer->relay().value(), 2U);

  EXPECT_FALSE(enqueuer->publishing_fails());
  EXPECT_THAT(lines.messages(),
              ElementsAre("accepted tasks wait in the outbox: the broker did not take them",
                          "the broker takes tasks again"));
}

TEST_F(EnqueuerTest, RelayingGoesOnUntilTheOutboxIsEmpty) {
  constexpr std::size_t kTasks = 1203;  // more than two batches
  std::vector<TaskRequest> requests;
  for (std::size_t i = 0; i < kTasks; ++i) requests.push_back(add("t" + std::to_string(i)));
  broker->fail_publish(PublishFault::BeforeEffect);
  ASSERT_TRUE(enqueuer->submit(requests).has_value());
  clock.advance(seconds{3});

  EXPECT_EQ(enqueuer->relay().value(), kTasks);

  EXPECT_EQ(waiting(), 0U);
  EXPECT_EQ(broker->publishes(), 1 + 3) << "in batches";
}

TEST_F(EnqueuerTest, ARetrysRowIsPublishedAndCleared) {
  ASSERT_TRUE(submit(add("t1")).has_value());
  const auto first = delivered("demo");
  ASSERT_EQ(first.size(), 1U);
  FinishedRun run;
  run.id = TaskId{"t1"};
  run.state = TaskState::Retry;
  run.done = clock.wall();
  run.retry = AcceptedTask{run.id, "demo.add", QueueName{"demo"}, first.front().message, {}};
  const auto outcome = store->results().finish(std::span{&run, 1});
  ASSERT_TRUE(outcome.has_value() && outcome->front().retry_row);

  const std::vector<OutboxRow> rows{
      {*outcome->front().retry_row, run.id, run.retry->queue, run.retry->message, {}}};
  enqueuer->publish_rows(rows);

  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(EnqueuerTest, WhatFollowsAResultIsPublishedWithIt) {
  ASSERT_TRUE(submit(add("t1")).has_value());
  const auto first = delivered("demo");
  ASSERT_EQ(first.size(), 1U);
  FinishedRun run;
  run.id = TaskId{"t1"};
  run.done = clock.wall();
  run.successors = {
      AcceptedTask{TaskId{"next"}, "demo.add", QueueName{"demo"}, first.front().message, {}},
      AcceptedTask{TaskId{"t1"}, "demo.add", QueueName{"demo"}, first.front().message, {}}};
  const auto outcomes = store->results().finish(std::span{&run, 1});
  ASSERT_TRUE(outcomes.has_value());

  enqueuer->publish_successors({&run, 1}, *outcomes);

  EXPECT_EQ(delivered("demo").size(), 1U) << "an id that is known makes no message";
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(EnqueuerTest, AcceptsMessagesThatAreMadeAlready) {
  AcceptedTask task{TaskId{"made"}, "py.add", QueueName{"python"}, {}, {}};
  task.message.correlation_id = "made";
  task.message.content_type = "application/json";
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(enqueuer->accept({task}).has_value());

  EXPECT_EQ(delivered("python").size(), 1U);
  EXPECT_EQ(store->results().find(TaskId{"made"})->queue, QueueName{"python"});
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(EnqueuerTest, SaysWhereATaskOfANameGoes) {
  EXPECT_EQ(enqueuer->queue_of("demo.add", QueueName{"celery"}).value(), QueueName{"demo"});
  EXPECT_EQ(enqueuer->queue_of("py.add", QueueName{"celery"}).value(), QueueName{"celery"});
}

TEST_F(EnqueuerTest, WritesTheHeadersOfARequest) {
  auto request = add("t1");
  request.headers = R"({"stamped_headers": ["a"], "stamps": {"a": 1}})";
  ASSERT_TRUE(submit(request).has_value());
  const auto task = celery::decode_task(delivered("demo").at(0).message).value();
  EXPECT_EQ(task.extra_headers.at("stamps").at("a"), 1);
  request.id = TaskId{"t2"};
  request.headers = "[]";
  EXPECT_EQ(submit(request).error().code, Errc::Invalid);
}

// A broker that refuses one queue for good.
class PickyBroker final : public testing::ForwardingBroker {
 public:
  using ForwardingBroker::ForwardingBroker;
  Result<void> publish(std::span<const OutgoingMessage> messages) override {
    for (const auto& message : messages) {
      if (message.queue == QueueName{"bad"}) return invalid("queue `bad` is refused");
    }
    return ForwardingBroker::publish(messages);
  }
};

TEST_F(EnqueuerTest, AMessageThatTheBrokerRefusesEndsAsFailedAndKeepsNoOther) {
  PickyBroker picky{*real_broker};
  Enqueuer mine{*store, picky, clock, lines.log(), "gen1@test"};
  auto bad = add("bad");
  bad.queue = QueueName{"bad"};
  const std::vector<TaskRequest> requests{add("t1"), bad, add("t2")};

  ASSERT_TRUE(mine.submit(requests).has_value());

  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1", "t2"));
  EXPECT_EQ(waiting(), 0U);
  const auto ended = store->results().find(TaskId{"bad"}).value();
  EXPECT_EQ(ended.state, TaskState::Failure);
  EXPECT_EQ(ended.name, "demo.add");
  EXPECT_THAT(ended.result, HasSubstr(R"("exc_type": "MessageRefused", "exc_message": [")"));
  EXPECT_THAT(ended.result, HasSubstr("queue `bad` is refused"));
  EXPECT_GT(ended.sequence, 0U) << "a monitor sees it";
  EXPECT_EQ(store->results().find(TaskId{"t1"}).value().state, TaskState::Pending);
  EXPECT_THAT(lines.messages(),
              ElementsAre("the broker refuses a task for good; it ends as failed"));
}

TEST_F(EnqueuerTest, ManyRefusedMessagesDoNotStarveTheRelay) {
  broker->fail_publish(PublishFault::BeforeEffect, 2);
  std::vector<TaskRequest> requests;
  for (int i = 0; i < 600; ++i) {
    requests.push_back(add("bad" + std::to_string(i)));
    requests.back().queue = QueueName{"bad"};
  }
  ASSERT_TRUE(enqueuer->submit(requests).has_value());
  ASSERT_TRUE(submit(add("good")).has_value());
  ASSERT_EQ(waiting(), 601U);
  clock.advance(seconds{3});

  PickyBroker picky{*real_broker};
  Enqueuer mine{*store, picky, clock, lines.log(), "gen1@test"};
  EXPECT_EQ(mine.relay().value(), 1U);

  EXPECT_THAT(delivered_ids("demo"), ElementsAre("good"));
  EXPECT_EQ(waiting(), 0U);
  for (const auto* id : {"bad0", "bad499", "bad599"}) {
    EXPECT_EQ(store->results().find(TaskId{id}).value().state, TaskState::Failure) << id;
  }
}

TEST_F(EnqueuerTest, ARefusedRowOfATaskThatHasItsResultIsOnlyCleared) {
  broker->fail_publish(PublishFault::BeforeEffect);
  auto bad = add("bad");
  bad.queue = QueueName{"bad"};
  ASSERT_TRUE(submit(bad).has_value());
  FinishedRun run;
  run.id = TaskId{"bad"};
  run.result = "3";
  run.done = clock.wall();
  ASSERT_TRUE(store->results().finish({&run, 1}).has_value());
  clock.advance(seconds{3});

  PickyBroker picky{*real_broker};
  Enqueuer mine{*store, picky, clock, Log::none(), "gen1@test"};
  EXPECT_EQ(mine.relay().value(), 0U);

  EXPECT_EQ(waiting(), 0U);
  EXPECT_EQ(store->results().find(TaskId{"bad"}).value().state, TaskState::Success);
}

// A broker that has another program's relay come by while it takes messages.
class BusyBroker final : public testing::ForwardingBroker {
 public:
  using ForwardingBroker::ForwardingBroker;
  std::function<void()> meanwhile;
  Result<void> publish(std::span<const OutgoingMessage> messages) override {
    if (meanwhile) meanwhile();
    return ForwardingBroker::publish(messages);
  }
};

TEST_F(EnqueuerTest, WhatOneRelayIsAtAnotherLeavesAlone) {
  broker->fail_publish(PublishFault::BeforeEffect);
  ASSERT_TRUE(submit(add("t1")).has_value());
  clock.advance(seconds{3});
  BusyBroker busy{*real_broker};
  Enqueuer other{*store, busy, clock, Log::none(), "gen2@test"};
  std::optional<std::size_t> meanwhile;
  busy.meanwhile = [&] { meanwhile = enqueuer->relay().value(); };

  EXPECT_EQ(other.relay().value(), 1U);

  EXPECT_EQ(meanwhile, 0U);
  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
}

TEST_F(EnqueuerTest, ARelayThatDoesNotGetOnKeepsNobodyWaiting) {
  broker->fail_publish(PublishFault::BeforeEffect);
  ASSERT_TRUE(submit(add("t1")).has_value());
  clock.advance(seconds{3});
  ASSERT_TRUE(store->leases()
                  .acquire("outbox relay", "a program whose clock is ahead", std::chrono::hours{1},
                           clock.wall())
                  .value());

  EXPECT_EQ(enqueuer->relay().value(), 0U);
  clock.advance(seconds{5});
  EXPECT_EQ(enqueuer->relay().value(), 0U);
  clock.advance(seconds{1});
  EXPECT_EQ(enqueuer->relay().value(), 1U);
  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
}

TEST_F(EnqueuerTest, ARelayThatFailedLeavesTheTurnToOthers) {
  broker->fail_publish(PublishFault::BeforeEffect, 2);
  ASSERT_TRUE(submit(add("t1")).has_value());
  clock.advance(seconds{3});
  EXPECT_TRUE(enqueuer->relay().has_error());
  Enqueuer other{*store, *real_broker, clock, Log::none(), "gen2@test"};
  EXPECT_EQ(other.relay().value(), 1U);
}

TEST_F(EnqueuerTest, TheRelayPublishesWhatWaitsUntilItIsDestroyed) {
  broker->fail_publish(PublishFault::BeforeEffect, 3);
  ASSERT_TRUE(submit(add("t1")).has_value());
  clock.advance(seconds{3});
  {
    Relay relay{*enqueuer, lines.log(), milliseconds{1}};
    EXPECT_TRUE(testing::eventually([&] { return waiting() == 0; }));
  }

  EXPECT_THAT(delivered_ids("demo"), ElementsAre("t1"));
  EXPECT_THAT(lines.messages(),
              ElementsAre("accepted tasks wait in the outbox: the broker did not take them",
                          "the broker takes tasks again", "tasks published from the outbox"));
}

TEST_F(EnqueuerTest, TheRelayStopsAtOnceHoweverLongItsPeriod) {
  const auto start = std::chrono::steady_clock::now();

  { Relay relay{*enqueuer, lines.log(), std::chrono::hours{1}}; }

  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds{30});
}

}  // namespace
}  // namespace umbel
