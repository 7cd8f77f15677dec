// A worker with task processes: what a task may do to its process, and what becomes of the others.
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>

#include "child_tasks.hpp"
#include "children.hpp"
#include "control_client.hpp"
#include "fake_callers.hpp"
#include "stand.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing::Stand;
using ::testing::StartsWith;

class Prefork : public ::testing::Test {
 protected:
  Prefork() {
    testing::add_child_tasks(stand.tasks);
    stand.options.pool = PoolKind::Prefork;
    stand.options.child_command = {UMBEL_CHILD_PEER};
  }

  StoredTask run(const std::string& name, const std::string& args = "[]") {
    return stand.result_of(stand.send(name, args), 30s);
  }
  double lost(const std::string& why) {
    return stand.metrics.counter(metrics::kProcessesLost, {why}).Value();
  }

  Stand stand;
};

TEST_F(Prefork, RunsATaskInAProcessOfItsOwn) {
  const auto worker = stand.start();
  const auto task = run("pid");
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_NE(task.result, std::to_string(getpid()));
  EXPECT_EQ(run("same", R"([{"a": [1, null, "\u00e9", 1.5, -7]}])").result,
            R"({"a": [1, null, "\u00e9", 1.5, -7]})");
}

TEST_F(Prefork, HandsNumbersThatAreNoneToCallersAndToWhatFollows) {
  testing::FakeCallers callers;
  stand.options.callers = &callers;
  const auto worker = stand.start();
  celery::TaskMessage task;
  task.task = "same";
  task.args = Stand::json("[[NaN, -Infinity]]").as_array();
  task.embed =
      Stand::json(
          R"({"chain": [{"task": "same", "options": {"task_id": "next", "queue": "umbel"}}]})")
          .as_object();
  const auto first = stand.send(std::move(task));
  EXPECT_EQ(stand.result_of(TaskId{"next"}, 30s).result, "[null, null]");
  EXPECT_TRUE(eventually([&] { return callers.told().size() == 2; }));
  for (const auto& told : callers.told()) EXPECT_EQ(told.result, "[NaN, -Infinity]") << told.id;
  EXPECT_EQ(callers.told()[0].id, first);
}

TEST_F(Prefork, TellsWhatATaskThrewAsThreadsDo) {
  const auto worker = stand.start();
  const auto odd = run("throw_odd");
  EXPECT_EQ(odd.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(odd, "exc_type"), "RuntimeError");
  const auto wrong = run("pid", "[1, 2]");
  EXPECT_EQ(Stand::field(wrong, "exc_type"), "TypeError");
  EXPECT_EQ(run("again", "[true]").result, R"("1 retries")");
  const auto later = stand.send("again", "[false]");
  EXPECT_TRUE(eventually([&] {
    const auto now = stand.find(later);
    return now && now->state == TaskState::Retry;
  }));
}

// The signals of a null pointer, of an assertion, of the kernel's want of memory.
TEST_F(Prefork, LosesNothingButTheTaskThatCrashes) {
  stand.options.concurrency = 3;
  const auto worker = stand.start();
  const auto beside = stand.send("nap", "[1]");
  for (const auto& [number, name] : {std::pair{SIGSEGV, "signal 11 (SIGSEGV)"},
                                     {SIGABRT, "signal 6 (SIGABRT)"},
                                     {SIGKILL, "signal 9 (SIGKILL)"}}) {
    const auto id = stand.send("die", "[" + std::to_string(number) + "]");
    const auto task = stand.result_of(id, 30s);
    EXPECT_EQ(task.state, TaskState::Failure);
    EXPECT_EQ(Stand::field(task, "exc_type"), "WorkerLostError");
    EXPECT_THAT(Stand::field(task, "exc_message"),
                StartsWith(std::string{"Worker exited prematurely: "} + name + " Job: "));
    EXPECT_EQ(Stand::field(task, "exc_module"), "billiard.exceptions");
    EXPECT_EQ(stand.types_of(id, TaskEventType::Failed).size(), 3U);
  }
  const auto left = run("leave", "[3]");
  EXPECT_THAT(Stand::field(left, "exc_message"), HasSubstr("exitcode 3 Job: "));
  EXPECT_EQ(stand.result_of(beside).result, "1.0");
  EXPECT_EQ(run("same", "[5]").result, "5");
  EXPECT_EQ(lost("died"), 4);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); })) << "all are acknowledged";
  EXPECT_TRUE(worker->ready());
}

TEST_F(Prefork, RunsALostTaskAgainIfItAsksForThatUntilItIsGivenUp) {
  const auto worker = stand.start();
  const auto id = stand.send("die_again", "[11]");
  const auto task = stand.result_of(id, 30s);
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "WorkerLostError");
  EXPECT_THAT(Stand::field(task, "exc_message"), HasSubstr("3 workers were lost"));
  EXPECT_EQ(lost("died"), 4) << "the first start is not counted";
}

TEST_F(Prefork, KillsATaskAtItsHardLimit) {
  const auto worker = stand.start();
  const auto id = stand.send("spin");
  const auto task = stand.result_of(id, 30s);
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "TimeLimitExceeded");
  EXPECT_EQ(Stand::field(task, "exc_module"), "billiard.exceptions");
  EXPECT_TRUE(task.traceback.empty());
  EXPECT_EQ(lost("time_limit"), 1);

  celery::TaskMessage sent;
  sent.task = "nap";
  sent.args = {60};
  sent.time_limit = 0.1;
  EXPECT_EQ(Stand::field(stand.result_of(stand.send(sent), 30s), "exc_type"), "TimeLimitExceeded");
  sent.time_limit = 1;
  EXPECT_EQ(stand.result_of(stand.send(sent), 30s).result,
            R"({"exc_type": "TimeLimitExceeded", "exc_message": [1], )"
            R"("exc_module": "billiard.exceptions"})")
      << "as Celery writes it";
  EXPECT_EQ(run("same", "[5]").result, "5");
}

TEST_F(Prefork, TellsATaskToStopAtItsSoftLimitAndKillsItIfItDoesNot) {
  stand.options.stuck_after = 200ms;
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  const auto polite = run("nap_softly", "[60]");
  EXPECT_EQ(Stand::field(polite, "exc_type"), "SoftTimeLimitExceeded");
  EXPECT_EQ(lost("overdue"), 0);
  const auto deaf = run("spin_softly");
  EXPECT_EQ(Stand::field(deaf, "exc_type"), "SoftTimeLimitExceeded");
  EXPECT_THAT(Stand::field(deaf, "exc_message"), HasSubstr("did not return within 0.2 s"));
  EXPECT_EQ(lost("overdue"), 1);
  EXPECT_EQ(run("same", "[5]").result, "5") << "the only slot works again";
  EXPECT_TRUE(worker->ready());
}

TEST_F(Prefork, ReplacesAProcessAfterItsNumberOfTasks) {
  stand.options.concurrency = 1;
  stand.options.max_tasks_per_child = 3;
  const auto worker = stand.start();
  std::vector<std::string> pids;
  for (int i = 0; i < 9; ++i) pids.push_back(run("pid").result);
  EXPECT_EQ(std::set<std::string>(pids.begin(), pids.end()).size(), 3U);
  EXPECT_EQ(pids[0], pids[2]);
  EXPECT_NE(pids[2], pids[3]);
  EXPECT_EQ(lost("died") + lost("idle"), 0);
  EXPECT_THAT(stand.lines("it has run its number of tasks"), Not(IsEmpty()));
}

TEST_F(Prefork, ReplacesAProcessThatHoldsTooMuchMemory) {
  stand.options.concurrency = 1;
  stand.options.max_memory_per_child = 512 * 1024;
  const auto worker = stand.start();
  const auto first = run("eat", "[1]").result;
  EXPECT_EQ(run("eat", "[2]").result, first) << "a little is no reason";
  EXPECT_EQ(run("eat", "[600]").result, first);
  EXPECT_NE(run("pid").result, first);
  EXPECT_THAT(stand.lines("more memory than it may"), SizeIs(1));
}

TEST_F(Prefork, StartsAProcessAgainThatWasKilledWhileItHadNothingToDo) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  const auto first = run("pid").result;
  ASSERT_EQ(kill(std::stoi(first), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return !testing::lives(std::stoi(first)); }));
  const auto second = run("pid");
  EXPECT_EQ(second.state, TaskState::Success) << "the task had not been given to it";
  EXPECT_NE(second.result, first);
}

TEST_F(Prefork, GivesItsProcessesNothingButTwoSocketsAndTheStandardStreams) {
  const auto worker = stand.start();
  const auto open = Stand::json(run("descriptors").result).as_object();
  std::set<std::string> files;
  for (const auto& [number, target] : open) {
    const std::string what{target.as_string()};
    EXPECT_EQ(what.find(".db"), std::string::npos) << what;
    if (what.starts_with("socket:")) files.insert(std::string{number});
  }
  EXPECT_EQ(files, (std::set<std::string>{"3", "4"}));
  EXPECT_EQ(run("status", R"(["SigBlk"])").result, R"("0000000000000000")");
  const auto ignored = Stand::json(run("status", R"(["SigIgn"])").result).as_string();
  EXPECT_EQ(std::stoull(std::string{ignored}, nullptr, 16) & 0xffffU,
            (1U << (SIGINT - 1)) | (1U << (SIGPIPE - 1)));
}

TEST_F(Prefork, AddsUpWhatItsProcessesCountAndAcceptsWhatTheySpawn) {
  stand.options.concurrency = 3;
  stand.options.prefetch_multiplier = 20;
  const auto worker = stand.start();
  EXPECT_EQ(run("spawn", R"(["count", 1000, "[2]"])").result, "1000");
  EXPECT_EQ(run("spawn", R"(["count", 1000, "[3]"])").result, "1000");
  auto& sum = stand.metrics.counter(metrics::kSubmissionsFetched, {"counted", "test"});
  EXPECT_TRUE(eventually([&] { return sum.Value() >= 5000; }, 60s)) << sum.Value();
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }, 30s));
  EXPECT_EQ(sum.Value(), 5000);
  const auto text = stand.metrics.text();
  EXPECT_THAT(text, HasSubstr("submission_age_seconds_sum{source=\"test\"} 5000"));
  EXPECT_THAT(text, HasSubstr("submission_age_seconds_count{source=\"test\"} 2000"));
  EXPECT_THAT(text, HasSubstr("child_tasks_own_total{why=\"because\"} 2000"));
  EXPECT_THAT(stand.metrics.gauge(metrics::kRedditBudgetLeft, {"test"}).Value(), AnyOf(2, 3));
}

TEST_F(Prefork, TellsATaskWhatItMayNotSpawn) {
  const auto worker = stand.start();
  const auto refused = run("spawn", R"(["nap", 1, "[\"long\"]"])");
  EXPECT_EQ(refused.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(refused, "exc_type"), "SpawnError");
  EXPECT_THAT(Stand::field(refused, "exc_message"), HasSubstr("seconds"));
}

TEST_F(Prefork, CarriesLargeArgumentsAndResults) {
  const auto worker = stand.start();
  const std::string large(4'000'000, 'y');
  EXPECT_EQ(run("same", "[\"" + large + "\"]").result.size(), large.size() + 2);
  EXPECT_EQ(run("text", "[10000000]").result.size(), 10'000'002U);
  const auto beyond = run("text", "[80000000]");
  EXPECT_EQ(Stand::field(beyond, "exc_type"), "ValueError");
}

TEST_F(Prefork, EndsATaskWhoseProcessSpeaksNonsense) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  const auto task = run("babble");
  EXPECT_EQ(Stand::field(task, "exc_type"), "WorkerLostError");
  EXPECT_THAT(stand.lines("says what cannot be read"), SizeIs(1));
  EXPECT_EQ(run("same", "[5]").result, "5");
}

// The orphan holds the sockets, so that they never close.
TEST_F(Prefork, NoticesTheEndOfAProcessThatLeftAnOrphan) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  EXPECT_EQ(Stand::field(run("orphan"), "exc_type"), "WorkerLostError");
  EXPECT_EQ(run("same", "[5]").result, "5");
}

TEST_F(Prefork, HandsBackWhatDoesNotEndInTimeAndLeavesNoProcess) {
  stand.options.stop_soft = 100ms;
  stand.options.stop_hard = 600ms;
  stand.options.concurrency = 2;
  auto worker = stand.start();
  celery::TaskMessage deaf;
  deaf.task = "spin_softly";
  deaf.soft_time_limit = 1000;
  const auto spins = stand.send(deaf);
  const auto naps = stand.send("nap", "[60]");
  const auto waits = stand.send("nap", "[60]");
  for (const auto& id : {spins, naps}) {
    ASSERT_TRUE(eventually([&] {
      const auto events = stand.events_of(id);
      return std::ranges::any_of(
          events, [](const TaskEvent& one) { return one.type == TaskEventType::Started; });
    }));
  }
  worker->stop();
  EXPECT_EQ(stand.queue().ready, 3U);
  EXPECT_FALSE(stand.find(waits));
  EXPECT_THAT(stand.lines("not finished before the stop"), SizeIs(1));
  worker.reset();
  EXPECT_THAT(testing::children_of(getpid()), IsEmpty());
}

// Whatever is killed and when, each task ends once: as what it answers, or as lost.
TEST_F(Prefork, EndsEveryTaskThoughItsProcessesAreKilledAtRandom) {
  stand.options.concurrency = 3;
  auto worker = stand.start();
  std::vector<TaskId> ids;
  for (int i = 0; i < 150; ++i) ids.push_back(stand.send("nap", "[0.02]"));
  std::mt19937 random{20261123};
  for (int i = 0; i < 15; ++i) {
    // The instant of the kill is what is tried.
    std::this_thread::sleep_for(std::chrono::milliseconds{20 + random() % 40});
    const auto children = testing::children_of(getpid());
    if (children.empty()) continue;
    kill(*std::next(children.begin(), static_cast<std::ptrdiff_t>(random() % children.size())),
         SIGKILL);
  }
  int lost_tasks = 0;
  for (const auto& id : ids) {
    const auto task = stand.result_of(id, 30s);
    if (task.state == TaskState::Success) continue;
    EXPECT_EQ(Stand::field(task, "exc_type"), "WorkerLostError");
    ++lost_tasks;
  }
  EXPECT_LE(lost_tasks, 15);
  EXPECT_EQ(lost("died"), lost_tasks);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  worker.reset();
  EXPECT_THAT(testing::children_of(getpid()), IsEmpty());
}

TEST_F(Prefork, EndsATaskWithTheSignalThatARevocationNames) {
  const auto worker = stand.start();
  testing::ControlClient control{*stand.broker};
  for (const auto& [task, name] : {std::pair{"nap", "SIGTERM"}, {"spin_softly", "SIGKILL"}}) {
    celery::TaskMessage message;
    message.task = task;
    if (message.task == "nap") message.args = {60};
    message.soft_time_limit = 1000;
    const auto id = stand.send(message);
    ASSERT_TRUE(eventually([&] { return stand.events_of(id).size() >= 2; }));
    control.tell("revoke", R"({"task_id": ")" + id.str() + R"(", "terminate": true, "signal": ")" +
                               name + "\"}");
    const auto ended = stand.result_of(id, 30s);
    EXPECT_EQ(ended.state, TaskState::Revoked);
    EXPECT_EQ(Stand::field(ended, "exc_message"), "terminated");
  }
  EXPECT_EQ(lost("terminated"), 2);
  EXPECT_EQ(run("same", "[5]").result, "5");
}

TEST_F(Prefork, GrowsAndShrinksOnRequest) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  testing::ControlClient control{*stand.broker};
  const auto processes = [] { return testing::children_of(getpid()).size(); };
  ASSERT_TRUE(eventually([&] { return processes() == 1; }));
  control.tell("pool_grow", R"({"n": 2})");
  EXPECT_TRUE(eventually([&] { return processes() == 3; }, 20s));
  control.tell("pool_shrink", R"({"n": 2})");
  EXPECT_TRUE(eventually([&] { return processes() == 1; }, 20s));
  EXPECT_EQ(run("same", "[5]").result, "5");
}

TEST_F(Prefork, LetsWhatRunsEndWhenItStops) {
  auto worker = stand.start();
  const auto id = stand.send("nap", "[0.5]");
  ASSERT_TRUE(eventually([&] { return stand.events_of(id).size() >= 2; }));
  worker->stop();
  EXPECT_EQ(stand.find(id)->result, "0.5");
}

TEST_F(Prefork, SaysWhyItsProcessesDoNotStart) {
  const auto says = [this](std::vector<std::string> command) {
    stand.options.child_command = std::move(command);
    auto worker = stand.start();
    std::string reason;
    EXPECT_TRUE(eventually([&] {
      const auto ready = worker->ready();
      if (!ready) reason = ready.error().what;
      return reason.find("do not start") != std::string::npos;
    }));
    const auto id = stand.send("pid");
    worker->stop();
    EXPECT_FALSE(stand.find(id)) << "the task waits for a worker that can";
    return reason;
  };
  EXPECT_THAT(says({UMBEL_CHILD_PEER, "unable"}), HasSubstr("the cellar is flooded"));
  EXPECT_THAT(says({UMBEL_CHILD_PEER, "silent"}),
              HasSubstr("ended before it was ready (exitcode 3)"));
  EXPECT_THAT(says({UMBEL_CHILD_PEER, "stranger"}), HasSubstr("it knows other tasks"));
  EXPECT_THAT(says({"/nowhere/umbel"}), HasSubstr("cannot start /nowhere/umbel"));
  EXPECT_GT(lost("start"), 3);
}

TEST(Threads, RefuseTasksThatDeclareAHardLimitByName) {
  Stand stand;
  testing::add_child_tasks(stand.tasks);
  Worker worker{stand.options, stand.tasks,   *stand.broker, stand.store,
                stand.clock,   stand.metrics, stand.log};
  const auto started = worker.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::Invalid);
  EXPECT_THAT(started.error().what, HasSubstr("--pool=prefork"));
  EXPECT_THAT(started.error().what, HasSubstr(": spin"));
}

}  // namespace
}  // namespace umbel
