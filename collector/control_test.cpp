// Workers that were asked, as the API tells of them; what is done to them; what is put right when
// events were lost. The workers are scripted ones on the embedded broker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_worker.hpp"
#include "http_session.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kNode = "celery@host";

class ControlTest : public CollectorSession {
 protected:
  // As a worker of Celery's beats: without pools and queues.
  void beat(std::int64_t processed = 0, const std::string& node = kNode) {
    WorkerEvent event;
    event.type = WorkerEventType::Heartbeat;
    event.origin.hostname = node;
    event.origin.timestamp = now();
    event.origin.pid = 4711;
    event.freq = 60.0;
    event.active = 0;
    event.processed = processed;
    event.sw_ident = "py-celery";
    event.sw_ver = "5.2.6";
    event.sw_sys = "Linux";
    engines.publish({event});
  }
  Event of(Event event, const std::string& node = kNode) {
    auto& task = std::get<TaskEvent>(event);
    task.origin.hostname = node;
    task.origin.pid = 4711;
    return event;
  }
  bool knows_worker() {
    return eventually([&] { return ask("/api/worker/celery@host").status == 200; });
  }
  json::object worker() { return ask_json("/api/worker/celery@host").as_object(); }
  bool was_inspected() {
    return knows_worker() && eventually([&] { return worker().at("told").is_object(); });
  }
  json::array audit() { return ask_json("/api/audit").at("entries").as_array(); }
  json::object task(const std::string& id) {
    return ask_json("/api/task/detail/" + id).at("task").as_object();
  }
  bool knows_task(const std::string& id, const std::string& state) {
    return eventually([&] {
      return ask("/api/task/detail/" + id).status == 200 &&
             task(id).at("state").as_string() == state;
    });
  }

  FakeWorker celery{*engines.broker, kNode};
};

TEST_F(ControlTest, AWorkerThatIsHeardOfIsAskedAndItsPageTellsWhatItSaid) {
  celery.is_celery(2);
  start();
  EXPECT_TRUE(eventually([&] { return !celery.asked("heartbeat").empty(); })) << "at the start";
  beat();
  ASSERT_TRUE(was_inspected());

  const auto answer = worker();
  const auto& row = answer.at("worker").as_object();
  EXPECT_EQ(row.at("sw"), "py-celery 5.2.6");
  EXPECT_EQ(row.at("pool"), "prefork");
  EXPECT_EQ(row.at("slots"), 2);
  EXPECT_EQ(row.at("queues"), (json::array{"celery"}));
  EXPECT_EQ(row.at("registered"), (json::array{"proj.add", "proj.sleep [rate_limit=10/m]"}));
  EXPECT_EQ(answer.at("told").at("stats").at("prefetch_count"), 8);
  EXPECT_EQ(answer.at("told").at("conf").at("broker_url"),
            "amqp://guest:********@127.0.0.1:5672//");
  EXPECT_THAT(json::serialize(answer), Not(HasSubstr("secret"))) << "the other brokers' passwords";
  ASSERT_FALSE(celery.asked("active").empty());
  EXPECT_EQ(celery.asked("active").front().arguments, (json::object{{"safe", true}}));

  const auto flower = ask_json("/api/workers").at(kNode).as_object();
  for (const char* key : {"stats", "active_queues", "registered", "scheduled", "active", "reserved",
                          "revoked", "conf", "timestamp"}) {
    EXPECT_TRUE(flower.contains(key)) << key;
  }
  EXPECT_EQ(flower.at("stats").at("pool").at("max-concurrency"), 2);
}

TEST_F(ControlTest, AWorkerWithoutHeartbeatsIsKnownByItsAnswers) {
  celery.is_celery(2);
  start();
  ASSERT_TRUE(was_inspected());
  EXPECT_EQ(worker().at("worker").at("status"), "online");
}

TEST_F(ControlTest, RefreshAsksAgainAndNobodyAnsweringIsSaid) {
  celery.is_celery(2);
  CollectorOptions options;
  options.inspect_timeout = std::chrono::milliseconds{300};
  start(options);
  beat();
  ASSERT_TRUE(was_inspected());
  celery.answers("registered", json::array{"proj.new"});
  const auto fresh = ask_json("/api/workers?refresh=1&workername=celery@host");
  EXPECT_EQ(fresh.at(kNode).at("registered"), (json::array{"proj.new"}));

  beat(0, "mute@host");
  ASSERT_TRUE(eventually([&] { return ask("/api/worker/mute@host").status == 200; }));
  const auto silent = ask("/api/workers?refresh=1&workername=mute@host");
  EXPECT_EQ(silent.status, 504);
  EXPECT_THAT(silent.body, HasSubstr("mute@host did not answer"));
}

TEST_F(ControlTest, FlowersControlPathsAnswerInItsForms) {
  celery.is_celery(4);
  start();
  beat();
  ASSERT_TRUE(was_inspected());
  const auto post = [&](const std::string& path) { return ask(path, "POST"); };
  const auto said = [&](const std::string& path) {
    const auto answer = post(path);
    EXPECT_EQ(answer.status, 200) << path << ": " << answer.body;
    return answer.body;
  };
  EXPECT_EQ(said("/api/worker/pool/grow/celery@host?n=3"),
            R"({"message": "Growing 'celery@host' worker's pool by 3"})");
  EXPECT_EQ(said("/api/worker/pool/shrink/celery@host"),
            R"({"message": "Shrinking 'celery@host' worker's pool by 1"})");
  EXPECT_EQ(said("/api/worker/queue/add-consumer/celery@host?queue=mail"),
            R"({"message": "add consumer mail"})");
  EXPECT_EQ(said("/api/worker/queue/cancel-consumer/celery@host?queue=mail"),
            R"({"message": "no longer consuming from mail"})");
  EXPECT_EQ(said("/api/task/rate-limit/proj.add?workername=celery@host&ratelimit=11/m"),
            R"({"message": "new rate limit set successfully"})");
  EXPECT_EQ(said("/api/task/timeout/proj.add?workername=celery@host&hard=20.5"),
            R"({"message": "time limits set successfully"})");
  EXPECT_EQ(celery.asked("pool_grow").front().arguments, (json::object{{"n", 3}}));
  EXPECT_EQ(celery.asked("add_consumer").front().arguments, (json::object{{"queue", "mail"}}));
  EXPECT_EQ(celery.asked("rate_limit").front().arguments,
            (json::object{{"task_name", "proj.add"}, {"rate_limit", "11/m"}}));
  EXPECT_EQ(celery.asked("time_limit").front().arguments,
            (json::object{{"task_name", "proj.add"}, {"hard", 20.5}, {"soft", nullptr}}));

  const auto refused = post("/api/worker/pool/restart/celery@host");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body,
            "Failed to restart the 'celery@host' pool: ValueError('Pool restarts not enabled')");
  EXPECT_EQ(post("/api/worker/pool/autoscale/celery@host?min=1&max=3").status, 403);
  const auto unknown = post("/api/worker/pool/grow/nobody@host");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body, "Unknown worker 'nobody@host'");
  EXPECT_EQ(said("/api/worker/shutdown/celery@host"), R"({"message": "Shutting down!"})");
  EXPECT_TRUE(eventually([&] { return celery.asked("shutdown").size() == 1; }));
  EXPECT_EQ(celery.asked("shutdown").front().destination, std::vector<std::string>{kNode});
}

TEST_F(ControlTest, ABadValueIsRefusedByNameAndReachesNoWorker) {
  celery.is_celery(4);
  start();
  beat();
  ASSERT_TRUE(was_inspected());
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"/api/worker/pool/grow/celery@host?n=-1", "argument n=-1"},
      {"/api/worker/pool/grow/celery@host?n=x", "argument n=x"},
      {"/api/worker/pool/shrink/celery@host?n=4", "one has to stay"},
      {"/api/worker/pool/autoscale/celery@host", "argument min is missing"},
      {"/api/worker/pool/autoscale/celery@host?min=5&max=2", "argument max=2"},
      {"/api/worker/queue/add-consumer/celery@host", "argument queue is missing"},
      {"/api/task/rate-limit/proj.add?workername=celery@host&ratelimit=much",
       "argument ratelimit=much"},
      {"/api/task/rate-limit/proj.add?ratelimit=1", "argument workername is missing"},
      {"/api/task/timeout/proj.add?workername=celery@host&soft=-1", "argument soft=-1"},
      {"/api/task/timeout/proj.add?workername=celery@host&soft=5&hard=2", "argument soft=5"},
      {"/api/task/revoke/x?terminate=true&signal=WINCH", "argument signal=WINCH"}};
  for (const auto& [path, what] : wrong) {
    const auto answer = ask(path, "POST");
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_THAT(answer.body, HasSubstr(what)) << path;
  }
  for (const char* method : {"pool_grow", "pool_shrink", "autoscale", "add_consumer", "rate_limit",
                             "time_limit", "revoke"}) {
    EXPECT_TRUE(celery.asked(method).empty()) << method;
  }
  const auto lines = audit();
  ASSERT_EQ(lines.size(), wrong.size()) << "who tried is noted, and why it was refused";
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_THAT(std::string{lines[wrong.size() - 1 - i].at("outcome").as_string()},
                HasSubstr(wrong[i].second));
  }
  EXPECT_EQ(lines.back().at("action"), "worker.grow");
  EXPECT_EQ(lines.back().at("object"), kNode);
  EXPECT_EQ(lines.front().at("action"), "task.revoke");
  EXPECT_EQ(lines.front().at("object"), "x");
}

TEST_F(ControlTest, ThePagesOwnWayTellsEachWorkersAnswerAndAllIsAudited) {
  celery.is_celery(4);
  start();
  beat();
  ASSERT_TRUE(was_inspected());
  const auto done = json::parse(
      ask("/api/control", "POST", R"({"action": "grow", "workers": ["celery@host"], "n": 2})")
          .body);
  EXPECT_EQ(done.at("answers").at(0).at("ok"), "Growing 'celery@host' worker's pool by 2");
  const auto refused = json::parse(
      ask("/api/control", "POST", R"({"action": "restart_pool", "workers": ["celery@host"]})")
          .body);
  EXPECT_EQ(refused.at("answers").at(0).at("error"), "ValueError('Pool restarts not enabled')");
  EXPECT_TRUE(refused.at("answers").at(0).at("ok").is_null());
  EXPECT_EQ(
      ask("/api/control", "POST", R"({"action": "dance", "workers": ["celery@host"]})").status,
      400);
  EXPECT_EQ(ask("/api/control", "POST", R"({"action": "grow", "workers": ["x"]})").status, 404);
  EXPECT_EQ(ask("/api/control", "POST", R"({"action": "grow"})").status, 400);
  EXPECT_EQ(ask("/api/control", "POST", "no").status, 400);
  EXPECT_EQ(ask("/api/control").status, 405);

  const auto lines = audit();
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_EQ(lines[4].at("action"), "worker.restart_pool");
  EXPECT_EQ(lines[4].at("outcome"), "ValueError('Pool restarts not enabled')");
  EXPECT_EQ(lines[5].at("action"), "worker.grow");
  EXPECT_EQ(lines[5].at("object"), kNode);
  EXPECT_EQ(lines[5].at("detail"), "n=2");
  EXPECT_EQ(lines[5].at("who"), "127.0.0.1");
  EXPECT_EQ(lines[5].at("outcome"), "done");
  EXPECT_EQ(lines[3].at("action"), "worker.dance");
  EXPECT_EQ(lines[2].at("object"), "x");
  EXPECT_EQ(lines[2].at("outcome"), "no worker is named `x`");
  EXPECT_EQ(lines[0].at("action"), "worker.control");
}

TEST_F(ControlTest, AQueueIsPurgedByItsNameAndItIsAudited) {
  start();
  std::vector<OutgoingMessage> messages(3);
  for (auto& each : messages) {
    each.queue = QueueName{"mail"};
    each.message.body = "[[], {}, {}]";
    each.message.content_type = "application/json";
  }
  engines.broker->publish(messages).value();
  const auto answer = json::parse(ask("/api/queues/purge", "POST", R"({"queue": "mail"})").body);
  EXPECT_EQ(answer.at("purged"), 3);
  EXPECT_EQ(ask("/api/queues/purge", "POST", R"({"queue": "nosuch"})").status, 404);
  EXPECT_EQ(ask("/api/queues/purge", "POST", R"({"queue": ""})").status, 400);
  const auto lines = audit();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[2].at("action"), "queue.purge");
  EXPECT_EQ(lines[2].at("detail"), "3 tasks");
  EXPECT_THAT(std::string{lines[1].at("outcome").as_string()}, HasSubstr("nosuch"));
  EXPECT_THAT(std::string{lines[0].at("outcome").as_string()}, HasSubstr("queue: allowed"));
}

TEST_F(ControlTest, SeveralWorkersAreToldAtTheSameTime) {
  constexpr auto kPatience = std::chrono::milliseconds{700};
  celery.is_celery(4);
  CollectorOptions options;
  options.inspect_timeout = kPatience;
  start(options);
  beat();
  std::string workers = R"("celery@host")";
  for (int i = 0; i < 20; ++i) {
    const auto name = "mute" + std::to_string(i) + "@host";
    beat(0, name);
    workers += ", \"" + name + "\"";
    ASSERT_TRUE(eventually([&] { return ask("/api/worker/" + name).status == 200; }));
  }
  ASSERT_TRUE(was_inspected());
  const auto began = Steady::now();
  const auto answers =
      json::parse(
          ask("/api/control", "POST", R"({"action": "grow", "n": 2, "workers": [)" + workers + "]}")
              .body)
          .at("answers")
          .as_array();
  EXPECT_LT(Steady::now() - began, 10 * kPatience) << "not one after the other";
  ASSERT_EQ(answers.size(), 21U);
  EXPECT_EQ(answers[0].at("ok"), "Growing 'celery@host' worker's pool by 2");
  EXPECT_THAT(std::string{answers[7].at("error").as_string()}, HasSubstr("no"));
}

TEST_F(ControlTest, ATaskThatOnlyEventsToldOfIsRevokedAtTheWorkers) {
  celery.is_celery(2);
  start();
  beat();
  ASSERT_TRUE(was_inspected());
  engines.publish(
      {of(received("waits", now())), of(received("runs", now())), of(started("runs", now()))});
  ASSERT_TRUE(knows_task("runs", "STARTED"));

  EXPECT_EQ(ask("/api/task/revoke/waits", "POST").body, R"({"message": "Revoked 'waits'"})");
  EXPECT_EQ(celery.asked("revoke").front().arguments,
            (json::object{{"task_id", "waits"}, {"terminate", false}, {"signal", "SIGTERM"}}));
  EXPECT_EQ(ask("/api/task/revoke/runs", "POST").status, 409) << "not without terminate";
  EXPECT_EQ(ask("/api/task/revoke/runs?terminate=true&signal=kill", "POST").status, 200);
  EXPECT_EQ(celery.asked("revoke").back().arguments.at("signal"), "SIGKILL");
  EXPECT_EQ(ask("/api/task/revoke/nobody-told-of-it", "POST").status, 200)
      << "it may wait in a queue";
}

TEST_F(ControlTest, WhatAWorkerDoesNotHoldAnyMoreIsClosedByItsResultOrSaidToBeUnknown) {
  celery.is_celery(2);
  const auto then = now() - seconds{60};
  engines.publish({of(received("lost", then)), of(started("lost", then)),
                   of(received("stored", then)), of(started("stored", then)),
                   of(received("held", then)), of(started("held", then)),
                   of(received("late", then))});
  engines.finish("stored", "3");
  celery.answers("active", json::array{json::object{{"id", "held"}, {"name", "add"}}});
  celery.answers("query_task", [](const json::object& arguments) {
    json::object held;
    for (const auto& id : arguments.at("ids").as_array()) {
      if (id.as_string() == "late") held["late"] = json::array{"ready", json::object{}};
    }
    return std::optional<json::value>{held};
  });
  start();
  beat();
  ASSERT_TRUE(knows_task("late", "RECEIVED")) << "the last of those events";
  ASSERT_TRUE(knows_task("stored", "SUCCESS"));
  ASSERT_TRUE(eventually([&] { return task("lost").at("unknown_since").is_double(); }));

  EXPECT_EQ(task("lost").at("state"), "STARTED") << "the last that was told, not a guess";
  EXPECT_NEAR(task("lost").at("unknown_since").as_double(), to_unix_seconds(then), 0.001);
  EXPECT_TRUE(ask_json("/api/task/detail/lost").at("can").at("retry").at("allowed").as_bool());
  EXPECT_FALSE(ask_json("/api/task/detail/held").at("can").at("retry").at("allowed").as_bool());
  EXPECT_TRUE(task("held").at("unknown_since").is_null());
  EXPECT_TRUE(task("late").at("unknown_since").is_null()) << "asked for by its id, it is there";
  EXPECT_TRUE(
      eventually([&] { return ask_json("/api/overview").at("totals").at("unknown") == 1; }));
  EXPECT_EQ(ask_json("/api/overview").at("totals").at("running"), 1);

  engines.publish({of(succeeded("lost", now()))});
  ASSERT_TRUE(knows_task("lost", "SUCCESS")) << "any event puts an end to it";
  EXPECT_TRUE(task("lost").at("unknown_since").is_null());
}

TEST_F(ControlTest, ATaskThatRunsWithoutOurKnowingIsTakenUp) {
  const auto began = now() - seconds{40};
  celery.is_celery(
      2,
      {json::object{{"id", "unheard"},
                    {"name", "proj.sleep"},
                    {"args", "(40,)"},
                    {"kwargs", "{}"},
                    {"time_start", to_unix_seconds(began)},
                    {"delivery_info", json::object{{"exchange", ""}, {"routing_key", "celery"}}}}});
  start();
  beat();
  ASSERT_TRUE(knows_task("unheard", "STARTED"));
  EXPECT_EQ(task("unheard").at("name"), "proj.sleep");
  EXPECT_EQ(task("unheard").at("queue"), "celery");
  EXPECT_EQ(task("unheard").at("worker"), kNode);
  EXPECT_NEAR(task("unheard").at("started").as_double(), to_unix_seconds(began), 0.001);
  EXPECT_TRUE(eventually([&] { return engines.history->find(TaskId{"unheard"}).has_value(); }))
      << "it is kept";
}

TEST_F(ControlTest, WhatAWorkerHeldThatSaidGoodbyeIsUnknownFromThenOn) {
  celery.is_celery(2);
  start();
  beat();
  ASSERT_TRUE(was_inspected());
  const auto at = now();
  engines.publish({of(received("a", at)), of(started("a", at)), of(received("taken", at))});
  ASSERT_TRUE(knows_task("a", "STARTED"));
  WorkerEvent goodbye;
  goodbye.type = WorkerEventType::Offline;
  goodbye.origin.hostname = kNode;
  goodbye.origin.timestamp = now();
  goodbye.origin.pid = 4711;
  engines.publish({goodbye});
  ASSERT_TRUE(eventually([&] { return task("a").at("unknown_since").is_double(); }));
  EXPECT_GE(task("a").at("unknown_since").as_double(), to_unix_seconds(at) - 1);
  EXPECT_TRUE(task("taken").at("unknown_since").is_null()) << "it is back in its queue";
}

TEST_F(ControlTest, CelerysWorkersAreAskedToTellOfTheirTasksAsFlowerDoes) {
  celery.is_celery(2);
  celery.answers("enable_events", json::object{{"ok", "task events enabled"}});
  start();
  beat(1);
  ASSERT_TRUE(was_inspected());
  EXPECT_TRUE(eventually([&] { return !celery.asked("enable_events").empty(); }));
  EXPECT_EQ(celery.asked("enable_events").front().destination, std::vector<std::string>{kNode});
}

TEST_F(ControlTest, AWorkerThatTellsOfNoTaskIsSaidToAndToldToByOneWord) {
  celery.is_celery(2);
  celery.answers("enable_events", json::object{{"ok", "task events enabled"}});
  CollectorOptions options;
  options.enable_events = false;
  start(options);
  beat(1);
  ASSERT_TRUE(was_inspected());
  const auto silent = [&] { return worker().at("worker").at("silent").as_bool(); };
  std::int64_t processed = 1;
  ASSERT_TRUE(eventually([&] {
    beat(++processed);
    return silent();
  }));
  EXPECT_TRUE(celery.asked("enable_events").empty()) << "it was not wanted";
  const auto truth = [&] {
    return std::string{ask_json("/api/overview").at("truth").at("text").as_string()};
  };
  EXPECT_TRUE(eventually([&] {
    return truth().find("celery@host runs tasks and tells of none") != std::string::npos;
  })) << truth();
  EXPECT_EQ(
      ask("/api/control", "POST", R"({"action": "enable_events", "workers": ["celery@host"]})")
          .status,
      200);
  EXPECT_FALSE(silent());
}

TEST_F(ControlTest, OfTwoWorkersOfOneNameNoTaskIsSaidToBeLost) {
  celery.is_celery(2);
  start();
  const auto beat_of = [&](std::int64_t pid) {
    WorkerEvent event;
    event.type = WorkerEventType::Heartbeat;
    event.origin.hostname = kNode;
    event.origin.timestamp = now();
    event.origin.pid = pid;
    event.freq = 60.0;
    event.sw_ident = "py-celery";
    engines.publish({event});
  };
  for (int i = 0; i < 6; ++i) beat_of(i % 2 == 0 ? 4711 : 5822);
  ASSERT_TRUE(knows_worker());
  ASSERT_TRUE(eventually([&] { return worker().at("worker").at("twins").as_bool(); }));
  // One of the two holds it; the other one answers.
  const auto then = now() - seconds{60};
  engines.publish({of(received("held", then)), of(started("held", then))});
  ASSERT_TRUE(knows_task("held", "STARTED"));
  (void)ask("/api/workers?refresh=1");
  (void)ask("/api/workers?refresh=1");
  EXPECT_TRUE(task("held").at("unknown_since").is_null());
  EXPECT_THAT(std::string{ask_json("/api/overview").at("truth").at("text").as_string()},
              HasSubstr("Two workers use the name celery@host"));
}

TEST_F(ControlTest, WhatNobodyKnowsIsFoundByThat) {
  celery.is_celery(2);
  const auto then = now() - seconds{60};
  engines.publish({of(received("lost", then, "proj.add")), of(started("lost", then)),
                   of(received("ended", then)), of(started("ended", then)),
                   of(succeeded("ended", then))});
  start();
  beat();
  ASSERT_TRUE(knows_task("lost", "STARTED"));
  ASSERT_TRUE(eventually([&] { return task("lost").at("unknown_since").is_double(); }));
  const auto found = [&](const std::string& q) {
    std::vector<std::string> ids;
    const auto answer = ask_json("/api/search?q=" + q);
    for (const auto& row : answer.at("tasks").as_array())
      ids.emplace_back(row.at("id").as_string());
    return ids;
  };
  using Ids = std::vector<std::string>;
  // Until the history has all of it, and then still.
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(found("state:unknown"), Ids{"lost"});
    EXPECT_EQ(found("-state:unknown"), Ids{"ended"});
    EXPECT_EQ(found("state:unknown,succeeded").size(), 2U);
    EXPECT_EQ(found("state:unknown%20name:proj.*"), Ids{"lost"});
    EXPECT_EQ(found("state:unknown%20name:other.*"), Ids{});
    ASSERT_TRUE(eventually([&] { return engines.history->find(TaskId{"lost"}).has_value(); }));
  }
  const auto options = ask_json("/api/complete?q=state:unk&at=9").at("options").as_array();
  ASSERT_EQ(options.size(), 1U);
  EXPECT_EQ(options[0].at("text"), "unknown");
  EXPECT_EQ(options[0].at("count"), 1);
  engines.publish({of(succeeded("lost", now()))});
  ASSERT_TRUE(knows_task("lost", "SUCCESS"));
  EXPECT_EQ(found("state:unknown"), Ids{});
}

}  // namespace
}  // namespace umbel::collector
