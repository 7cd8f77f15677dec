// What callers outside learn of their tasks: on a reply queue, in a place that is out, and in a
// real Redis that is killed and comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "fake_callers.hpp"
#include "stand.hpp"
#include "umbel/celery/result_meta.hpp"
#include "umbel/results_redis/redis_results.hpp"
#include "umbel/results_rpc/rpc_results.hpp"
#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/redis_server.hpp"

namespace umbel {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
using umbel::testing::eventually;
using umbel::testing::RedisServer;

void add_tasks(TaskRegistry& tasks) {
  tasks.add("add", +[](TaskContext&, std::int64_t x, std::int64_t y) { return x + y; }, {"x", "y"});
  tasks.add("raise",
            +[](TaskContext&, const std::string& type) {
              throw FinalTaskError{type, "boom"};
            },
            {"type"});
  tasks.add(
      "odd_numbers",
      +[](TaskContext&) {
        constexpr auto kMost = std::numeric_limits<double>::infinity();
        return std::vector<double>{std::numeric_limits<double>::quiet_NaN(), kMost, -kMost, 1.5};
      },
      {});
  tasks.add("quiet", +[](TaskContext&) { return 1; }, {}, {.ignore_result = true});
  tasks.add("tracked", +[](TaskContext&) { return 2; }, {}, {.track_started = true});
  tasks.add("once_more",
            +[](TaskContext& context) {
              if (context.retries() == 0) context.retry("not yet", 10ms);
              return 3;
            },
            {}, {.retry = {.max_retries = 2}});
}

class WorkerCallers : public ::testing::Test {
 protected:
  WorkerCallers() {
    add_tasks(stand.tasks);
    stand.options.callers = &callers;
  }
  celery::TaskMessage message(const std::string& name, boost::json::array args = {}) {
    celery::TaskMessage task;
    task.task = name;
    task.args = std::move(args);
    task.reply_to = "the caller";
    return task;
  }
  std::vector<std::string> states_of(const TaskId& id) {
    std::vector<std::string> states;
    for (const auto& one : callers.told()) {
      if (one.id == id) states.emplace_back(to_text(one.state));
    }
    return states;
  }
  CallerResult told(const TaskId& id) {
    CallerResult found;
    EXPECT_TRUE(eventually([&] {
      for (const auto& one : callers.told()) {
        if (one.id == id && is_final(one.state)) found = one;
      }
      return !found.id.empty();
    })) << id;
    return found;
  }

  umbel::testing::FakeCallers callers;
  umbel::testing::Stand stand;
};

TEST_F(WorkerCallers, LearnTheValueAndWhereItBelongs) {
  const auto worker = stand.start();
  auto task = message("add", {1, 2});
  task.group = "g1";
  task.parent_id = "p1";
  const auto id = stand.send(std::move(task));
  const auto result = told(id);
  EXPECT_EQ(result.state, TaskState::Success);
  EXPECT_EQ(result.result, "3");
  EXPECT_EQ(result.traceback, "");
  EXPECT_EQ(result.group, "g1");
  EXPECT_EQ(result.parent, "p1");
  EXPECT_EQ(result.reply_to, "the caller");
  EXPECT_TRUE(result.done);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerCallers, LearnTheException) {
  const auto worker = stand.start();
  const auto raised = told(stand.send(message("raise", {"KeyError"})));
  EXPECT_EQ(raised.state, TaskState::Failure);
  EXPECT_THAT(raised.result, HasSubstr(R"("exc_type": "KeyError", "exc_message": ["boom"])"));
  EXPECT_THAT(raised.traceback, HasSubstr("KeyError: boom"));
  const auto unknown = told(stand.send(message("no.such.task")));
  EXPECT_THAT(unknown.result, HasSubstr("NotRegistered"));
  EXPECT_EQ(unknown.traceback, "");
}

TEST_F(WorkerCallers, OfARevokedTaskLearnThat) {
  const TaskId id = new_task_id();
  const NamedTask named{id, "add", QueueName{kDefaultQueue}};
  ASSERT_TRUE(stand.store.results().revoke(
      {&named, 1},
      R"({"exc_type": "TaskRevokedError", "exc_message": ["revoked"], "exc_module": "celery.exceptions"})",
      stand.clock.wall()));
  const auto worker = stand.start();
  auto task = message("add", {1, 2});
  task.id = id;
  stand.send(std::move(task));
  const auto revoked = told(id);
  EXPECT_EQ(revoked.state, TaskState::Revoked);
  EXPECT_THAT(revoked.result, HasSubstr("TaskRevokedError"));
}

TEST_F(WorkerCallers, LearnOfStatesOnTheWay) {
  const auto worker = stand.start();
  const auto tracked = stand.send(message("tracked"));
  const auto plain = stand.send(message("add", {1, 1}));
  const auto again = stand.send(message("once_more"));
  EXPECT_EQ(told(again).result, "3");
  (void)told(tracked);
  (void)told(plain);
  EXPECT_THAT(states_of(tracked), ElementsAre("STARTED", "SUCCESS"));
  EXPECT_THAT(states_of(plain), ElementsAre("SUCCESS"));
  EXPECT_THAT(states_of(again), ElementsAre("RETRY", "SUCCESS"));
  for (const auto& one : callers.told()) {
    if (one.state == TaskState::Started) {
      EXPECT_THAT(one.result, HasSubstr(R"("hostname": "w1@test")"));
    } else if (one.state == TaskState::Retry) {
      EXPECT_THAT(one.result, HasSubstr("not yet"));
    }
  }
}

TEST_F(WorkerCallers, ThatWantNoResultGetNone) {
  const auto worker = stand.start();
  const auto quiet = stand.send(message("quiet"));
  auto unwanted = message("add", {1, 1});
  unwanted.ignore_result = true;
  const auto success = stand.send(std::move(unwanted));
  unwanted = message("raise", {"ValueError"});
  unwanted.ignore_result = true;
  const auto failure = stand.send(std::move(unwanted));
  EXPECT_EQ(told(failure).state, TaskState::Failure);
  EXPECT_EQ(stand.result_of(quiet).state, TaskState::Success);
  EXPECT_EQ(stand.result_of(success).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(callers.told(), ::testing::SizeIs(1));
}

TEST_F(WorkerCallers, AreToldBeforeTheMessageIsGivenUp) {
  callers.out = true;
  const auto worker = stand.start();
  const auto id = stand.send(message("add", {1, 2}));
  EXPECT_EQ(stand.result_of(id).result, "3");  // the store has it all the same
  ASSERT_TRUE(eventually([&] { return callers.refused >= 2; }));
  EXPECT_EQ(stand.queue().unacked, 1U);
  callers.out = false;
  EXPECT_EQ(told(id).result, "3");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerCallers, DoNotStopTheWorkerForEver) {
  stand.options.callers_patience = 200ms;
  callers.out = true;
  const auto worker = stand.start();
  std::vector<TaskId> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(stand.send(message("add", {i, 0})));
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(callers.told(), IsEmpty());
  callers.out = false;
  for (const auto& id : ids) EXPECT_EQ(told(id).state, TaskState::Success);
}

// The worker that ran it is gone before it could tell: whoever gets its message does.
TEST_F(WorkerCallers, AreToldByTheNextWorker) {
  callers.out = true;
  stand.options.stop_hard = 500ms;
  stand.options.stop_soft = 300ms;
  auto worker = stand.start();
  const auto id = stand.send(message("add", {20, 22}));
  EXPECT_EQ(stand.result_of(id).result, "42");
  worker->stop();
  worker.reset();
  EXPECT_EQ(stand.queue().ready, 1U);
  EXPECT_THAT(callers.told(), IsEmpty());
  callers.out = false;
  worker = stand.start();
  EXPECT_EQ(told(id).result, "42");
  EXPECT_EQ(told(id).reply_to, "the caller");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_EQ(stand.result_of(id).run, 0);  // it ran once
}

// The store has the result and somebody else can tell it: nothing is to be waited for.
TEST_F(WorkerCallers, ThatCannotBeToldDoNotHoldUpTheStop) {
  callers.out = true;
  stand.options.stop_soft = 60s;
  stand.options.stop_hard = 120s;
  auto worker = stand.start();
  const auto id = stand.send(message("add", {20, 22}));
  ASSERT_TRUE(eventually([&] { return callers.refused >= 1; }));
  const auto begin = Steady::now();
  worker->stop();
  EXPECT_LT(Steady::now() - begin, 60s);
  worker.reset();
  EXPECT_EQ(stand.queue().ready, 1U);
  EXPECT_THAT(stand.lines("were not finished before the stop"), IsEmpty());
  EXPECT_EQ(stand.find(id)->result, "42");
  callers.out = false;
  worker = stand.start();
  EXPECT_EQ(told(id).result, "42");
}

// Acknowledged already, they are this worker's alone to tell: the stop gives them their time.
TEST_F(WorkerCallers, OfWhomNobodyElseKnowsAreToldWithinTheTimeOfTheStop) {
  callers.out = true;
  stand.options.callers_patience = 0ms;
  stand.options.stop_hard = 60s;
  auto worker = stand.start();
  const auto id = stand.send(message("add", {20, 22}));
  ASSERT_TRUE(eventually([&] { return callers.refused >= 1 && stand.queues_empty(); }));
  std::jthread stopping{[&] { worker->stop(); }};
  const auto refused = callers.refused.load();
  ASSERT_TRUE(eventually([&] { return callers.refused > refused; }));
  callers.out = false;
  stopping.join();
  EXPECT_EQ(told(id).result, "42");
}

// JSON has no word for them; Python's has.
TEST_F(WorkerCallers, LearnOfNumbersThatAreNoneInPythonsWords) {
  const auto worker = stand.start();
  const auto id = stand.send(message("odd_numbers"));
  EXPECT_EQ(told(id).result, "[NaN, Infinity, -Infinity, 1.5]");
  EXPECT_EQ(stand.result_of(id).result, "[null, null, null, 1.5]");
}

TEST_F(WorkerCallers, ShowInReadiness) {
  const auto worker = stand.start();
  Readiness ready;
  worker->add_conditions(ready);
  const auto wrong = [&] {
    std::string text;
    for (const auto& condition : ready.conditions()) {
      if (condition.name == "callers") text = condition.holds() ? "holds" : condition.wrong;
    }
    return text;
  };
  EXPECT_EQ(wrong(), "holds");
  callers.out = true;
  EXPECT_THAT(wrong(), HasSubstr("out"));
}

TEST(WorkerRpc, AnswersOnTheReplyQueue) {
  umbel::testing::Stand stand;
  add_tasks(stand.tasks);
  const auto callers = make_rpc_results(*stand.broker);
  stand.options.callers = callers.get();
  const QueueName queue{"26237f38"};
  ASSERT_TRUE(stand.broker->declare({&queue, 1}));
  const auto caller = stand.broker->consume({{queue}, 100, "a caller"}).value();
  const auto worker = stand.start();
  celery::TaskMessage task;
  task.task = "add";
  task.args = {40, 2};
  task.reply_to = queue.str();
  const auto id = stand.send(std::move(task));
  stand.send("add", "[1, 1]");  // nobody waits for this one

  const auto answers = caller->next(10, 15s, {}).value();

  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].message.correlation_id, id.str());
  const auto meta = celery::decode_result_meta(answers[0].message.body);
  ASSERT_TRUE(meta) << meta.error().what;
  EXPECT_EQ(meta->result.result, "42");
}

// A real Redis, and a Python caller that waits for it.
class WorkerRedis : public ::testing::Test {
 protected:
  WorkerRedis() {
    add_tasks(stand.tasks);
    stand.options.callers = callers.get();
  }
  TaskId add(int x, int y) {
    celery::TaskMessage task;
    task.task = "add";
    task.args = {x, y};
    return stand.send(std::move(task));
  }

  RedisServer server;
  std::unique_ptr<CallerResults> callers =
      make_redis_results(parse_redis_url(server.url() + "?socket_timeout=0.5").value());
  umbel::testing::Stand stand;
};

TEST_F(WorkerRedis, PythonGetsTheValueAndTheException) {
  umbel::testing::CeleryApp python{{.broker = "memory://", .backend = server.url()}};
  const auto outcome = [&](const TaskId& id) {
    return python.ask("outcome(AsyncResult('" + id.str() + "', app=app))");
  };
  const auto worker = stand.start();
  EXPECT_THAT(outcome(add(40, 2)), HasSubstr(R"("value": 42)"));
  EXPECT_THAT(outcome(stand.send("raise", R"(["ZeroDivisionError"])")),
              HasSubstr(R"("builtins.ZeroDivisionError")"));
  EXPECT_THAT(outcome(stand.send("no.such.task")),
              HasSubstr(R"("celery.exceptions.NotRegistered")"));
}

// Killed while tasks run, empty when it comes back: the results that were not told yet arrive.
TEST_F(WorkerRedis, KilledAndStartedAgainNothingIsLost) {
  const auto worker = stand.start();
  const auto before = add(1, 1);
  ASSERT_TRUE(eventually([&] { return callers->find(before).has_value(); }));
  server.kill();
  std::vector<TaskId> meanwhile;
  for (int i = 0; i < 20; ++i) meanwhile.push_back(add(i, i));
  // The worker holds what it cannot tell, up to its prefetch.
  ASSERT_TRUE(eventually([&] { return stand.queue().unacked > 0; }));
  server.start();
  umbel::testing::CeleryApp python{{.broker = "memory://", .backend = server.url()}};
  for (int i = 0; i < 20; ++i) {
    const auto& id = meanwhile[static_cast<std::size_t>(i)];
    ASSERT_TRUE(eventually([&] { return callers->find(id).has_value(); }, 30s)) << i;
    EXPECT_EQ(callers->find(id)->result.result, std::to_string(2 * i));
  }
  EXPECT_THAT(python.ask("AsyncResult('" + meanwhile.back().str() + "', app=app).get(timeout=20)"),
              "38");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerRedis, ThatStandsStillHoldsUpTheTellingAlone) {
  stand.options.callers_patience = 300ms;
  const auto worker = stand.start();
  server.freeze();
  std::vector<TaskId> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(add(i, 0));
  for (const auto& id : ids) EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  server.thaw();
  for (const auto& id : ids) {
    ASSERT_TRUE(eventually([&] { return callers->find(id).has_value(); }, 30s));
  }
}

TEST(WorkerRedisPassword, AWrongOneIsSaidOnceAndStopsNothing) {
  RedisServer server{"right"};
  const auto callers = make_redis_results(
      parse_redis_url("redis://:wrong-secret@127.0.0.1:" + std::to_string(server.port())).value());
  umbel::testing::Stand stand;
  add_tasks(stand.tasks);
  stand.options.callers = callers.get();
  stand.options.callers_patience = 200ms;
  stand.options.stop_hard = 500ms;  // it waits for the results to be told
  const auto worker = stand.start();
  std::vector<TaskId> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(stand.send("add", "[1, 1]"));
  for (const auto& id : ids) EXPECT_EQ(stand.result_of(id).result, "2");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  const auto said = stand.lines("where callers read their results");
  ASSERT_EQ(said.size(), 1U);
  EXPECT_THAT(said[0], HasSubstr("AUTH refused"));
  EXPECT_THAT(said[0], ::testing::Not(HasSubstr("wrong-secret")));
}

}  // namespace
}  // namespace umbel
