// Our pool of processes beside Celery's: hard limits, terminations and lost processes end as Python
// expects them, and for that task alone.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <memory>

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

}  // namespace
}  // namespace umbel::interop
