#include "umbel/results_redis/redis_results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "umbel/base/text.hpp"
#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/cut_proxy.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/redis_server.hpp"

namespace umbel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;
using Is = ChordReturn::Is;
using umbel::testing::CutProxy;
using umbel::testing::Direction;
using umbel::testing::eventually;
using umbel::testing::RedisServer;

std::unique_ptr<CallerResults> opened(const std::string& url) {
  return make_redis_results(parse_redis_url(url).value());
}

CallerResult succeeded(const std::string& id, std::string value) {
  CallerResult result;
  result.id = TaskId{id};
  result.result = std::move(value);
  result.done = parse_iso8601("2026-11-22T12:41:15.651209+00:00");
  return result;
}

CallerResult failed(const std::string& id, const std::string& type, const std::string& arguments) {
  auto result =
      succeeded(id, R"({"exc_type": ")" + type + R"(", "exc_message": )" + arguments + "}");
  result.state = TaskState::Failure;
  return result;
}

ChordPart part_of(const std::string& group, std::int64_t index, const std::string& id,
                  std::string value = "1") {
  return {group, index, TaskId{id}, TaskState::Success, std::move(value)};
}

// Each case has a server of its own, because most break it: it starts in a tenth of a second.
class RedisResults : public ::testing::Test {
 protected:
  Result<void> tell(const CallerResult& result) { return results->tell({&result, 1}); }
  std::string meta(const std::string& id) { return server.ask({"GET", "celery-task-meta-" + id}); }

  RedisServer server;
  std::unique_ptr<CallerResults> results = opened(server.url());
};

TEST_F(RedisResults, KeepsAResultUnderCelerysKeyForADay) {
  ASSERT_TRUE(tell(succeeded("n-ok", "3")));

  EXPECT_EQ(meta("n-ok"),
            R"({"status": "SUCCESS", "result": 3, "traceback": null, "children": [], )"
            R"("date_done": "2026-11-22T12:41:15.651209+00:00", "task_id": "n-ok"})");
  const auto left = std::stoi(server.ask({"TTL", "celery-task-meta-n-ok"}));
  EXPECT_GT(left, 86'000);
  EXPECT_LE(left, 86'400);
  const auto found = results->find(TaskId{"n-ok"});
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->result, succeeded("n-ok", "3"));
  EXPECT_EQ(results->find(TaskId{"other"}).error().code, Errc::NotFound);
}

TEST_F(RedisResults, TakesDatabasePrefixAndTimeToLiveFromTheUrl) {
  const auto mine =
      opened(server.url(3) + "?global_keyprefix=shop&result_expires=0&socket_timeout=2");
  const auto result = succeeded("a", "1");
  ASSERT_TRUE(mine->tell({&result, 1}));
  EXPECT_EQ(server.ask({"TTL", "shop_celery-task-meta-a"}, 3), "-1");
  EXPECT_EQ(server.ask({"DBSIZE"}, 0), "0");
}

TEST_F(RedisResults, ASuccessStays) {
  ASSERT_TRUE(tell(failed("a", "ValueError", R"(["boom"])")));
  ASSERT_TRUE(tell(succeeded("a", "1")));
  ASSERT_TRUE(tell(failed("a", "WorkerLostError", R"(["late"])")));
  EXPECT_THAT(meta("a"), HasSubstr(R"("status": "SUCCESS", "result": 1)"));

  // In one batch as well, and the other way round only in order.
  const std::vector<CallerResult> batch{succeeded("b", "2"), failed("b", "ValueError", "[]"),
                                        failed("c", "ValueError", "[]"), succeeded("c", "3")};
  ASSERT_TRUE(results->tell(batch));
  EXPECT_THAT(meta("b"), HasSubstr(R"("result": 2)"));
  EXPECT_THAT(meta("c"), HasSubstr(R"("result": 3)"));
}

TEST_F(RedisResults, ManyAndLargeResultsGoInOneCall) {
  std::vector<CallerResult> batch;
  for (int i = 0; i < 450; ++i) batch.push_back(succeeded("t" + std::to_string(i), "1"));
  batch.push_back(succeeded("large", "\"" + std::string(6'000'000, 'x') + "\""));
  ASSERT_TRUE(results->tell(batch));
  EXPECT_EQ(server.ask({"DBSIZE"}), "451");
  EXPECT_EQ(results->find(TaskId{"large"})->result.result.size(), 6'000'002U);
  EXPECT_TRUE(results->tell({}));
}

TEST_F(RedisResults, ADeadServerIsSaidAtOnceAndItsReturnFound) {
  ASSERT_TRUE(tell(succeeded("a", "1")));
  server.kill();
  const auto out = tell(succeeded("b", "2"));
  ASSERT_FALSE(out);
  EXPECT_TRUE(out.error().code == Errc::Unavailable || out.error().code == Errc::OutcomeUnknown)
      << out.error().what;
  EXPECT_FALSE(results->ping());
  server.start();
  EXPECT_TRUE(eventually([&] { return tell(succeeded("b", "2")).has_value(); }));
  EXPECT_THAT(meta("b"), HasSubstr(R"("result": 2)"));
  EXPECT_TRUE(results->ping());
}

TEST_F(RedisResults, AConnectionThatWasClosedMeanwhileIsMadeAnewUnseen) {
  ASSERT_TRUE(tell(succeeded("a", "1")));
  server.kill();
  server.start();
  EXPECT_TRUE(tell(succeeded("b", "2")));
  EXPECT_THAT(meta("b"), HasSubstr(R"("result": 2)"));
}

TEST_F(RedisResults, AServerThatBecameAReplicaIsLookedForAnew) {
  CutProxy proxy{server.port()};
  const auto mine = opened(server.url(0, proxy.port()));
  const auto result = succeeded("a", "1");
  const auto next = succeeded("b", "2");
  ASSERT_TRUE(mine->tell({&result, 1}));
  EXPECT_EQ(proxy.accepted(), 1U);
  (void)server.ask({"REPLICAOF", "127.0.0.1", "1"});
  const auto out = mine->tell({&next, 1});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::Unavailable) << out.error().what;
  EXPECT_THAT(out.error().what, HasSubstr("READONLY"));
  (void)server.ask({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(mine->tell({&next, 1}));
  EXPECT_EQ(proxy.accepted(), 2U);
}

TEST_F(RedisResults, AServerThatStandsStillCostsItsTimeoutOnly) {
  const auto mine = opened(server.url() + "?socket_timeout=0.3");
  const auto result = succeeded("a", "1");
  ASSERT_TRUE(mine->tell({&result, 1}));
  server.freeze();
  const auto out = mine->tell({&result, 1});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::TimedOut) << out.error().what;
  server.thaw();
  EXPECT_TRUE(eventually([&] { return mine->tell({&result, 1}).has_value(); }));
}

TEST_F(RedisResults, CutAtAnyByteTheResultArrivesWholeOrNotAtAll) {
  CutProxy proxy{server.port()};
  const auto mine = opened(server.url(0, proxy.port()));
  for (std::uint64_t bytes = 0; bytes < 600; bytes += 13) {
    for (const auto way : {Direction::ToServer, Direction::ToClient}) {
      const auto id = std::to_string(bytes) + (way == Direction::ToServer ? "s" : "c");
      const auto result = succeeded(id, "[" + std::to_string(bytes) + "]");
      proxy.cut_after(way, bytes);
      EXPECT_TRUE(eventually([&] { return mine->tell({&result, 1}).has_value(); }));
      EXPECT_EQ(mine->find(TaskId{id})->result.result, result.result);
    }
  }
  EXPECT_GT(proxy.cuts(), 20U);
}

TEST(RedisPassword, AWrongOneIsNamedWithoutBeingShown) {
  RedisServer server{"right"};
  const auto result = succeeded("a", "1");
  const auto port = std::to_string(server.port());
  const auto wrong = opened("redis://:wrong-secret@127.0.0.1:" + port + "/0");
  const auto none = opened("redis://127.0.0.1:" + port + "/0");
  const auto right = opened("redis://:right@127.0.0.1:" + port + "/0");

  const auto refused = wrong->tell({&result, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  EXPECT_THAT(refused.error().what, HasSubstr("AUTH refused"));
  EXPECT_THAT(refused.error().what, Not(HasSubstr("wrong-secret")));
  // Said again while it is given a rest.
  EXPECT_THAT(wrong->ping().error().what, HasSubstr("AUTH refused"));
  EXPECT_THAT(none->tell({&result, 1}).error().what, HasSubstr("NOAUTH"));
  EXPECT_TRUE(right->tell({&result, 1}));
}

TEST_F(RedisResults, AnswersThatAreNotRedisAreAnError) {
  EXPECT_TRUE(results->ping());
  server.ask({"SET", "celery-task-meta-a", "gibberish"});
  EXPECT_EQ(results->find(TaskId{"a"}).error().code, Errc::Invalid);
  EXPECT_TRUE(tell(succeeded("a", "1")));  // replaces what is no success
  server.ask({"LPUSH", "celery-taskset-meta-g.j", "not a sorted set"});
  const auto refused = results->chord_part(part_of("g", 0, "a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
}

TEST_F(RedisResults, AChordIsCompleteWithItsLastPart) {
  ASSERT_TRUE(results->set_chord_size("g", 3));
  EXPECT_EQ(server.ask({"GET", "celery-taskset-meta-g.s"}), "3");
  EXPECT_EQ(results->chord_part(part_of("g", 2, "c", "30"))->is, Is::Waiting);
  EXPECT_EQ(results->chord_part(part_of("g", 0, "a", "10"))->is, Is::Waiting);
  EXPECT_EQ(results->chord_part(part_of("g", 0, "a", "10"))->is, Is::Waiting);  // told twice
  const auto last = part_of("g", 1, "b", "20");

  const auto complete = results->chord_part(last);
  ASSERT_TRUE(complete) << complete.error().what;
  EXPECT_EQ(*complete, (ChordReturn{Is::Complete, "[10, 20, 30]", {}}));

  // Until the body was sent the same part is told the same, and no other is.
  EXPECT_EQ(results->chord_part(last)->results, "[10, 20, 30]");
  EXPECT_EQ(results->chord_part(part_of("g", 0, "a", "10"))->is, Is::Waiting);
  ASSERT_TRUE(results->chord_ended("g"));
  EXPECT_EQ(results->chord_part(last)->is, Is::Waiting);
}

TEST_F(RedisResults, PartsMayEndBeforeAllWereSent) {
  EXPECT_EQ(results->chord_part(part_of("g", 0, "a"))->is, Is::Waiting);
  ASSERT_TRUE(results->set_chord_size("g", 2));
  EXPECT_EQ(results->chord_part(part_of("g", 1, "b"))->is, Is::Complete);
}

TEST_F(RedisResults, WhatWasAddedToAChordCounts) {
  ASSERT_TRUE(results->set_chord_size("g", 1));
  server.ask({"INCR", "celery-taskset-meta-g.t"});
  EXPECT_EQ(results->chord_part(part_of("g", 0, "a"))->is, Is::Waiting);
  EXPECT_EQ(results->chord_part({"g", {}, TaskId{"b"}, TaskState::Success, "2"})->results,
            "[1, 2]");
}

TEST_F(RedisResults, AChordFailsByItsFirstFailedPart) {
  ASSERT_TRUE(results->set_chord_size("g", 2));
  EXPECT_EQ(results
                ->chord_part({"g", 0, TaskId{"a"}, TaskState::Failure,
                              R"({"exc_type": "ValueError", "exc_message": ["oops", 42]})"})
                ->is,
            Is::Waiting);
  EXPECT_EQ(*results->chord_part(part_of("g", 1, "b")),
            (ChordReturn{Is::Failed, {}, "Dependency a raised ValueError('oops', 42)"}));
}

TEST_F(RedisResults, NestedGroupsAreReadInTheirForm) {
  ASSERT_TRUE(results->save_group({"g", true, {{"a"}, {"g2", true, {{"b"}, {"c"}}}, {"body"}}}));
  ASSERT_TRUE(results->set_chord_size("g", 3));
  ASSERT_TRUE(tell(succeeded("body", "\"done\"")));
  EXPECT_EQ(results->chord_part(part_of("g", 1, "c", "3"))->is, Is::Waiting);
  EXPECT_EQ(results->chord_part(part_of("g", 0, "a", "1"))->is, Is::Waiting);
  EXPECT_EQ(results->chord_part(part_of("g", 0, "b", "2"))->results, R"([1, [2, 3], "done"])");
}

// Parts of one chord end at the same time in several programs, and every one is told twice.
TEST_F(RedisResults, OneOfManyGetsTheBody) {
  constexpr int kParts = 24, kThreads = 4;
  for (int round = 0; round < 5; ++round) {
    const auto group = "g" + std::to_string(round);
    ASSERT_TRUE(results->set_chord_size(group, kParts));
    std::atomic<int> complete{0};
    std::vector<std::jthread> programs;
    for (int thread = 0; thread < kThreads; ++thread) {
      programs.emplace_back([&, thread] {
        const auto mine = opened(server.url());
        std::string claimed;
        for (int i = 0; i < kParts; ++i) {
          if (i % (kThreads / 2) != thread % (kThreads / 2)) continue;
          const auto id = "t" + std::to_string(i);
          const auto answer = mine->chord_part(part_of(group, i, id, std::to_string(i)));
          if (answer && answer->is == Is::Complete) claimed = id;
        }
        if (!claimed.empty()) ++complete;
      });
    }
    programs.clear();
    // The same part may be told to two programs at the same time, and both are told its answer.
    EXPECT_GE(complete, 1);
    EXPECT_LE(complete, 2);
    EXPECT_NE(server.ask({"GET", "celery-taskset-meta-" + group + ".umbel"}), "(nil)");
  }
}

// What Python makes of what we write: the reason why all of this looks as it does.
TEST_F(RedisResults, PythonReadsValuesExceptionsAndGroups) {
  umbel::testing::CeleryApp python{{.broker = "memory://", .backend = server.url()}};
  const auto outcome = [&](const std::string& id) {
    return python.ask("outcome(AsyncResult('" + id + "', app=app))");
  };
  auto child = succeeded("value", R"({"a": [1, 2.5, null, "\u00e9"]})");
  child.children = {{"c"}};
  child.parent = "p";
  auto revoked = failed("revoked", "TaskRevokedError", R"(["revoked"])");
  revoked.state = TaskState::Revoked;
  const std::vector<CallerResult> told{child,
                                       failed("raised", "ValueError", R"(["boom", 42])"),
                                       failed("limit", "TimeLimitExceeded", "[1]"),
                                       failed("unknown", "NotRegistered", R"(["cap.nosuch"])"),
                                       failed("lost", "WorkerLostError", R"(["signal 9"])"),
                                       failed("own", "std::runtime_error", R"(["ours"])"),
                                       failed("exit", "SystemExit", "[3]"),
                                       revoked};
  ASSERT_TRUE(results->tell(told));

  EXPECT_THAT(outcome("value"), HasSubstr("2.5"));
  EXPECT_EQ(python.ask("[r.id for r in AsyncResult('value', app=app).children]"), R"(["c"])");
  EXPECT_THAT(python.ask("str(AsyncResult('value', app=app).date_done)"), HasSubstr("2026-11-22"));
  EXPECT_THAT(outcome("raised"), HasSubstr(R"("builtins.ValueError")"));
  EXPECT_THAT(outcome("raised"), HasSubstr(R"(["boom", 42])"));
  EXPECT_THAT(outcome("limit"), HasSubstr("billiard.exceptions.TimeLimitExceeded"));
  EXPECT_THAT(outcome("unknown"), HasSubstr("celery.exceptions.NotRegistered"));
  EXPECT_THAT(outcome("lost"), HasSubstr("billiard.exceptions.WorkerLostError"));
  EXPECT_THAT(outcome("own"), HasSubstr("std::runtime_error"));
  EXPECT_THAT(outcome("exit"), HasSubstr(R"("Exception")"));  // raised, and did not end Python
  EXPECT_THAT(outcome("revoked"), HasSubstr("celery.exceptions.TaskRevokedError"));

  ASSERT_TRUE(results->save_group({"g", true, {{"value"}, {"raised"}}}));
  EXPECT_EQ(python.ask("from celery.result import GroupResult\n"
                       "[r.id for r in GroupResult.restore('g', app=app).results]"),
            R"(["value", "raised"])");
}

TEST_F(RedisResults, WakesAPythonCallerThatWaitsAlready) {
  umbel::testing::CeleryApp python{{.broker = "memory://", .backend = server.url()}};
  std::string got;
  std::jthread caller{[&] { got = python.ask("AsyncResult('late', app=app).get(timeout=20)"); }};
  ASSERT_TRUE(eventually([&] {
    return server.ask({"PUBSUB", "NUMSUB", "celery-task-meta-late"}).find('1') != std::string::npos;
  }));
  auto started = succeeded("late", R"({"pid": 1, "hostname": "w1@test"})");
  started.state = TaskState::Started;
  started.done.reset();
  const std::vector<CallerResult> both{started, succeeded("late", "\"here\"")};
  ASSERT_TRUE(results->tell(both));
  caller.join();
  EXPECT_EQ(got, "\"here\"");
}

// A chord of a Python application of which both sides run parts; its own backend does the last.
TEST_F(RedisResults, CountsTogetherWithPython) {
  umbel::testing::CeleryApp python{{.broker = "memory://", .backend = server.url()}};
  const auto python_part = [&](const std::string& id, int index, const std::string& value) {
    return python.ask(
        "from celery.app.task import Context\n"
        "sent = []\n"
        "class Body(dict): pass\n"
        "import celery.backends.redis as backend_module\n"
        "backend_module.maybe_signature = lambda chord, app=None: type('S', (), {'delay': "
        "staticmethod(lambda results: sent.append(results))})()\n"
        "app.backend.on_chord_part_return(Context(id='" +
        id + "', group='g', group_index=" + std::to_string(index) + ", chord={}), 'SUCCESS', " +
        value + ")\nsent");
  };
  ASSERT_EQ(python.ask("app.backend.set_chord_size('g', 3)"), "null");
  EXPECT_EQ(python_part("p0", 0, "'zero'"), "[]");
  EXPECT_EQ(results->chord_part(part_of("g", 1, "u1", "\"one\""))->is, Is::Waiting);
  EXPECT_EQ(python_part("p2", 2, "'two'"), R"([["zero", "one", "two"]])");

  ASSERT_EQ(python.ask("app.backend.set_chord_size('g', 2)"), "null");
  EXPECT_EQ(python_part("p0", 0, "'zero'"), "[]");
  EXPECT_EQ(results->chord_part(part_of("g", 1, "u1", "\"one\""))->results, R"(["zero", "one"])");
}

}  // namespace
}  // namespace umbel
