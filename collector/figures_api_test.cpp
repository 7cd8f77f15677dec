// Names, workers and queues as the API tells them, from the live state and over HTTP.
#include <gtest/gtest.h>

#include "detail_api.hpp"
#include "http_session.hpp"
#include "names_api.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::eventually;

constexpr WallTime kNoon = from_micros(1'795'348'800'000'000);  // a whole hour

Event in_queue(Event event, const std::string& queue, const std::string& worker = "w1@host") {
  auto& task = std::get<TaskEvent>(event);
  task.queue = queue;
  task.origin.hostname = worker;
  return event;
}

QueueFigures figures(const std::string& name, std::uint64_t ready, std::uint64_t consumers,
                     std::uint64_t published, std::uint64_t acked) {
  QueueFigures made;
  made.name = QueueName{name};
  made.ready = ready;
  made.consumers = consumers;
  made.published_total = published;
  made.acked_total = acked;
  return made;
}

const json::object& named(const json::value& rows, std::string_view name) {
  for (const json::value& each : rows.as_array()) {
    if (each.at("name").as_string() == name) return each.as_object();
  }
  throw std::runtime_error{"no row is named " + std::string{name}};
}

class FiguresOfALiveState : public ::testing::Test {
 protected:
  void apply(const Event& event) { state.apply(event, now); }
  void run(const std::string& id, const std::string& name, bool well = true) {
    apply(in_queue(received(id, now, name), "umbel"));
    apply(started(id, now + milliseconds{100}));
    apply(well ? succeeded(id, now + milliseconds{600}) : failed(id, now + milliseconds{600}));
  }
  LiveState state{1000, kNoon - minutes{90}};
  WallTime now = kNoon;
};

TEST_F(FiguresOfALiveState, NamesHaveTheirCountsDurationsAndSparks) {
  apply(heartbeat("w1@host", now));
  for (int i = 0; i < 9; ++i) run("a" + std::to_string(i), "add");
  run("a9", "add", false);
  run("b", "sleep");
  apply(in_queue(received("c", now, "sleep"), "umbel"));
  apply(in_queue(received("d", now, "sleep"), "umbel"));
  apply(started("d", now));

  const json::object answer = names_answer(state, 5, now + seconds{1});

  const json::value& names = answer.at("names");
  EXPECT_EQ(names.at(0).at("name"), "add");  // the busiest first
  const json::object& add = named(names, "add");
  EXPECT_EQ(add.at("received"), 10);
  EXPECT_EQ(add.at("succeeded"), 9);
  EXPECT_EQ(add.at("failed"), 1);
  EXPECT_NEAR(add.at("failure_ratio").as_double(), 0.1, 1e-9);
  EXPECT_NEAR(add.at("wait").at(0).as_double(), 0.1, 0.005);
  EXPECT_NEAR(add.at("run").at(2).as_double(), 0.5, 0.025);
  EXPECT_NEAR(add.at("rate").as_double(), 10.0 / 242, 0.001);  // four minutes and two seconds
  EXPECT_EQ(add.at("queue"), "umbel");
  EXPECT_EQ(add.at("total"), 10);
  EXPECT_EQ(add.at("spark").as_array().size(), 60U);
  EXPECT_EQ(add.at("spark").at(59), 10);
  EXPECT_EQ(add.at("spark").at(58), 0);
  EXPECT_EQ(add.at("spark_failed").at(59), 1);
  EXPECT_EQ(named(names, "sleep").at("running"), 1);
  EXPECT_EQ(named(names, "sleep").at("waiting"), 1);
  EXPECT_EQ(answer.at("folded"), 0);
}

TEST_F(FiguresOfALiveState, WhatIsNotKnownIsNull) {
  LiveState fresh{1000, kNoon - minutes{2}};
  fresh.apply(received("a", kNoon, "add"), kNoon);

  const json::object answer = names_answer(fresh, 60, kNoon);
  const json::object& add = named(answer.at("names"), "add");

  EXPECT_TRUE(add.at("spark").at(0).is_null());
  EXPECT_EQ(add.at("spark").at(59), 0);
  EXPECT_TRUE(add.at("run").is_null());
  EXPECT_TRUE(add.at("failure_ratio").is_null());
  EXPECT_TRUE(add.at("queue").is_null());
}

TEST_F(FiguresOfALiveState, OneNameHasItsParametersAndWorkers) {
  run("a", "add");
  CatalogueEntry entry;
  entry.name = "add";
  entry.queue = QueueName{"umbel"};
  entry.parameters = {{"x", "integer", true, ""}, {"y", "integer", false, "5"}};

  const auto answer = name_answer(state, "add", &entry, now);

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->at("windows").at("1").at("succeeded"), 1);
  EXPECT_EQ(answer->at("windows").at("60").at("succeeded"), 1);
  EXPECT_EQ(answer->at("parameters").at(1).at("default"), 5);
  EXPECT_EQ(answer->at("workers").at(0), "w1@host");
  EXPECT_TRUE(name_answer(state, "add", nullptr, now)->at("parameters").is_null());
  entry.name = "never.ran";
  const auto unseen = name_answer(state, "never.ran", &entry, now);
  ASSERT_TRUE(unseen.has_value());
  EXPECT_TRUE(unseen->at("last_seen").is_null());
  EXPECT_EQ(unseen->at("windows").at("5").at("received"), 0);
  EXPECT_EQ(name_answer(state, "nobody", nullptr, now).error().code, Errc::NotFound);
}

TEST_F(FiguresOfALiveState, AWorkerHasItsTasksAndHowBusyItWas) {
  Event beat = heartbeat("w1@host", now, 4711);
  std::get<WorkerEvent>(beat).active = 3;
  apply(beat);
  state.tick(now);
  run("a", "add");
  run("b", "add", false);
  apply(in_queue(received("c", now, "sleep"), "umbel"));
  apply(started("c", now));
  apply(in_queue(received("d", now, "sleep"), "umbel"));
  CatalogueEntry its, other;
  its.name = "add";
  its.queue = QueueName{"umbel"};
  other.name = "grid";
  other.queue = QueueName{"geo"};
  const std::vector<CatalogueEntry> catalogue{its, other};

  const auto answer = worker_answer(state, "w1@host", std::nullopt, &catalogue, now);

  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->at("worker").at("pid"), 4711);
  EXPECT_EQ(answer->at("worker").at("status"), "online");
  EXPECT_EQ(answer->at("worker").at("registered"), (json::array{"add"}));
  ASSERT_EQ(answer->at("running").as_array().size(), 1U);
  EXPECT_EQ(answer->at("running").at(0).at("id"), "c");
  ASSERT_EQ(answer->at("prefetched").as_array().size(), 1U);
  EXPECT_EQ(answer->at("prefetched").at(0).at("id"), "d");
  EXPECT_DOUBLE_EQ(answer->at("spark_busy").at(59).as_double(), 3);
  EXPECT_TRUE(answer->at("spark_busy").at(58).is_null());
  EXPECT_EQ(answer->at("names").at(0),
            (json::object{{"name", "add"}, {"succeeded", 1}, {"failed", 1}}));
  EXPECT_TRUE(worker_answer(state, "w1@host", std::nullopt, nullptr, now)
                  ->at("worker")
                  .at("registered")
                  .is_null());
  EXPECT_EQ(worker_answer(state, "w9@host", std::nullopt, nullptr, now).error().code,
            Errc::NotFound);
}

TEST_F(FiguresOfALiveState, AQueueHasItsTrendItsNamesAndWhoTakesFromIt) {
  apply(heartbeat("w1@host", now));
  apply(in_queue(received("a", now, "add"), "umbel"));
  apply(in_queue(received("b", now, "sleep"), "umbel"));
  apply(in_queue(received("c", now, "sleep"), "umbel"));
  state.set_queues({figures("umbel", 20, 1, 100, 70)}, now);
  now += seconds{10};
  apply(heartbeat("w1@host", now));
  state.set_queues({figures("umbel", 15, 1, 105, 80)}, now);

  const auto answer = queue_answer(state, "umbel", now);

  ASSERT_TRUE(answer.has_value());
  const json::object& queue = answer->at("queue").as_object();
  EXPECT_DOUBLE_EQ(queue.at("drain_seconds").to_number<double>(), 30);  // 1.0/s out, 0.5/s in
  EXPECT_TRUE(queue.at("why").is_null());
  EXPECT_TRUE(queue.at("stalled_since").is_null());
  EXPECT_EQ(queue.at("oldest_task"), "a");
  EXPECT_EQ(answer->at("consumers"), (json::array{"w1@host"}));
  EXPECT_EQ(answer->at("names").at(0), (json::object{{"name", "sleep"}, {"waiting", 2}}));
  EXPECT_EQ(answer->at("oldest").as_array().size(), 3U);
  ASSERT_EQ(answer->at("trend").as_array().size(), 60U);
  EXPECT_EQ(answer->at("trend").at(59).at("ready"), 20);
  EXPECT_EQ(answer->at("trend").at(59).at("in"), 5);
  EXPECT_EQ(answer->at("trend").at(59).at("out"), 10);
  EXPECT_TRUE(answer->at("trend").at(0).at("ready").is_null());
  EXPECT_EQ(queue_answer(state, "nope", now).error().code, Errc::NotFound);
}

TEST_F(FiguresOfALiveState, AQueueThatStandsStillSaysSinceWhenAndWhy) {
  Event beat = heartbeat("w1@host", now);
  std::get<WorkerEvent>(beat).queues = "umbel";
  std::get<WorkerEvent>(beat).active = 4;
  apply(beat);
  for (const char* id : {"a", "b", "c", "d"}) {
    apply(in_queue(received(id, now, "demo.sleep"), "umbel"));
    apply(started(id, now));
  }
  QueueFigures reddit = figures("reddit", 12, 0, 12, 0);
  reddit.oldest_ready = now - minutes{4};
  const std::vector<QueueFigures> both{figures("umbel", 5, 1, 9, 0), reddit};
  state.set_queues(both, now);
  const WallTime since = now;
  now += seconds{4};
  apply(beat);
  state.set_queues(both, now);
  EXPECT_TRUE(queue_answer(state, "umbel", now)->at("queue").at("why").is_null());
  now = since + seconds{15};
  apply(beat);
  state.set_queues(both, now);

  const json::value umbel = queue_answer(state, "umbel", now)->at("queue");
  EXPECT_EQ(umbel.at("why"), "its worker is busy with demo.sleep (4)");
  EXPECT_DOUBLE_EQ(umbel.at("stalled_since").as_double(), to_unix_seconds(since));
  EXPECT_TRUE(umbel.at("drain_seconds").is_null());
  const json::value standing = queue_answer(state, "reddit", now)->at("queue");
  EXPECT_EQ(standing.at("why"), "no worker takes from it; 1 online takes from umbel");
  EXPECT_DOUBLE_EQ(standing.at("stalled_since").as_double(), to_unix_seconds(since - minutes{4}));
  state.caught_up(now);
  const Truth truth = state.truth(now);
  EXPECT_EQ(truth.level, TruthLevel::Bad);
  EXPECT_EQ(truth.text,
            "Queue reddit has stood still for 4 min 15 s: no worker takes from it; 1 online takes "
            "from umbel. 12 tasks wait.");
  EXPECT_EQ(truth.link, "/queue/reddit");

  state.set_broker_error("broker.db: locked");
  EXPECT_EQ(queue_answer(state, "umbel", now)->at("queue").at("why"),
            "the broker does not answer: broker.db: locked");
}

TEST_F(FiguresOfALiveState, ATakenTaskIsAStep) {
  state.set_queues({figures("umbel", 5, 1, 9, 0)}, now);
  now += seconds{60};
  state.set_queues({figures("umbel", 4, 1, 9, 0)}, now);  // one was taken and is not done
  now += seconds{5};
  state.set_queues({figures("umbel", 6, 1, 11, 0)}, now);
  EXPECT_TRUE(queue_answer(state, "umbel", now)->at("queue").at("stalled_since").is_null());
}

class FiguresOverHttp : public CollectorSession {};

TEST_F(FiguresOverHttp, NamesWorkersAndQueuesAreAnswered) {
  CatalogueEntry add;
  add.name = "add";
  add.queue = QueueName{"umbel"};
  engines.store->catalogue().upsert(std::span{&add, 1}, now()).value();
  const std::vector<QueueName> queues{QueueName{"umbel"}};
  engines.broker->declare(queues).value();
  start();
  engines.publish({heartbeat("w1@host", now()), received("a", now()), started("a", now()),
                   succeeded("a", now())});
  ASSERT_TRUE(eventually([&] {
    const auto names = ask_json("/api/names").at("names").as_array();
    return !names.empty() && names[0].at("succeeded") == 1;
  }));
  ASSERT_TRUE(eventually([&] { return ask("/api/queue/umbel").status == 200; }));

  EXPECT_EQ(ask_json("/api/names?minutes=60").at("minutes"), 60);
  EXPECT_EQ(ask("/api/names?minutes=7").status, 400);
  EXPECT_NE(ask("/api/names?minutes=7").body.find("1, 60"), std::string::npos);
  EXPECT_EQ(ask_json("/api/name/add").at("windows").at("5").at("succeeded"), 1);
  EXPECT_EQ(ask("/api/name/nobody").status, 404);
  EXPECT_EQ(ask_json("/api/worker/w1%40host").at("worker").at("registered"), (json::array{"add"}));
  EXPECT_EQ(ask("/api/worker/w9@host").status, 404);
  EXPECT_EQ(ask_json("/api/queue/umbel").at("consumers"), (json::array{"w1@host"}));
  EXPECT_EQ(ask("/api/queue/nope").status, 404);
  EXPECT_EQ(ask_json("/api/series?range=3600").at("step"), 60);
  EXPECT_EQ(ask("/api/series?range=1").status, 400);
  EXPECT_EQ(ask("/api/names", "POST").status, 405);
}

TEST_F(FiguresOverHttp, ARestartKnowsTheNamesOfTheLastHour) {
  start();
  engines.publish({received("a", now()), started("a", now()), succeeded("a", now())});
  const auto known = [&] {
    const auto answer = ask_json("/api/name/add");
    const json::object& object = answer.as_object();
    return object.contains("windows") && object.at("windows").at("60").at("succeeded") == 1;
  };
  ASSERT_TRUE(eventually(known));

  start();

  EXPECT_TRUE(known());
}

TEST_F(FiguresOverHttp, OnAnotherAddressTheyAreClosed) {
  CollectorOptions options;
  options.address = "0.0.0.0";
  start(options);
  for (const char* path :
       {"/api/series", "/api/names", "/api/name/a", "/api/worker/a", "/api/queue/a"}) {
    EXPECT_EQ(ask(path).status, 401) << path;
  }
}

}  // namespace
}  // namespace umbel::collector
