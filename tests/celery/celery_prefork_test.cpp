// Our pool of processes beside Celery's: hard limits, terminations and lost processes end as Python
// expects them, and for that task alone.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <set>

#include "cluster.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::interop {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using umbel::testing::eventually;

Servers servers;

class Prefork : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    cluster = std::make_unique<Cluster>(servers);
    cluster->umbel_collector();
    cluster->umbel_worker("cpp1", {"--pool=prefork", "--concurrency=2"});
    cluster->celery_worker({.pool = "prefork"});
  }
  static void TearDownTestSuite() { cluster.reset(); }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster->logs();
  }

  // How the two sides' tasks of the same kind ended, for Python.
  static json::value outcomes(const std::string& ours, const std::string& theirs) {
    return cluster->ask(
        fmt::format("both = [{}, {}]\n[outcome(each) for each in both]", ours, theirs));
  }
  static json::value told(const std::string& method, const std::string& arguments = "{}") {
    return cluster->ask(
        fmt::format("told('{}', {}, ['cpp1@umbel', 'py1@celery'])", method, arguments));
  }

  static std::unique_ptr<Cluster> cluster;
};

std::unique_ptr<Cluster> Prefork::cluster;

TEST_F(Prefork, ResultsComeOutOfProcesses) {
  EXPECT_EQ(cluster->ask("sorted(each.get(timeout=PATIENCE) for each in "
                         "[cpp('add', i, i).delay() for i in range(20)])[-1]"),
            38);
  EXPECT_EQ(cluster->ask("outcome(chord([cpp('add', i, i) for i in range(5)], "
                         "cpp('total')).delay())"),
            json::parse(R"({"value": 20})"));
  const json::value ended =
      outcomes("cpp('fail', 'boom').delay()", "py('py.fail', 'boom').delay()");
  EXPECT_EQ(ended.at(0).at("raised"), "builtins.RuntimeError") << ended;
  EXPECT_EQ(ended.at(1).at("raised"), "builtins.ValueError") << ended;
}

TEST_F(Prefork, HardLimitsEndTheTaskAlone) {
  const json::value ended = outcomes("cpp('hang', 60).apply_async(time_limit=2)",
                                     "py('py.sleep', 60).apply_async(time_limit=2)");
  EXPECT_THAT(std::string{ended.at(0).at("raised").as_string()}, HasSubstr("TimeLimitExceeded"))
      << ended;
  EXPECT_EQ(ended.at(0).at("raised"), ended.at(1).at("raised")) << ended;
  EXPECT_EQ(ended.at(0).at("args"), ended.at(1).at("args")) << ended;
  EXPECT_EQ(cluster->ask("cpp('add', 1, 2).delay().get(timeout=PATIENCE)"), 3);
}

TEST_F(Prefork, SoftLimitsComeBeforeHardOnes) {
  const json::value ended =
      outcomes("cpp('sleep', 60).apply_async(time_limit=30, soft_time_limit=1)",
               "py('py.sleep', 60).apply_async(time_limit=30, soft_time_limit=1)");
  EXPECT_EQ(ended.at(0).at("raised"), "billiard.exceptions.SoftTimeLimitExceeded") << ended;
  EXPECT_EQ(ended.at(1).at("raised"), ended.at(0).at("raised")) << ended;
}

TEST_F(Prefork, AProcessThatDiesFailsItsTask) {
  const json::value ended = cluster->ask(
      "import os\n"
      "both = [cpp('sleep', 60).delay(), py('py.sleep', 60).delay()]\n"
      "def pids():\n"
      "    active = told('active', {}, ['cpp1@umbel', 'py1@celery'])\n"
      "    found = [each['worker_pid'] for tasks in active.values() for each in tasks]\n"
      "    return found if len(found) == 2 and all(found) else None\n"
      "[os.kill(pid, 9) for pid in eventually(pids)]\n"
      "[outcome(each) for each in both]");
  for (const json::value& each : ended.as_array()) {
    EXPECT_EQ(each.at("raised"), "billiard.exceptions.WorkerLostError") << ended;
    EXPECT_THAT(json::serialize(each.at("args")), HasSubstr("SIGKILL")) << ended;
  }
  EXPECT_EQ(cluster->ask("cpp('add', 1, 2).delay().get(timeout=PATIENCE)"), 3);
}

TEST_F(Prefork, TerminatedTasksEndAtOnce) {
  const json::value ended = cluster->ask(
      "both = [cpp('sleep', 60).delay(), py('py.sleep', 60).delay()]\n"
      "eventually(lambda: all(len(each) == 1 for each in "
      "told('active', {}, ['cpp1@umbel', 'py1@celery']).values()))\n"
      "for each in both: each.revoke(terminate=True, signal='SIGKILL')\n"
      "[outcome(each) for each in both]");
  for (const json::value& each : ended.as_array()) {
    EXPECT_EQ(each.at("raised"), "celery.exceptions.TaskRevokedError") << ended;
    EXPECT_EQ(each.at("args"), json::parse(R"(["terminated"])")) << ended;
  }
  EXPECT_EQ(cluster->ask("cpp('add', 1, 2).delay().get(timeout=PATIENCE)"), 3);
}

TEST_F(Prefork, TheStatsOfThePoolAreAlike) {
  const json::value stats = told("stats");
  json::value ours = stats.at("cpp1@umbel").at("pool");
  json::value theirs = stats.at("py1@celery").at("pool");
  EXPECT_EQ(ours.at("processes").as_array().size(), 2U) << ours;
  for (const auto& [key, value] : theirs.as_object()) {
    const auto* found = ours.as_object().if_contains(key);
    ASSERT_NE(found, nullptr) << key << ": " << ours;
    EXPECT_EQ(shape(*found), shape(value)) << key << ": " << ours << theirs;
  }
}

// Workers of their own, which Python's commands make larger and smaller: their processes follow.
TEST_F(Prefork, PythonChangesThePoolOfProcesses) {
  cluster->umbel_worker(
      "cpp2", {"--pool=prefork", "--concurrency=1", "--pool-restarts", "--queues=second"});
  cluster->umbel_worker(
      "cpp4", {"--pool=prefork", "--concurrency=1", "--autoscale=4,1", "--queues=fourth"});
  const auto processes = [](const std::string& name) {
    const std::string node = name + "@umbel";
    const json::value stats = cluster->ask(fmt::format("told('stats', {{}}, ['{}'])", node));
    std::set<std::int64_t> pids;
    for (const json::value& pid : stats.at(node).at("pool").at("processes").as_array()) {
      pids.insert(pid.as_int64());
    }
    return pids;
  };
  const auto says = [](const std::string& line) {
    const json::value ended = cluster->ask(fmt::format("shell('{}@umbel')", line));
    EXPECT_EQ(ended.at("status"), 0) << ended;
    return std::string{ended.at("output").as_string()};
  };
  const auto become = [&](const std::string& name, std::size_t count) {
    return eventually([&] { return processes(name).size() == count; }, seconds{20});
  };
  ASSERT_TRUE(become("cpp2", 1));
  EXPECT_THAT(says("control pool_grow 2 -d cpp2"), HasSubstr("pool will grow"));
  EXPECT_TRUE(become("cpp2", 3));
  EXPECT_THAT(says("control pool_shrink 1 -d cpp2"), HasSubstr("pool will shrink"));
  EXPECT_TRUE(become("cpp2", 2));
  const auto before = processes("cpp2");
  EXPECT_THAT(says("control pool_restart -d cpp2"), HasSubstr("reload started"));
  EXPECT_TRUE(eventually(
      [&] {
        const auto now = processes("cpp2");
        return now.size() == 2 &&
               std::ranges::none_of(now, [&](auto pid) { return before.contains(pid); });
      },
      seconds{20}));
  EXPECT_EQ(cluster->ask("cpp('add', 1, 2, queue='second').delay().get(timeout=PATIENCE)"), 3);

  EXPECT_THAT(says("control autoscale 3 3 -d cpp4"), HasSubstr("autoscale now max=3 min=3"));
  EXPECT_TRUE(become("cpp4", 3));
  // In Celery's words.
  EXPECT_THAT(says("control pool_grow 1 -d cpp4"), HasSubstr("not supported with autoscale"));
}

// A rate of one an hour: the first starts, the second is held back until Python lifts the limit.
TEST_F(Prefork, RateLimitsHoldTasksBack) {
  const json::value ended = cluster->ask(
      "told('rate_limit', {'task_name': 'echo', 'rate_limit': '1/h'}, ['cpp1@umbel'])\n"
      "two = [cpp('echo', i).delay() for i in (1, 2)]\n"
      "def waits():\n"
      "    held = told('reserved', {}, ['cpp1@umbel'])['cpp1@umbel']\n"
      "    return [each['name'] for each in held] == ['echo']\n"
      "eventually(lambda: waits() and sum(each.ready() for each in two) == 1)\n"
      "told('rate_limit', {'task_name': 'echo', 'rate_limit': '0'}, ['cpp1@umbel'])\n"
      "[outcome(each) for each in two]");
  EXPECT_EQ(ended, json::parse(R"([{"value": 1}, {"value": 2}])"));
}

TEST_F(Prefork, ProcessesAreReplacedAfterTheirTasks) {
  for (const char* bound : {"--max-tasks-per-child=1", "--max-memory-per-child=1"}) {
    cluster->umbel_worker("cpp3", {"--pool=prefork", "--concurrency=1", bound, "--queues=third"});
    const auto pids = cluster->ask(
        "def pid():\n"
        "    found = told('stats', {}, ['cpp3@umbel'])['cpp3@umbel']['pool']['processes']\n"
        "    return found[0] if len(found) == 1 else None\n"
        "seen = []\n"
        "for _ in range(3):\n"
        "    seen.append(eventually(lambda: pid() not in [None, *seen] and pid()))\n"
        "    cpp('add', 1, 2, queue='third').delay().get(timeout=PATIENCE)\n"
        "app.control.shutdown(destination=['cpp3@umbel'])\n"
        "eventually(lambda: not told('ping', {}, ['cpp3@umbel'], timeout=1))\n"
        "seen");
    EXPECT_EQ(pids.as_array().size(), 3U) << bound << pids;
  }
}

}  // namespace
}  // namespace umbel::interop
