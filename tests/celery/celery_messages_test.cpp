// Messages as they are on the wire, byte by byte: of older and newer Celery than the one that is
// installed, and those that no worker should take.
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using umbel::testing::eventually;

Servers servers;

json::value exactly(const std::string& text) { return json::parse(text); }

class Messages : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    cluster = std::make_unique<Cluster>(servers);
    cluster->umbel_collector();
    cluster->umbel_worker();
  }
  static void TearDownTestSuite() { cluster.reset(); }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster->logs();
  }

  // Nothing waits in the worker's queue or is held by it.
  static bool all_answered() {
    for (const auto& queue : servers.rabbit().queues(cluster->vhost())) {
      if (queue.name == "umbel") return queue.ready + queue.unacked == 0;
    }
    return false;
  }
  // The worker took what came before, and still works.
  static void expect_well() {
    EXPECT_EQ(cluster->ask("cpp('add', 1, 2).delay().get(timeout=PATIENCE)"), 3);
    EXPECT_TRUE(eventually(all_answered, seconds{20}));
  }

  static std::unique_ptr<Cluster> cluster;
};

std::unique_ptr<Cluster> Messages::cluster;

// Celery 5.5.3 and kombu 5.5.4, captured: typed values in the body, and the headers that 5.2 does
// not have.
TEST_F(Messages, OfCelery55WithTypedValuesAndStamps) {
  constexpr const char* kHeaders = R"json({
      "lang": "py", "task": "echo", "id": "89eb56dd-9748-441d-a924-607a52f72fe2", "shadow": null,
      "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0,
      "timelimit": [null, null], "root_id": "89eb56dd-9748-441d-a924-607a52f72fe2",
      "parent_id": null, "argsrepr": "({'at': datetime.datetime(2030, 1, 2)},)",
      "kwargsrepr": "{}", "origin": "gen26150@vm", "ignore_result": false,
      "replaced_task_nesting": 0, "stamped_headers": ["mon"], "stamps": {"mon": "m1"}})json";
  constexpr const char* kBody =
      R"([[{"at": {"__type__": "datetime", "__value__": "2030-01-02T03:04:05.678901+00:00"}, )"
      R"("day": {"__type__": "date", "__value__": "2030-01-02"}, )"
      R"("time": {"__type__": "time", "__value__": "03:04:05"}, )"
      R"("id": {"__type__": "uuid", "__value__": {"hex": "89eb56dd9748441da924607a52f72fe2"}}, )"
      R"("price": {"__type__": "decimal", "__value__": "1.10"}, )"
      R"("raw": {"__type__": "bytes", "__value__": "raw"}, )"
      R"("own": {"__type__": "own", "__value__": 1}}], {}, )"
      R"({"callbacks": null, "errbacks": null, "chain": null, "chord": null}])";
  const json::value answer = cluster->ask(
      fmt::format("publish('umbel', r'''{}''', json.loads(r'''{}'''), "
                  "correlation_id='89eb56dd-9748-441d-a924-607a52f72fe2', "
                  "reply_to='26237f38-b669-3569-be01-e0a297f71863', delivery_mode=2, priority=0)\n"
                  "AsyncResult('89eb56dd-9748-441d-a924-607a52f72fe2').get(timeout=PATIENCE)",
                  kBody, kHeaders));
  EXPECT_EQ(answer.at("at"), "2030-01-02T03:04:05.678901+00:00") << answer;
  EXPECT_EQ(answer.at("day"), "2030-01-02") << answer;
  EXPECT_EQ(answer.at("time"), "03:04:05");
  EXPECT_EQ(answer.at("price"), "1.10");
  EXPECT_EQ(answer.at("raw"), "raw");
  EXPECT_EQ(answer.at("own"), exactly(R"({"__type__": "own", "__value__": 1})")) << answer;
  EXPECT_THAT(json::serialize(answer.at("id")), HasSubstr("89eb56dd"));
}

// A chain of 5.5 whose parts carry stamps: what follows carries them too.
TEST_F(Messages, StampsGoOnWithTheChain) {
  constexpr const char* kBody =
      R"([[1, 2], {}, {"callbacks": null, "errbacks": null, "chord": null, "chain": [
          {"task": "py.told", "args": [], "kwargs": {}, "options": {"task_id": "st-2",
           "reply_to": "c81f", "queue": "told", "stamped_headers": ["mon"], "mon": "m1"},
           "subtask_type": null, "immutable": false}]}])";
  cluster->ask(fmt::format(
      "with app.connection_or_acquire() as c: Queue('told', Exchange('told'), 'told', "
      "channel=c.default_channel).declare()\n"
      "publish('umbel', r'''{}''', {{'task': 'add', 'id': 'st-1', 'stamped_headers': ['mon'], "
      "'stamps': {{'mon': 'm1'}}, 'root_id': 'st-1', 'parent_id': None}}, correlation_id='st-1')\n"
      "AsyncResult('st-1').get(timeout=PATIENCE)",
      kBody));
  const json::value sent = cluster->ask("fetch('told')");
  EXPECT_EQ(sent.at("headers").at("id"), "st-2") << sent;
  EXPECT_EQ(sent.at("headers").at("parent_id"), "st-1") << sent;
  EXPECT_EQ(sent.at("headers").at("root_id"), "st-1") << sent;
  EXPECT_EQ(sent.at("headers").at("stamps"), exactly(R"({"mon": "m1"})")) << sent;
  EXPECT_EQ(sent.at("headers").at("stamped_headers"), exactly(R"(["mon"])")) << sent;
  EXPECT_EQ(sent.at("properties").at("reply_to"), "c81f") << sent;
  EXPECT_EQ(sent.at("body").at(0), exactly("[3]")) << sent;
}

TEST_F(Messages, OfTheFirstProtocol) {
  const json::value answer = cluster->ask(
      "app.conf.task_protocol = 1\n"
      "sent = cpp('add', 1, 2).apply_async(countdown=0.1)\n"
      "app.conf.task_protocol = 2\n"
      "linked = str(uuid.uuid4())\n"
      "publish('umbel', json.dumps({'task': 'add', 'id': linked, 'args': [1], 'kwargs': {'y': 4}, "
      "'utc': True, 'retries': 0, 'eta': None, 'expires': None, 'timelimit': [None, None], "
      "'errbacks': None, 'taskset': None, 'chord': None, 'callbacks': [{'task': 'touch', "
      "'args': ['first', 'linked'], 'kwargs': {}, 'options': {'queue': 'umbel'}, "
      "'subtask_type': None, 'immutable': True}]}), {}, correlation_id=linked)\n"
      "sent.get(timeout=PATIENCE), AsyncResult(linked).get(timeout=PATIENCE)");
  EXPECT_EQ(answer, exactly("[3, 5]"));
  EXPECT_TRUE(eventually([&] { return cluster->marks("first").size() == 1; }));
}

TEST_F(Messages, CompressedByZlib) {
  EXPECT_EQ(cluster->ask("cpp('add', 1, 2).apply_async(compression='zlib').get(timeout=PATIENCE)"),
            3);
}

// Each of these would make a Python worker end, and the next one after it (the reference's table of
// poison).
TEST_F(Messages, ThatEndAPythonWorkerAreRefusedAndNothingElse) {
  cluster->ask(
      "good = json.dumps([[1, 2], {}, {}])\n"
      "publish('umbel', json.dumps([[1, 2], {}]), {'task': 'add', 'id': 'two'})\n"
      "publish('umbel', good, {'task': 'add'})\n"
      "publish('umbel', good, {'task': 'add', 'id': 'no-type'}, content_type=None)\n"
      "publish('umbel', good, {'task': 'add', 'id': 'limits', 'timelimit': [3]})\n"
      "publish('umbel', 'no json', {'task': 'add', 'id': 'no-json'})\n"
      "publish('umbel', good, {'task': 'add', 'id': 7})\n"
      "publish('umbel', json.dumps([[1, 2], [], {}]), {'task': 'add', 'id': 'kwargs'})\n"
      "publish('umbel', good, {'task': 'add', 'id': 'eta', 'eta': 'tomorrow'})\n"
      "publish('umbel', good, {})\n"
      "publish('umbel', b'\\xff\\xfe', {})\n"
      "publish('umbel', '', {'task': 'add', 'id': 'empty'})\n");
  expect_well();
  EXPECT_EQ(cluster->ask("publish('umbel', good, {'task': 'add', 'id': 'least'})\n"
                         "AsyncResult('least').get(timeout=PATIENCE)"),
            3);
  EXPECT_EQ(cluster->ask("publish('umbel', good, {'task': 'add', 'id': 'nulls', 'timelimit': None, "
                         "'retries': None}, content_encoding=None)\n"
                         "AsyncResult('nulls').get(timeout=PATIENCE)"),
            3);
  for (const char* id : {"two", "limits", "no-json", "kwargs", "eta", "empty"}) {
    const json::value told = cluster->task_in_state(id, "FAILURE");
    ASSERT_TRUE(told.is_object()) << id;
    EXPECT_EQ(told.at("state"), "FAILURE") << id << told;
    EXPECT_THAT(std::string{told.at("exception").as_string()}, HasSubstr("InvalidTaskError")) << id;
  }
}

TEST_F(Messages, InPickleOrYamlAreRefusedWithAnEvent) {
  cluster->ask(
      "import pickle\n"
      "class Bomb:\n"
      "    def __reduce__(self): return (print, ('never',))\n"
      "publish('umbel', pickle.dumps([[Bomb(), 2], {}, {}], protocol=2), "
      "{'task': 'add', 'id': 'pickled'}, content_type='application/x-python-serialize', "
      "content_encoding='binary')\n"
      "publish('umbel', '[[1, 2], {}, {}]', {'task': 'add', 'id': 'yaml'}, "
      "content_type='application/x-yaml')\n"
      "publish('umbel', '[[1, 2], {}, {}]', {'task': 'add', 'id': 'data'}, "
      "content_type='application/data')\n"
      "publish('umbel', b'\\x1f\\x8b\\x08', {'task': 'add', 'id': 'bzip', "
      "'compression': 'application/x-bz2'})\n");
  expect_well();
  for (const auto& [id, named] :
       {std::pair{"pickled", "application/x-python-serialize"},
        std::pair{"yaml", "application/x-yaml"}, std::pair{"data", "application/data"},
        std::pair{"bzip", "application/x-bz2"}}) {
    const json::value told = cluster->task_in_state(id, "FAILURE");
    ASSERT_TRUE(told.is_object()) << id;
    EXPECT_EQ(told.at("state"), "FAILURE") << id << told;
    EXPECT_THAT(std::string{told.at("exception").as_string()}, HasSubstr(named)) << id;
  }
}

}  // namespace
}  // namespace umbel::interop
