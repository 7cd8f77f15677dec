// The collector beside a real Celery cluster: what it does to workers over Flower's paths, what it
// knows of them, and what it puts right after it was away or a worker died.
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
using ::testing::HasSubstr;
using umbel::testing::eventually;

Servers servers;

constexpr const char* kNode = "py1@celery";

class Watching : public ::testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  // The words of the answer, whatever its status.
  std::string post(const std::string& path) {
    try {
      return std::string{cluster.post(path, json::object{}).at("message").as_string()};
    } catch (const std::runtime_error& refused) {
      return refused.what();
    }
  }
  json::value worker(const char* node = kNode) {
    try {
      return cluster.get(fmt::format("/api/worker/{}?refresh=1", node));
    } catch (const std::runtime_error&) {
      return nullptr;  // not yet
    }
  }
  bool was_asked(const char* node = kNode) {
    return eventually(
        [&] {
          const json::value known = worker(node);
          return known.is_object() && known.at("told").is_object() &&
                 known.at("told").as_object().contains("stats");
        },
        seconds{20});
  }
  std::int64_t slots() { return worker().at("worker").at("slots").to_number<std::int64_t>(); }
  std::string delay(const std::string& signature) {
    return std::string{cluster.ask(signature + ".delay().id").as_string()};
  }
  json::value row(const std::string& id) {
    try {
      return cluster.get("/api/task/detail/" + id).at("task");
    } catch (const std::runtime_error&) {
      return json::object{{"state", ""}, {"unknown_since", nullptr}};
    }
  }

  Cluster cluster{servers};
};

TEST_F(Watching, FlowersControlPathsDoToACeleryWorkerWhatTheySay) {
  cluster.umbel_collector();
  cluster.celery_worker();
  ASSERT_TRUE(was_asked());
  const json::value known = worker();
  EXPECT_EQ(known.at("worker").at("pool"), "prefork") << known;
  EXPECT_EQ(known.at("worker").at("slots"), 2);
  EXPECT_THAT(json::serialize(known.at("worker").at("registered")), HasSubstr("py.add"));

  EXPECT_EQ(post("/api/worker/pool/grow/py1@celery?n=2"),
            "Growing 'py1@celery' worker's pool by 2");
  EXPECT_TRUE(eventually([&] { return slots() == 4; })) << slots();
  EXPECT_EQ(post("/api/worker/pool/shrink/py1@celery?n=1"),
            "Shrinking 'py1@celery' worker's pool by 1");
  EXPECT_TRUE(eventually([&] { return slots() == 3; })) << slots();
  EXPECT_THAT(post("/api/worker/pool/shrink/py1@celery?n=50"), HasSubstr("one has to stay"));

  EXPECT_EQ(post("/api/worker/queue/add-consumer/py1@celery?queue=extra"), "add consumer extra");
  cluster.ask("py('py.add', 1, 2, queue='extra').delay().get(timeout=20)");
  EXPECT_THAT(json::serialize(worker().at("worker").at("queues")), HasSubstr("extra"));
  EXPECT_EQ(post("/api/worker/queue/cancel-consumer/py1@celery?queue=extra"),
            "no longer consuming from extra");

  EXPECT_EQ(post("/api/task/rate-limit/py.add?workername=py1@celery&ratelimit=600/m"),
            "new rate limit set successfully");
  EXPECT_THAT(json::serialize(worker().at("worker").at("registered")),
              HasSubstr("py.add [rate_limit=600/m]"));
  EXPECT_THAT(post("/api/task/rate-limit/no.such?workername=py1@celery&ratelimit=1"),
              HasSubstr("Failed to set rate limit: unknown task"));
  EXPECT_EQ(post("/api/task/timeout/py.add?workername=py1@celery&hard=30&soft=20"),
            "time limits set successfully");
  EXPECT_THAT(post("/api/worker/pool/autoscale/py1@celery?min=1&max=3"),
              HasSubstr("Failed to autoscale 'py1@celery' worker: "
                        "ValueError('Autoscale not enabled')"));
  EXPECT_THAT(post("/api/worker/pool/restart/py1@celery"),
              HasSubstr("ValueError('Pool restarts not enabled')"));
  EXPECT_THAT(post("/api/worker/pool/grow/nobody@celery"), HasSubstr("Unknown worker"));
}

TEST_F(Watching, ATaskOfCelerysIsRevokedAndARunningOneKilled) {
  cluster.umbel_collector();
  Process& celery = cluster.celery_worker();
  ASSERT_TRUE(was_asked());
  const std::string later{
      cluster.ask("py('py.add', 1, 2).apply_async(countdown=3600).id").as_string()};
  const std::string runs = delay("py('py.sleep', 600)");
  ASSERT_EQ(cluster.task_in_state(later, "RECEIVED").at("state"), "RECEIVED");
  ASSERT_EQ(cluster.task_in_state(runs, "STARTED").at("state"), "STARTED");

  EXPECT_EQ(post("/api/task/revoke/" + later), "Revoked '" + later + "'");
  EXPECT_THAT(json::serialize(worker().at("told").at("revoked")), HasSubstr(later));
  EXPECT_THAT(post("/api/task/revoke/" + runs), HasSubstr("409"));
  EXPECT_TRUE(
      cluster.get("/api/task/detail/" + runs).at("can").at("terminate").at("allowed").as_bool());
  EXPECT_EQ(post("/api/task/revoke/" + runs + "?terminate=true"), "Revoked '" + runs + "'");
  EXPECT_EQ(cluster.task_in_state(runs, "REVOKED").at("state"), "REVOKED") << celery.end_of_log();
}

// RabbitMQ gives again what was not acknowledged, and kept what came meanwhile.
TEST_F(Watching, ACollectorThatWasKilledCountsNothingTwiceAndMissesNothing) {
  Process& first = cluster.umbel_collector();
  cluster.celery_worker({.concurrency = 1});
  ASSERT_TRUE(was_asked());
  const auto totals = [&] { return cluster.get("/api/overview").at("totals"); };
  cluster.ask("[py('py.add', i, i).delay().id for i in range(200)][-1]");
  ASSERT_TRUE(
      eventually([&] { return totals().at("succeeded").to_number<int>() >= 50; }, seconds{20}));
  first.kill();
  const std::string last = delay("py('py.add', 7, 7)");
  cluster.ask(fmt::format("app.AsyncResult('{}').get(timeout=60)", last));
  cluster.umbel_collector();
  EXPECT_EQ(cluster.task_in_state(last, "SUCCESS", seconds{30}).at("state"), "SUCCESS");
  EXPECT_TRUE(
      eventually([&] { return totals().at("succeeded").to_number<int>() >= 201; }, seconds{20}));
  EXPECT_EQ(totals().at("succeeded"), 201) << totals();
  EXPECT_EQ(totals().at("received"), 201) << totals();
  EXPECT_EQ(totals().at("unknown"), 0) << totals();
  // Nor does the worker's own count say that something was missed.
  const auto of_worker = [&](const char* key) { return worker().at("worker").at(key); };
  EXPECT_TRUE(eventually([&] { return of_worker("processed") == 201; }, seconds{20}));
  EXPECT_EQ(of_worker("untold"), 0);
}

TEST_F(Watching, WhatAKilledWorkerHadStartedIsUnknownAndNotRunning) {
  Process& collector = cluster.umbel_collector();
  Process& celery = cluster.celery_worker({.concurrency = 2});
  ASSERT_TRUE(was_asked());
  const std::string lost = delay("py('py.sleep', 600)");
  ASSERT_EQ(cluster.task_in_state(lost, "STARTED").at("state"), "STARTED");
  celery.kill();
  ASSERT_TRUE(eventually([&] { return row(lost).at("unknown_since").is_double(); }, seconds{40}))
      << row(lost);
  EXPECT_EQ(row(lost).at("state"), "STARTED");
  EXPECT_EQ(cluster.get("/api/overview").at("totals").at("running"), 0);
  EXPECT_EQ(cluster.get("/api/overview").at("totals").at("unknown"), 1);
  EXPECT_TRUE(collector.running());
}

TEST_F(Watching, AWorkerWhoseEventsAreOffIsAskedToTell) {
  cluster.umbel_collector();
  cluster.celery_worker({.task_events = false});
  ASSERT_TRUE(was_asked());
  json::value told;
  EXPECT_TRUE(eventually(
      [&] {
        const std::string id = delay("py('py.add', 1, 1)");
        told = cluster.task_in_state(id, "SUCCESS", seconds{3});
        return told.is_object() && told.at("state") == "SUCCESS";
      },
      seconds{60}))
      << told;
}

TEST_F(Watching, WhatAmqpDoesNotTellOfAQueueIsNotKnown) {
  cluster.umbel_collector();
  cluster.celery_worker();
  ASSERT_TRUE(was_asked());
  EXPECT_EQ(post("/api/worker/queue/add-consumer/py1@celery?queue=heap"), "add consumer heap");
  // It answers before it does so, both times.
  const auto takes = [&] {
    return json::serialize(worker().at("worker").at("queues")).find("heap") != std::string::npos;
  };
  ASSERT_TRUE(eventually(takes, seconds{20}));
  EXPECT_EQ(post("/api/worker/queue/cancel-consumer/py1@celery?queue=heap"),
            "no longer consuming from heap");
  ASSERT_TRUE(eventually([&] { return !takes(); }, seconds{20}));
  cluster.ask("[py('py.add', i, i, queue='heap').delay().id for i in range(5)][-1]");
  json::value queue;
  const auto known = [&] {
    const json::value overview = cluster.get("/api/overview");
    for (const json::value& each : overview.at("queues").as_array()) {
      if (each.at("name") == "heap") queue = each;
    }
    return queue.is_object() && queue.at("ready") == 5;
  };
  ASSERT_TRUE(eventually(known, seconds{20})) << queue;
  for (const char* figure : {"delayed", "unacked", "in_rate", "out_rate", "drain_seconds"})
    EXPECT_TRUE(queue.at(figure).is_null()) << figure << ": " << queue;
  EXPECT_EQ(cluster.post("/api/queues/purge", {{"queue", "heap"}}).at("purged"), 5);
  EXPECT_TRUE(eventually([&] { return !known() && queue.at("ready") == 0; }, seconds{20})) << queue;
}

}  // namespace
}  // namespace umbel::interop
