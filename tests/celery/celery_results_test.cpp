// Results for Python callers while Redis, or the worker that has them, is killed: whole programs on
// RabbitMQ.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cluster.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::interop {
namespace {

using std::chrono::seconds;
using ::testing::Each;
using ::testing::Eq;
using ::testing::SizeIs;
using umbel::testing::eventually;

Servers servers;

// A cluster for each case, because they break it.
class Results : public ::testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
    if (!servers.redis().running()) servers.redis().start();
  }

  // Ten tasks of a producer that does without Redis: its callers look there later.
  std::vector<std::string> sent(const std::string& name, const std::string& arguments) {
    const auto all =
        cluster.ask(fmt::format("import celery\n"
                                "plain = celery.Celery(broker=app.conf.broker_url)\n"
                                "[plain.send_task('{}', {}, queue='umbel').id for i in range(10)]",
                                name, arguments));
    std::vector<std::string> ids;
    for (const json::value& id : all.as_array()) ids.emplace_back(id.as_string());
    return ids;
  }
  bool all_in_state(const std::vector<std::string>& ids, const std::string& state) {
    for (const auto& id : ids) {
      if (cluster.task_in_state(id, state, seconds{30}).is_null()) return false;
    }
    return true;
  }
  json::value outcome(const std::string& id) {
    return cluster.ask("outcome(AsyncResult('" + id + "', app=app), 30)");
  }

  Cluster cluster{servers};
};

TEST_F(Results, ArriveAfterRedisWasOut) {
  cluster.umbel_collector();
  cluster.umbel_worker("cpp1", {"--result-patience=0"});
  servers.redis().kill();
  const auto ids = sent("add", "[i, 1]");
  // The store and the monitor do without it, and so does the worker: with a prefetch of eight it
  // has let go of some.
  EXPECT_TRUE(all_in_state(ids, "SUCCESS"));
  servers.redis().start();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto ended = outcome(ids[i]);
    ASSERT_TRUE(ended.as_object().contains("value")) << ended;
    EXPECT_EQ(ended.at("value"), i + 1);
  }
}

// The worker dies with what it could not tell: the next one tells it, and runs nothing again.
TEST_F(Results, ArriveAfterTheWorkerThatHadThemWasKilled) {
  cluster.umbel_collector();
  Process& worker = cluster.umbel_worker("cpp1", {"--concurrency=10", "--result-patience=600"});
  servers.redis().kill();
  const auto ids = sent("touch", "['ran', str(i)]");
  EXPECT_TRUE(all_in_state(ids, "SUCCESS"));
  worker.kill();
  servers.redis().start();
  cluster.umbel_worker("cpp2");
  for (const auto& id : ids) {
    const auto ended = outcome(id);
    EXPECT_TRUE(ended.as_object().contains("value")) << ended;
  }
  EXPECT_THAT(cluster.marks("ran"), SizeIs(10));
}

// Parts run in two workers, one of which is killed again and again. The body is left in its queue,
// to see what was sent: one task, whoever sent it how often.
TEST_F(Results, AChordSurvivesItsWorkers) {
  cluster.umbel_worker("cpp1", {"--concurrency=4"});
  Process& victim = cluster.umbel_worker("cpp2", {"--concurrency=4"});
  const auto body = cluster.ask(
      "body = chord([cpp('delayed_add', i, 0, 0.05) for i in range(120)], "
      "py('py.total', queue='parked')).delay().id\nbody");
  // Killed where its connection, its parts and its claim on the body may all be under way.
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually(
        [&] {
          return cluster
                     .ask(
                         "app.backend.client.zcard('celery-taskset-meta-' + "
                         "(app.backend.client.keys('celery-taskset-meta-*.j') or "
                         "[b'.j'])[0].decode()[len('celery-taskset-meta-'):])")
                     .as_int64() > 30 * i;
        },
        seconds{20}));
    victim.kill();
    victim.start();
  }
  const auto taken = [&] {
    return cluster.ask(
        "import json\n"
        "with app.connection_for_read() as connection:\n"
        "    channel = connection.default_channel\n"
        "    channel.queue_declare('parked', durable=True, auto_delete=False)\n"
        "    got = []\n"
        "    while (message := channel.basic_get('parked', no_ack=True)) is not None:\n"
        "        got.append([message.headers['id'], sum(json.loads(message.body)[0][0])])\n"
        "got");
  };
  json::array sent_bodies;
  EXPECT_TRUE(eventually(
      [&] {
        const auto more = taken();
        for (const json::value& one : more.as_array()) sent_bodies.push_back(one);
        return !sent_bodies.empty();
      },
      seconds{30}));
  EXPECT_THAT(sent_bodies, Each(Eq(json::value(json::array{body, 7140}))));
}

}  // namespace
}  // namespace umbel::interop
