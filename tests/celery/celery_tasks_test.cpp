// Tasks go both ways: Python calls ours and we call Python's, alone and in canvases, with results,
// exceptions, delays, limits and retries as each side means them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
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

// One Celery worker, one of ours and our collector, with results in Redis.
class Mixed : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    cluster = std::make_unique<Cluster>(servers);
    cluster->umbel_collector();
    cluster->umbel_worker();
    // 5.2's pool of threads takes new messages only every two seconds once it is busy.
    cluster->celery_worker({.pool = "prefork"});
  }
  static void TearDownTestSuite() { cluster.reset(); }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster->logs();
  }

  // How Python sees the end of what this signature starts.
  static json::value outcome(const std::string& signature) {
    return cluster->ask("outcome((" + signature + ").delay())");
  }
  static json::value value(const std::string& signature) {
    const json::value ended = outcome(signature);
    const auto* found = ended.as_object().if_contains("value");
    EXPECT_NE(found, nullptr) << signature << ": " << json::serialize(ended);
    return found == nullptr ? json::value{} : *found;
  }
  static std::string id_of(const std::string& python) {
    return std::string{cluster->ask(python).as_string()};
  }

  static std::unique_ptr<Cluster> cluster;
};

std::unique_ptr<Cluster> Mixed::cluster;

TEST_F(Mixed, PythonGetsWhatACppTaskReturns) {
  EXPECT_EQ(value("cpp('add', 1, 2)"), 3);
  EXPECT_EQ(value("cpp('add', 1.5, -2)"), -0.5);
  EXPECT_EQ(value("cpp('add', kwargs={'x': 2**40, 'y': 1})"), (1LL << 40) + 1);
  EXPECT_EQ(value("cpp('echo', None)"), json::value{});
  const std::string odd = R"({"a": [1, null, true, 0.5], "b": {"c": "é\u0000𝄞"}})";
  EXPECT_EQ(value("cpp('echo', json.loads(r'''" + odd + "'''))"), exactly(odd));
}

TEST_F(Mixed, PythonGetsExceptionsAsThemselves) {
  const json::value wrong = outcome("cpp('sleep', -1)");
  EXPECT_EQ(wrong.at("raised"), "builtins.ValueError") << wrong;
  EXPECT_EQ(wrong.at("args"), exactly(R"(["seconds must be between 0 and 86400"])"));
  EXPECT_EQ(outcome("cpp('fail', 'boom')"),
            exactly(R"({"raised": "builtins.RuntimeError", "args": ["boom"],
                        "bases": ["RuntimeError", "Exception", "BaseException", "object"]})"));
  EXPECT_EQ(outcome("cpp('add', 1)").at("raised"), "builtins.TypeError");
  const json::value unknown = outcome("cpp('no.such.task')");
  EXPECT_EQ(unknown.at("raised"), "celery.exceptions.NotRegistered") << unknown;
  EXPECT_EQ(unknown.at("args"), exactly(R"(["no.such.task"])"));
}

// An exception of the application comes back as itself through our tasks.
TEST_F(Mixed, ExceptionsOfTheApplicationPassThroughOurs) {
  const json::value theirs =
      outcome("cpp('add', 1, 2) | py('py.refuse', 'full', 42, immutable=True) | cpp('add', 1)");
  EXPECT_EQ(theirs.at("raised"), "app.Refused") << theirs;
  EXPECT_EQ(theirs.at("args"), exactly(R"(["full", 42])")) << theirs;
  // Ours counts the last part and fails the body with what theirs raised.
  const json::value chord = cluster->ask(
      "outcome(AsyncResult(chord([py('py.refuse', 'full', 42), cpp('delayed_add', 1, 1, 1)], "
      "cpp('total')).delay().id))");
  EXPECT_EQ(chord.at("raised"), "celery.exceptions.ChordError") << chord;
  EXPECT_THAT(json::serialize(chord.at("args")), HasSubstr("Refused")) << chord;
}

TEST_F(Mixed, TheStoredDocumentIsWhatCeleryStores) {
  const auto documents = cluster->ask(
      "ours = cpp('add', 1, 2).delay(); theirs = py('py.add', 1, 2).delay()\n"
      "ours.get(timeout=PATIENCE), theirs.get(timeout=PATIENCE)\n"
      "[json.loads(app.backend.get(app.backend.get_key_for_task(each.id))) "
      "for each in (ours, theirs)]");
  const auto& ours = documents.at(0).as_object();
  const auto& theirs = documents.at(1).as_object();
  for (const auto& [key, of_celery] : theirs) {
    ASSERT_TRUE(ours.contains(key)) << key << " of " << documents;
    EXPECT_EQ(shape(ours.at(key)), shape(of_celery)) << key << " of " << documents;
  }
  EXPECT_EQ(ours.size(), theirs.size()) << documents;
  EXPECT_EQ(cluster->ask("app.backend.client.ttl(app.backend.get_key_for_task(ours.id)) > 80000"),
            true);
}

TEST_F(Mixed, WhatTheApiSendsRunsInPython) {
  const json::value sent = cluster->post("/api/task/async-apply/py.add",
                                         exactly(R"({"args": [20, 22], "queue": "celery"})"));
  const std::string id{sent.at("task-id").as_string()};
  // The start may be told behind the end.
  const json::value task = cluster->task_once(id, [](const json::value& known) {
    return known.at("state") == "SUCCESS" && known.at("started").is_number();
  });
  ASSERT_TRUE(task.is_object());
  EXPECT_EQ(task.at("state"), "SUCCESS") << task;
  for (const char* key : {"runtime", "received", "started", "succeeded"}) {
    ASSERT_TRUE(task.at(key).is_number()) << key << task;
  }
  EXPECT_EQ(task.at("result"), "42") << task;
  EXPECT_EQ(task.at("worker"), "py1@celery");
  EXPECT_EQ(task.at("name"), "py.add");
  EXPECT_GT(task.at("runtime").to_number<double>(), 0);
  EXPECT_LE(task.at("received").to_number<double>(), task.at("started").to_number<double>());

  const json::value failing = cluster->post("/api/task/async-apply/py.fail",
                                            exactly(R"({"args": ["boom"], "queue": "celery"})"));
  const json::value failed =
      cluster->task_in_state(std::string{failing.at("task-id").as_string()}, "FAILURE");
  ASSERT_TRUE(failed.is_object());
  EXPECT_EQ(failed.at("state"), "FAILURE") << failed;
  EXPECT_THAT(std::string{failed.at("traceback").as_string()}, HasSubstr("ValueError: boom"));
  EXPECT_THAT(std::string{failed.at("traceback").as_string()}, HasSubstr("raise ValueError"));
}

TEST_F(Mixed, OurMessageIsWhatPythonExpectsOfOne) {
  const json::value sent = cluster->post(
      "/api/task/async-apply/py.told",
      exactly(R"({"args": [1, "two"], "kwargs": {}, "queue": "celery", "expires": 3600})"));
  const std::string id{sent.at("task-id").as_string()};
  const auto told = cluster->ask("AsyncResult('" + id + "').get(timeout=PATIENCE)");
  EXPECT_EQ(told.at("id"), json::string{id});
  EXPECT_EQ(told.at("root_id"), json::string{id});
  EXPECT_EQ(told.at("parent_id"), json::value{});
  EXPECT_EQ(told.at("args"), exactly(R"([1, "two"])"));
  EXPECT_EQ(told.at("argsrepr"), "(1, 'two')") << told;
  EXPECT_EQ(told.at("kwargsrepr"), "{}");
  EXPECT_EQ(told.at("retries"), 0);
  EXPECT_TRUE(told.at("expires").is_string()) << told;
  EXPECT_EQ(told.at("timelimit"), exactly("[null, null]"));
}

TEST_F(Mixed, ChainsAlternateBetweenPythonAndCpp) {
  EXPECT_EQ(value("cpp('add', 1, 2) | py('py.add', 10) | cpp('add', 100) | py('py.add', 1000)"),
            1113);
  EXPECT_EQ(value("py('py.add', 1, 2) | cpp('add', 10) | py('py.add', 100) | cpp('add', 1000)"),
            1113);
  EXPECT_EQ(value("cpp('add', 1, 2) | cpp('add', 5, 6, immutable=True) | py('py.add', 1)"), 12);
  // A group in the middle and at the end.
  EXPECT_EQ(value("cpp('add', 1, 1) | group(py('py.add', 10), cpp('add', 20)) | cpp('total')"), 34);
  EXPECT_EQ(value("py('py.add', 1, 1) | group(py('py.add', 10), cpp('add', 20)) | py('py.total')"),
            34);
  EXPECT_EQ(value("cpp('add', 1, 1) | group(py('py.add', 10), cpp('add', 20))"),
            exactly("[12, 22]"));
}

TEST_F(Mixed, AChainThatBreaksFailsToItsEnd) {
  const json::value broken = cluster->ask(
      "last = (py('py.add', 1, 2) | cpp('fail', 'boom', immutable=True) | "
      "py('py.add', 1) | cpp('add', 1)).delay()\n"
      "outcome(last), outcome(last.parent), outcome(last.parent.parent)");
  for (const json::value& each : broken.as_array()) {
    EXPECT_EQ(each.at("raised"), "builtins.RuntimeError") << broken;
    EXPECT_EQ(each.at("args"), exactly(R"(["boom"])")) << broken;
  }
  const json::value theirs = outcome("py('py.fail', 'boom') | cpp('add', 1)");
  EXPECT_EQ(theirs.at("raised"), "builtins.ValueError") << theirs;
}

TEST_F(Mixed, GroupsAndChordsOfBothComplete) {
  EXPECT_EQ(value("group(cpp('add', 1, 1), py('py.add', 2, 2), cpp('add', 3, 3))"),
            exactly("[2, 4, 6]"));
  EXPECT_EQ(value("chord([cpp('add', 1, 1), py('py.add', 2, 2), cpp('add', 3, 3)], "
                  "py('py.total'))"),
            12);
  EXPECT_EQ(value("chord([cpp('add', 1, 1), py('py.add', 2, 2), cpp('add', 3, 3)], "
                  "cpp('total'))"),
            12);
  // The order of the header is kept, whoever ends first.
  EXPECT_EQ(value("chord([cpp('delayed_add', 1, 1, 0.4), py('py.add', 2, 2)], cpp('echo'))"),
            exactly("[2, 4]"));
  EXPECT_EQ(value("chord([cpp('add', i, i) for i in range(20)], py('py.total')) | "
                  "cpp('add', 1000)"),
            1380);
}

// Five hundred with UMBEL_LONG_TESTS; UMBEL_SEED tries others.
TEST_F(Mixed, RandomCanvasesOfBothComeOutRight) {
  const bool longer = std::getenv("UMBEL_LONG_TESTS") != nullptr;
  const char* given = std::getenv("UMBEL_SEED");
  const std::string seed = given == nullptr ? "1" : given;
  EXPECT_EQ(cluster->ask(fmt::format("wrong_canvases({}, {})", seed, longer ? 500 : 30)),
            json::array{})
      << "seed " << seed;
}

TEST_F(Mixed, AChordWhoseHeaderFailsFailsItsBody) {
  for (const char* header :
       {"cpp('fail', 'boom'), py('py.add', 1, 1)", "py('py.fail', 'boom'), cpp('add', 1, 1)"}) {
    for (const char* body : {"py('py.total')", "cpp('total')"}) {
      // Of the body alone: a result that knows its parents raises theirs first.
      const json::value ended = cluster->ask(
          fmt::format("outcome(AsyncResult(chord([{}], {}).delay().id))", header, body));
      EXPECT_EQ(ended.at("raised"), "celery.exceptions.ChordError") << header << ended;
      EXPECT_THAT(json::serialize(ended.at("args")), HasSubstr("boom"));
    }
  }
}

TEST_F(Mixed, LinksFollowSuccessAndErrbacksFailure) {
  const auto ends = [](const std::string& file) {
    const auto lines = cluster->marks(file);
    return std::count_if(lines.begin(), lines.end(),
                         [](const std::string& line) { return line.starts_with("ended"); });
  };
  cluster->ask("cpp('add', 1, 2).apply_async(link=py('py.mark', 'link-py', immutable=True))");
  cluster->ask(
      "py('py.add', 1, 2).apply_async(link=cpp('touch', 'link-cpp', 'done', immutable=True))");
  cluster->ask(
      "cpp('add', 1, 2).apply_async(link=[py('py.note', 'link-value'), "
      "cpp('touch', 'link-two', 'done', immutable=True)])");
  const std::string failing = id_of(
      "cpp('fail', 'boom').apply_async(link_error=py('py.note', 'err-py'), "
      "link=py('py.mark', 'link-never', immutable=True)).id");
  const std::string theirs = id_of(
      "py('py.fail', 'boom').apply_async(link_error=cpp('touch', 'err-cpp', 'done', "
      "immutable=True)).id");
  EXPECT_TRUE(eventually([&] { return ends("link-py") == 1; }));
  EXPECT_TRUE(eventually([&] { return cluster->marks("link-cpp").size() == 1; }));
  EXPECT_TRUE(eventually([&] { return cluster->marks("link-value").size() == 1; }));
  EXPECT_TRUE(eventually([&] { return cluster->marks("link-two").size() == 1; }));
  EXPECT_TRUE(eventually([&] { return cluster->marks("err-py").size() == 1; }));
  EXPECT_TRUE(eventually([&] { return cluster->marks("err-cpp").size() == 1; }));
  EXPECT_THAT(cluster->marks("link-value"), ElementsAre("3"));
  EXPECT_THAT(cluster->marks("err-py"), ElementsAre(failing)) << theirs;
  EXPECT_TRUE(cluster->marks("link-never").empty());
}

TEST_F(Mixed, ParentsAndRootsAreKeptOverTheLanguages) {
  const auto ids = cluster->ask(
      "last = (py('py.add', 1, 2) | cpp('add', 1) | py('py.told')).delay()\n"
      "last.get(timeout=PATIENCE), last.parent.id, last.parent.parent.id");
  const auto& told = ids.at(0);
  EXPECT_EQ(told.at("parent_id"), ids.at(1));
  EXPECT_EQ(told.at("root_id"), ids.at(2));
  EXPECT_EQ(told.at("args"), exactly("[4]"));
  const json::value ours = cluster->task_in_state(std::string{ids.at(1).as_string()}, "SUCCESS");
  EXPECT_EQ(ours.at("parent_id"), ids.at(2)) << ours;
  EXPECT_EQ(ours.at("root_id"), ids.at(2)) << ours;
}

TEST_F(Mixed, ExpiredTasksAreRevokedAndTheCallerIsTold) {
  // The header alone: with the property RabbitMQ would drop the message itself.
  const json::value ended = cluster->ask(
      "outcome(raw('umbel', 'add', [1, 2], expires='2020-01-01T00:00:00.000000+00:00'))");
  EXPECT_EQ(ended.at("raised"), "celery.exceptions.TaskRevokedError") << ended;
  EXPECT_EQ(ended.at("args"), exactly(R"(["expired"])"));
  // Held back until its time is over, as Celery sends it: RabbitMQ has let go of it then.
  EXPECT_EQ(cluster
                ->ask("busy = [cpp('sleep', 2).delay() for _ in (1, 2)]\n"
                      "late = cpp('add', 1, 2).apply_async(expires=0.7)\n"
                      "outcome(late)")
                .at("raised"),
            "celery.exceptions.TaskRevokedError");
}

TEST_F(Mixed, CountdownsAndEtasAreKept) {
  for (const char* options : {"countdown=1.2", "eta=in_seconds(1.2)",
                              "eta=in_seconds(1.2, 'naive')", "eta=in_seconds(1.2, 'oslo')"}) {
    const json::value took =
        cluster->ask(fmt::format("began = time.monotonic()\n"
                                 "cpp('add', 1, 2).apply_async({}).get(timeout=PATIENCE)\n"
                                 "time.monotonic() - began",
                                 options));
    EXPECT_GE(took.to_number<double>(), 1.1) << options;
  }
  const json::value sent = cluster->post("/api/task/async-apply/py.told",
                                         exactly(R"({"queue": "celery", "countdown": 1})"));
  const auto told = cluster->ask(fmt::format("AsyncResult('{}').get(timeout=PATIENCE)",
                                             std::string{sent.at("task-id").as_string()}));
  EXPECT_TRUE(told.at("eta").is_string()) << told;
}

TEST_F(Mixed, RetriesAreToldByBothSides) {
  const std::string theirs = id_of("py('py.stubborn', 2).delay().id");
  const std::string ours = id_of("cpp('flaky', 1).delay().id");
  const json::value in_python = cluster->task_in_state(theirs, "SUCCESS");
  ASSERT_TRUE(in_python.is_object());
  EXPECT_EQ(in_python.at("state"), "SUCCESS") << in_python;
  EXPECT_EQ(in_python.at("retries"), 2) << in_python;
  EXPECT_EQ(in_python.at("result"), "2");
  const json::value in_cpp = cluster->task_in_state(ours, "FAILURE", seconds{40});
  ASSERT_TRUE(in_cpp.is_object());
  EXPECT_EQ(in_cpp.at("state"), "FAILURE") << in_cpp;
  EXPECT_EQ(in_cpp.at("retries"), 5) << in_cpp;
  EXPECT_EQ(cluster->ask("outcome(AsyncResult('" + ours + "'))").at("raised"),
            "builtins.RuntimeError");
}

TEST_F(Mixed, RetriesOfTheMessageAreCounted) {
  const std::string id = id_of("cpp('flaky', 1).apply_async(retries=4).id");
  const json::value task = cluster->task_in_state(id, "FAILURE", seconds{40});
  ASSERT_TRUE(task.is_object());
  EXPECT_EQ(task.at("retries"), 5) << task;
  // Of six tries it had two.
  json::value attempts;
  EXPECT_TRUE(eventually([&] {
    attempts = cluster->get("/api/task/detail/" + id).at("attempts");
    return attempts.as_array().size() == 2;
  })) << attempts;
}

TEST_F(Mixed, SoftLimitsOfTheMessageAreKept) {
  const json::value ended =
      cluster->ask("outcome(cpp('sleep', 30).apply_async(soft_time_limit=1))");
  EXPECT_THAT(std::string{ended.at("raised").as_string()}, HasSubstr("SoftTimeLimitExceeded"))
      << ended;
}

// With rpc:// the answer goes to the queue that the message names.
TEST(Rpc, PythonGetsResultsAndExceptions) {
  Cluster cluster{servers, {.backend = Backend::Rpc}};
  cluster.umbel_worker();
  EXPECT_EQ(cluster.ask("outcome(cpp('add', 1, 2).delay())"), exactly(R"({"value": 3})"))
      << cluster.logs();
  const json::value wrong = cluster.ask("outcome(cpp('sleep', -1).delay())");
  EXPECT_EQ(wrong.at("raised"), "builtins.ValueError") << wrong;
  EXPECT_EQ(cluster.ask("outcome(cpp('no.such').delay())").at("raised"),
            "celery.exceptions.NotRegistered");
  EXPECT_EQ(cluster.ask("many = [cpp('add', i, i).delay() for i in range(50)]\n"
                        "sum(each.get(timeout=PATIENCE) for each in many)"),
            2450);
  // A chain through both kinds of workers keeps who waits.
  cluster.celery_worker({.pool = "solo"});
  EXPECT_EQ(cluster.ask("outcome((cpp('add', 1, 2) | py('py.add', 10) | cpp('add', 100)).delay())"),
            exactly(R"({"value": 113})"))
      << cluster.logs();
}

TEST(Priority, MoreUrgentTasksGoFirst) {
  Cluster cluster{servers,
                  {.query = "?max_priority=10", .settings = R"({"task_queue_max_priority": 10})"}};
  cluster.ask("[cpp('touch', 'order', str(p)).apply_async(priority=p) for p in (1, 5, 9, 3)]");
  cluster.umbel_worker("cpp1", {"--concurrency=1", "--prefetch-multiplier=1"});
  EXPECT_TRUE(eventually([&] { return cluster.marks("order").size() == 4; })) << cluster.logs();
  EXPECT_THAT(cluster.marks("order"), ElementsAre("9", "5", "3", "1"));
}

}  // namespace
}  // namespace umbel::interop
