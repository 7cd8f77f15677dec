#include "umbel/collector/collector.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "test_engines.hpp"
#include "test_events.hpp"
#include "umbel/http/client.hpp"
#include "umbel/ops/ops_server.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/raw_connection.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using testing::eventually;
using testing::RawConnection;

class CollectorOverHttp : public ::testing::Test {
 protected:
  void start(CollectorOptions options = {}) {
    collector.reset();
    options.port = 0;
    options.max_connections = 16;
    options.version = "0.1.0";
    metrics = std::make_unique<metrics::Metrics>("collector");
    collector = std::make_unique<Collector>(std::move(options), *engines.broker, *engines.store,
                                            *engines.history, enqueuer, engines.clock, *metrics,
                                            Log::none());
    collector->add_routes([this](http::Router& router, const Readiness& ready, auto before) {
      add_ops_routes(router, *metrics, ready, std::move(before));
    });
    const auto begun = collector->start();
    ASSERT_TRUE(begun.has_value()) << begun.error().what;
  }
  void TearDown() override { collector.reset(); }

  http::ClientResponse ask(const std::string& path, const std::string& method = "GET",
                           const std::string& body = "",
                           std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(collector->port()) + path;
    request.body = body;
    request.headers = std::move(headers);
    auto response = client.send(request);
    if (!response) throw std::runtime_error{response.error().what};
    return *response;
  }
  json::value ask_json(const std::string& path) { return json::parse(ask(path).body); }
  std::string submit(const std::string& name, const std::string& body) {
    return std::string{
        json::parse(ask("/task/" + name, "POST", body).body).at("task").at("id").as_string()};
  }
  std::string status_of(const std::string& id) {
    return std::string{ask_json("/task/status/" + id).at("status").as_string()};
  }
  WallTime now() { return engines.clock.wall(); }
  json::value next_message(RawConnection& page) {
    const auto text = page.frame();
    return text ? json::parse(*text) : json::value{};
  }

  TestEngines engines;
  Enqueuer enqueuer{*engines.store, *engines.broker, engines.clock, Log::none(), "gen1@host"};
  http::Client client;
  std::unique_ptr<metrics::Metrics> metrics;
  std::unique_ptr<Collector> collector;
};

TEST_F(CollectorOverHttp, AcceptsATaskAndKnowsItsStatusAtOnce) {
  start();

  const auto response = ask("/task/add", "POST", R"({"x": 1, "y": 2})");

  ASSERT_EQ(response.status, 200) << response.body;
  const json::value task = json::parse(response.body).at("task");
  EXPECT_EQ(task.at("name").as_string(), "add");
  EXPECT_EQ(task.at("status").as_string(), "PENDING");
  const std::string id{task.at("id").as_string()};
  EXPECT_EQ(ask("/task/status/" + id).body,
            R"({"id": ")" + id + R"(", "result": null, "status": "PENDING"})");
}

TEST_F(CollectorOverHttp, TheStatusIsTheResultElseWhatEventsSay) {
  start();
  const std::string id = submit("add", R"({"x": 1, "y": 2})");

  engines.publish({received(id, now()), started(id, now())});
  ASSERT_TRUE(eventually([&] { return status_of(id) == "STARTED"; }));
  engines.finish(id, R"({"sum": 3})");

  EXPECT_EQ(ask("/task/status/" + id).body,
            R"({"id": ")" + id + R"(", "result": {"sum": 3}, "status": "SUCCESS"})");
}

TEST_F(CollectorOverHttp, AFailedTasksResultIsTheExceptionDocument) {
  start();
  engines.finish("a",
                 R"({"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"})",
                 TaskState::Failure);

  const json::value status = ask_json("/task/status/a");

  EXPECT_EQ(status.at("status").as_string(), "FAILURE");
  EXPECT_EQ(status.at("result").at("exc_type").as_string(), "ValueError");
}

TEST_F(CollectorOverHttp, AnUnknownIdIs404AndNeverPending) {
  start();

  EXPECT_EQ(ask("/task/status/nope").status, 404);
  EXPECT_EQ(ask("/api/task/info/nope").status, 404);
}

TEST_F(CollectorOverHttp, RefusesABodyThatIsNoObjectAndArgumentsTheTaskDoesNotTake) {
  CatalogueEntry add;
  add.name = "add";
  add.queue = QueueName{"umbel"};
  add.parameters = {{"x", "integer", true, ""}, {"y", "integer", true, ""}};
  engines.store->catalogue().upsert(std::span{&add, 1}, now()).value();
  start();

  EXPECT_EQ(ask("/task/add", "POST", "{").status, 400);
  EXPECT_EQ(ask("/task/add", "POST", "[1, 2]").status, 400);
  const auto surplus = ask("/task/add", "POST", R"({"x": 1, "y": 2, "z": 3})");
  EXPECT_EQ(surplus.status, 422);
  EXPECT_NE(surplus.body.find("`z`"), std::string::npos) << surplus.body;
  EXPECT_EQ(ask("/task/add", "POST", R"({"x": 1})").status, 422);
  EXPECT_EQ(ask("/task/unheard.of", "POST", "").status, 200);
  EXPECT_EQ(ask("/task/add", "DELETE").status, 405);
}

TEST_F(CollectorOverHttp, AnswersTasksInFlowersShape) {
  start();
  engines.publish({received("a", now()), started("a", now()), succeeded("a", now()),
                   received("b", now(), "</b>")});
  ASSERT_TRUE(eventually([&] { return ask("/api/task/info/b").status == 200; }));

  const json::value tasks = ask_json("/api/tasks?sort_by=-name");
  ASSERT_EQ(tasks.as_object().size(), 2U);
  const json::object& a = tasks.at("a").as_object();
  EXPECT_EQ(a.size(), 31U);
  EXPECT_EQ(a.begin()->key(), "uuid");
  EXPECT_EQ(std::prev(a.end())->key(), "worker");
  EXPECT_EQ(a.at("state").as_string(), "SUCCESS");
  const json::value info = ask_json("/api/task/info/a");
  EXPECT_EQ(std::prev(info.as_object().end())->key(), "children");
  EXPECT_NE(ask("/api/tasks").body.find(R"("name": "<\/b>")"), std::string::npos);
}

TEST_F(CollectorOverHttp, FiltersAndSortsTasks) {
  start();
  const WallTime t = now();
  engines.publish({received("a", t, "zeta"), received("b", t + std::chrono::seconds{1}, "Alpha"),
                   received("c", t + std::chrono::seconds{2}, "beta"),
                   succeeded("c", t + std::chrono::seconds{3})});
  ASSERT_TRUE(eventually([&] { return ask_json("/api/tasks").as_object().size() == 3; }));
  const auto ids = [&](const std::string& query) {
    std::string all;
    const json::value answer = ask_json("/api/tasks?" + query);
    for (const auto& each : answer.as_object()) all += each.key();
    return all;
  };

  EXPECT_EQ(ids(""), "cba");
  EXPECT_EQ(ids("sort_by=name"), "bca");
  EXPECT_EQ(ids("sort_by=-received"), "cba");
  EXPECT_EQ(ids("sort_by=received&limit=1&offset=1"), "b");
  EXPECT_EQ(ids("limit=0"), "");
  EXPECT_EQ(ids("state=success"), "c");
  EXPECT_EQ(ids("taskname=ALPHA"), "b");
  EXPECT_EQ(ids("workername=All"), "cba");
  EXPECT_EQ(ids("workername=other@host"), "");
  EXPECT_EQ(ids("received_start=2100-01-01%2000:00"), "");
  for (const char* wrong :
       {"limit=x", "offset=1.5", "sort_by=runtime", "received_end=yesterday", "limit=-1"}) {
    SCOPED_TRACE(wrong);
    const auto refused = ask(std::string{"/api/tasks?"} + wrong);
    EXPECT_EQ(refused.status, 400);
    EXPECT_NE(refused.body.find("allowed is"), std::string::npos) << refused.body;
  }
}

TEST_F(CollectorOverHttp, AnswersWorkersInFlowersShape) {
  start();
  engines.publish({heartbeat("w1@host", now())});
  ASSERT_TRUE(eventually([&] { return ask_json("/api/workers").as_object().contains("w1@host"); }));

  const json::value worker = ask_json("/api/workers").at("w1@host");
  EXPECT_EQ(worker.at("stats").at("pool").at("max-concurrency").to_number<int>(), 4);
  EXPECT_EQ(worker.at("active_queues").as_array().size(), 2U);
  EXPECT_EQ(ask("/api/workers?status=1").body, R"({"w1@host": true})");
  EXPECT_EQ(ask("/api/workers?workername=w1%40host").status, 200);
  const auto unknown = ask("/api/workers?workername=nope");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body, "Unknown worker 'nope'");
  EXPECT_EQ(ask("/api/workers?refresh=maybe").status, 400);
}

TEST_F(CollectorOverHttp, TellsPrometheusWhatToScrape) {
  CollectorOptions options;
  options.static_targets = {"scheduler=127.0.0.1:9201"};
  start(options);
  engines.publish({heartbeat("w1@host", now())});

  EXPECT_TRUE(
      eventually([&] { return ask_json("/api/prometheus/targets").as_array().size() == 2; }));
  EXPECT_EQ(ask_json("/api/prometheus/targets").at(0).at("labels").at("program").as_string(),
            "scheduler");
}

TEST_F(CollectorOverHttp, ItsMetricsFollowWhatItSees) {
  start();
  engines.broker->declare(std::vector{QueueName{"umbel"}}).value();
  engines.publish({heartbeat("w1@host", now()), received("a", now()), started("a", now())});
  const auto shows = [&](const std::string& line) {
    return ask("/metrics").body.find(line) != std::string::npos;
  };

  EXPECT_TRUE(eventually([&] { return shows("umbel_tasks{state=\"STARTED\"} 1"); }));
  EXPECT_TRUE(eventually([&] { return shows("umbel_workers{status=\"online\"} 1"); }));
  EXPECT_TRUE(
      eventually([&] { return shows("umbel_queue_tasks{queue=\"umbel\",state=\"ready\"} 0"); }));
  EXPECT_TRUE(shows("umbel_live_clients 0"));
  EXPECT_TRUE(shows("umbel_http_requests_total{status=\"2xx\"} "));
  EXPECT_TRUE(eventually([&] { return ask("/readyz").status == 200; }));
  engines.history->broken = true;
  engines.publish({received("b", now())});
  EXPECT_TRUE(eventually([&] { return ask("/readyz").status == 503; }));
  engines.history->broken = false;
}

TEST_F(CollectorOverHttp, ServesThePageUnderAStrictPolicyCompressed) {
  start();

  const auto page = ask("/", "GET", "", {{"Accept-Encoding", "identity"}});
  ASSERT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_NE(page.headers.at("content-security-policy").find("default-src 'none'"),
            std::string::npos);
  EXPECT_EQ(page.headers.at("cache-control"), "no-cache");
  EXPECT_EQ(ask("/", "GET", "", {{"If-None-Match", page.headers.at("etag")}}).status, 304);
  const auto begin = page.body.find("/assets/index-");
  ASSERT_NE(begin, std::string::npos);
  const std::string script = page.body.substr(begin, page.body.find('"', begin) - begin);

  RawConnection raw{collector->port()};
  const std::string answer = raw.ask(
      "GET " + script + " HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\n\r\n");
  EXPECT_NE(answer.find("Content-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_NE(answer.find("immutable"), std::string::npos);
  EXPECT_EQ(ask("/assets/nope.js").status, 404);
}

TEST_F(CollectorOverHttp, APageSeesASnapshotThenChanges) {
  start();
  RawConnection page{collector->port()};
  ASSERT_TRUE(page.ask(testing::upgrade("/api/live")).starts_with("HTTP/1.1 101"));

  const json::value snapshot = next_message(page);
  ASSERT_EQ(snapshot.at("type").as_string(), "snapshot");
  for (const char* section : {"truth", "data_source", "totals", "monitor", "workers", "queues",
                              "tasks", "submissions", "series", "schedule"}) {
    EXPECT_TRUE(snapshot.as_object().contains(section)) << section;
  }
  engines.publish({received("a", now())});

  std::uint64_t last = snapshot.at("seq").to_number<std::uint64_t>();
  for (bool seen = false; !seen;) {
    const json::value change = next_message(page);
    ASSERT_TRUE(change.is_object());
    ASSERT_EQ(change.at("seq").to_number<std::uint64_t>(), ++last);
    const json::value* const tasks = change.as_object().if_contains("tasks");
    seen = tasks != nullptr && tasks->at(0).at("id").as_string() == "a";
  }
  page.send_text(R"({"type":"ping"})");
  for (json::value message; message.is_null() || message.at("type").as_string() != "pong";) {
    message = next_message(page);
    ASSERT_TRUE(message.is_object());
  }
}

TEST_F(CollectorOverHttp, APageThatWasAwayIsGivenWhatItMissed) {
  start();
  json::value snapshot;
  {
    RawConnection page{collector->port()};
    ASSERT_TRUE(page.ask(testing::upgrade("/api/live")).starts_with("HTTP/1.1 101"));
    snapshot = next_message(page);
  }
  engines.publish({received("a", now())});
  ASSERT_TRUE(eventually([&] { return ask("/api/task/info/a").status == 200; }));
  const auto since = snapshot.at("seq").to_number<std::uint64_t>();
  const std::string epoch{snapshot.at("epoch").as_string()};

  RawConnection again{collector->port()};
  again.ask(testing::upgrade("/api/live?since=" + std::to_string(since) + "&epoch=" + epoch));
  EXPECT_EQ(next_message(again).at("type").as_string(), "resumed");
  bool seen = false;
  for (std::uint64_t expected = since + 1; !seen; ++expected) {
    const json::value change = next_message(again);
    ASSERT_TRUE(change.is_object());
    ASSERT_EQ(change.at("seq").to_number<std::uint64_t>(), expected);
    seen = change.as_object().contains("tasks");
  }
  for (const std::string& wrong : std::vector<std::string>{
           "since=1&epoch=other", "since=999999999&epoch=" + epoch, "since=x&epoch=" + epoch}) {
    SCOPED_TRACE(wrong);
    RawConnection stranger{collector->port()};
    stranger.ask(testing::upgrade("/api/live?" + wrong));
    EXPECT_EQ(next_message(stranger).at("type").as_string(), "snapshot");
  }
}

TEST_F(CollectorOverHttp, ARestartKeepsCountsAndNumbersRise) {
  start();
  engines.publish({received("a", now()), succeeded("a", now())});
  ASSERT_TRUE(eventually([&] {
    return ask_json("/api/overview").at("totals").at("succeeded").to_number<int>() == 1;
  }));
  const json::value before = ask_json("/api/overview");

  start();

  const json::value after = ask_json("/api/overview");
  EXPECT_EQ(after.at("totals").at("succeeded").to_number<int>(), 1);
  EXPECT_EQ(after.at("totals").at("started_at"), before.at("totals").at("started_at"));
  EXPECT_NE(after.at("epoch"), before.at("epoch"));
  EXPECT_GT(after.at("seq").to_number<std::uint64_t>(),
            before.at("seq").to_number<std::uint64_t>());
  EXPECT_EQ(after.at("tasks").at(0).at("id").as_string(), "a");
}

TEST_F(CollectorOverHttp, RefusesForeignHostsAndForeignPages) {
  start();
  const std::string own = "http://127.0.0.1:" + std::to_string(collector->port());

  EXPECT_EQ(ask("/api/tasks", "GET", "", {{"Host", "evil.example"}}).status, 403);
  EXPECT_EQ(ask("/task/add", "POST", "{}", {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_EQ(ask("/task/add", "POST", "{}", {{"Origin", own}}).status, 200);
  RawConnection page{collector->port()};
  EXPECT_TRUE(page.ask(testing::upgrade("/api/live", "Origin: http://evil.example\r\n"))
                  .starts_with("HTTP/1.1 403"));
}

TEST_F(CollectorOverHttp, OnAnotherAddressTheApiIsClosed) {
  CollectorOptions options;
  options.address = "0.0.0.0";
  start(options);

  for (const char* path :
       {"/api/tasks", "/api/workers", "/api/overview", "/api/task/info/a", "/api/live"}) {
    EXPECT_EQ(ask(path).status, 401) << path;
  }
  EXPECT_EQ(ask("/task/add", "POST", "{}").status, 401);
  for (const char* path : {"/metrics", "/healthz", "/version", "/api/prometheus/targets", "/"}) {
    EXPECT_EQ(ask(path).status, 200) << path;
  }
  RawConnection page{collector->port()};
  EXPECT_TRUE(page.ask(testing::upgrade("/api/live")).starts_with("HTTP/1.1 401"));
}

TEST_F(CollectorOverHttp, OnAnotherAddressTheApiIsOpenIfThatIsAskedFor) {
  CollectorOptions options;
  options.address = "0.0.0.0";
  options.unauthenticated_api = true;
  start(options);

  for (const char* path : {"/api/tasks", "/api/workers", "/api/overview"}) {
    EXPECT_EQ(ask(path).status, 200) << path;
  }
  EXPECT_EQ(ask("/task/add", "POST", "{}").status, 200);
  EXPECT_EQ(ask("/task/add", "POST", "{}", {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_EQ(ask("/api/tasks", "GET", "", {{"Host", "evil.example"}}).status, 403);
  RawConnection page{collector->port()};
  EXPECT_TRUE(page.ask(testing::upgrade("/api/live")).starts_with("HTTP/1.1 101"));
}

TEST_F(CollectorOverHttp, StopsQuicklyWithPagesOpen) {
  start();
  RawConnection page{collector->port()};
  page.ask(testing::upgrade("/api/live"));
  ASSERT_TRUE(page.frame().has_value());

  const auto begin = std::chrono::steady_clock::now();
  collector->stop();

  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{2});
  EXPECT_TRUE(page.closed());
}

}  // namespace
}  // namespace umbel::collector
