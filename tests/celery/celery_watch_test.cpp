// Each side sees the other: Celery's monitors see our worker, our collector sees Celery's workers
// and tells the truth about their tasks, and the workers see each other.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "cluster.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::interop {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;
using umbel::testing::eventually;

Servers servers;

class Watch : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    cluster = std::make_unique<Cluster>(servers);
    cluster->umbel_collector();
    cluster->umbel_worker();
    celery = &cluster->celery_worker({.pool = "prefork"});
    since = steady_clock::now();
  }
  static void TearDownTestSuite() { cluster.reset(); }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster->logs();
  }

  static std::unique_ptr<Cluster> cluster;
  static Process* celery;
  static steady_clock::time_point since;
};

std::unique_ptr<Cluster> Watch::cluster;
Process* Watch::celery = nullptr;
steady_clock::time_point Watch::since;

TEST_F(Watch, CelerysDumpShowsOurEvents) {
  const auto dump = cluster->celery().launch({"events", "--dump"});
  ASSERT_TRUE(dump->says("cpp1@umbel", seconds{20})) << dump->end_of_log();
  const json::value id = cluster->ask("cpp('add', 1, 2).delay().id");
  const std::string ended = fmt::format("task succeeded: add({})", std::string{id.as_string()});
  EXPECT_TRUE(eventually([&] { return dump->log().find(ended) != std::string::npos; }, seconds{20}))
      << dump->end_of_log();
  EXPECT_THAT(dump->log(), HasSubstr("task received: add"));
  EXPECT_THAT(dump->log(), HasSubstr("task started: add"));
}

TEST_F(Watch, CelerysStateTakesOurEvents) {
  const json::value seen = cluster->ask(
      "seen = Watching()\n"
      "ids = {'good': cpp('add', 1, 2), 'bad': cpp('fail', 'boom'), 'nosuch': cpp('no.such')}\n"
      "ids = {kind: sig.delay().id for kind, sig in ids.items()}\n"
      "seen.until(lambda state: all(state.tasks.get(id) and state.tasks[id].ready "
      "for id in ids.values()) and 'cpp1@umbel' in state.workers and "
      "state.workers['cpp1@umbel'].processed >= 2)\n"
      "{'tasks': {kind: seen.task(id) for kind, id in ids.items()}, "
      "'worker': seen.worker('cpp1@umbel')}");
  const json::value& good = seen.at("tasks").at("good");
  EXPECT_EQ(good.at("state"), "SUCCESS") << good;
  EXPECT_EQ(good.at("name"), "add") << good;
  EXPECT_EQ(good.at("args"), "(1, 2)") << good;
  EXPECT_EQ(good.at("kwargs"), "{}") << good;
  EXPECT_EQ(good.at("result"), "3") << good;
  EXPECT_EQ(good.at("worker"), "cpp1@umbel") << good;
  EXPECT_GT(good.at("runtime").to_number<double>(), 0);
  const json::value& bad = seen.at("tasks").at("bad");
  EXPECT_EQ(bad.at("state"), "FAILURE") << bad;
  EXPECT_EQ(bad.at("exception"), "RuntimeError('boom')") << bad;
  EXPECT_EQ(seen.at("tasks").at("nosuch").at("state"), "FAILURE");
  EXPECT_EQ(seen.at("tasks").at("nosuch").at("exception"), "NotRegistered('no.such')");
  const json::value& worker = seen.at("worker");
  EXPECT_EQ(worker.at("alive"), true) << worker;
  EXPECT_GT(worker.at("freq").to_number<double>(), 0) << worker;
  EXPECT_GT(worker.at("pid").to_number<double>(), 0) << worker;
  EXPECT_GE(worker.at("processed").to_number<double>(), 2) << worker;
  EXPECT_EQ(worker.at("loadavg").as_array().size(), 3U) << worker;
  EXPECT_EQ(worker.at("sw_ident"), "umbel") << worker;
}

// Celery's prefork workers send their task events as lists.
TEST_F(Watch, TheCollectorTellsOfCelerysTasks) {
  const json::value ids = cluster->ask("[py('py.add', i, i).delay().id for i in range(50)]");
  for (const json::value& each : ids.as_array()) {
    const json::value task = cluster->task_in_state(std::string{each.as_string()}, "SUCCESS");
    ASSERT_TRUE(task.is_object()) << each;
    ASSERT_EQ(task.at("state"), "SUCCESS") << task;
    EXPECT_EQ(task.at("worker"), "py1@celery");
    EXPECT_EQ(task.at("name"), "py.add");
  }
  const json::value ignored = cluster->ask("py('py.ignored').delay().id");
  const auto begun = [](const json::value& task) { return task.at("state") != "PENDING"; };
  EXPECT_TRUE(cluster->task_once(std::string{ignored.as_string()}, begun).is_object());
  const json::value rejected = cluster->ask("py('py.rejected').delay().id");
  const json::value told =
      cluster->task_once(std::string{rejected.as_string()},
                         [](const json::value& task) { return !task.at("rejected").is_null(); });
  ASSERT_TRUE(told.is_object());
  EXPECT_FALSE(told.at("rejected").is_null()) << told;
}

TEST_F(Watch, TheCollectorKnowsCelerysWorkers) {
  json::value workers;
  EXPECT_TRUE(eventually([&] {
    workers = cluster->get("/api/workers?refresh=1");
    return workers.as_object().contains("py1@celery") &&
           workers.at("py1@celery").as_object().contains("stats") &&
           workers.at("py1@celery").as_object().contains("registered");
  })) << workers;
  EXPECT_TRUE(workers.as_object().contains("cpp1@umbel")) << workers;
  EXPECT_THAT(json::serialize(workers.at("py1@celery").at("registered")), HasSubstr("py.add"));
  EXPECT_THAT(json::serialize(workers.at("py1@celery").at("active_queues")), HasSubstr("celery"));
}

TEST_F(Watch, AKilledCeleryWorkersTaskIsLostAndEndsElsewhere) {
  auto second = cluster->celery().worker({.name = "py2", .pool = "prefork", .queues = "late"});
  const std::string id{
      cluster->ask("py('py.mark', 'late', 3, queue='late').delay().id").as_string()};
  const auto began = [&] { return cluster->marks("late").size() == 1; };
  ASSERT_TRUE(eventually(began)) << second->end_of_log();
  json::value task = cluster->task_in_state(id, "STARTED");
  ASSERT_TRUE(task.is_object());
  EXPECT_EQ(task.at("state"), "STARTED") << task;
  EXPECT_EQ(task.at("worker"), "py2@celery") << task;
  second->kill();
  const auto status = [&](const char* name) {
    const json::value overview = cluster->get("/api/overview");
    for (const json::value& worker : overview.at("workers").as_array()) {
      if (worker.at("name") == name) return std::string{worker.at("status").as_string()};
    }
    return std::string{"unknown"};
  };
  EXPECT_TRUE(eventually([&] { return status("py2@celery") == "lost"; }, seconds{30}))
      << status("py2@celery");
  const auto third = cluster->celery().worker({.name = "py3", .pool = "prefork", .queues = "late"});
  task = cluster->task_in_state(id, "SUCCESS", seconds{30});
  EXPECT_EQ(task.at("state"), "SUCCESS") << task << third->end_of_log();
  EXPECT_EQ(task.at("worker"), "py3@celery") << task;
  const json::value detail = cluster->get("/api/task/detail/" + id);
  const auto& attempts = detail.at("attempts").as_array();
  ASSERT_EQ(attempts.size(), 2U) << detail.at("attempts");
  EXPECT_EQ(attempts.at(0).at("worker"), "py2@celery");
  EXPECT_EQ(attempts.at(0).at("outcome"), "lost");
  EXPECT_EQ(attempts.at(1).at("worker"), "py3@celery");
  EXPECT_EQ(attempts.at(1).at("outcome"), "succeeded");
  EXPECT_EQ(cluster->marks("late").size(), 3U);
}

// A Celery worker that came up beside ours has synchronised with it, and hears its heartbeats.
TEST_F(Watch, CelerysWorkersAndOursSeeEachOther) {
  EXPECT_THAT(celery->log(), HasSubstr("mingle: sync with 1 nodes"));
  EXPECT_THAT(celery->log(), HasSubstr("mingle: sync complete"));
  // A standstill of this length is what gossip would take for a death: it looks every 5 s.
  std::ignore = eventually([] { return steady_clock::now() - since > seconds{12}; }, seconds{20});
  EXPECT_TRUE(celery->running());
  const std::string log = celery->log();
  EXPECT_THAT(log, Not(HasSubstr("missed heartbeat from cpp1@umbel")));
  EXPECT_THAT(log, Not(HasSubstr("ERROR/MainProcess")));
  EXPECT_THAT(log, Not(HasSubstr("CRITICAL")));
  // And the other way: one of ours that comes later mingles with both.
  cluster->umbel_worker("cpp2");
  EXPECT_TRUE(eventually(
      [] { return celery->log().find("sync with cpp2@umbel") != std::string::npos; }, seconds{20}));
}

}  // namespace
}  // namespace umbel::interop
