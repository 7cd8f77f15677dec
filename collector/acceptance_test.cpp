// Acceptance over HTTP while the store fails: nothing half done, and no id without a status.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <thread>

#include "apply_request.hpp"
#include "test_engines.hpp"
#include "umbel/collector/collector.hpp"
#include "umbel/http/client.hpp"
#include "umbel/testing/faulty_store.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

// A collector over a store whose calls can be told to fail.
struct Session {
  explicit Session(testing::FaultPlan& plan) : store{*engines.store, plan} {
    CollectorOptions options;
    options.port = 0;
    options.max_connections = 16;
    collector = std::make_unique<Collector>(options, *engines.broker, store, *engines.history,
                                            enqueuer, engines.clock, metrics, Log::none());
    const auto begun = collector->start();
    if (!begun) throw std::runtime_error{begun.error().what};
  }

  http::ClientResponse ask(const std::string& method, const std::string& path,
                           const std::string& body = "") {
    http::Client client;
    http::ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(collector->port()) + path;
    request.body = body;
    auto response = client.send(request);
    if (!response) throw std::runtime_error{response.error().what};
    return *response;
  }
  http::ClientResponse apply(const std::string& body) {
    return ask("POST", "/api/task/async-apply/add", body);
  }
  int status_of(const std::string& id) { return ask("GET", "/task/status/" + id).status; }

  TestEngines engines;
  testing::FaultyStore store;
  Enqueuer enqueuer{store, *engines.broker, engines.clock, Log::none(), "gen1@host"};
  metrics::Metrics metrics{"collector"};
  std::unique_ptr<Collector> collector;
};

std::string id_in(const http::ClientResponse& response) {
  return std::string{json::parse(response.body).at("task-id").as_string()};
}

TEST(Acceptance, WhileTheStoreIsDownNothingIsAcceptedAndTheReasonIsNamed) {
  testing::FaultPlan plan;
  plan.only("outbox.");
  Session session{plan};
  plan.out(true);

  const auto applied = session.apply(R"({"task_id": "mine"})");
  const auto submitted = session.ask("POST", "/task/add", "{}");

  for (const auto& refused : {applied, submitted}) {
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.at("retry-after"), "1");
    EXPECT_NE(refused.body.find("the store does not answer"), std::string::npos) << refused.body;
    EXPECT_EQ(refused.body.find("task-id"), std::string::npos);
  }
  plan.out(false);
  EXPECT_EQ(session.status_of("mine"), 404);
  EXPECT_EQ(session.apply(R"({"task_id": "mine"})").status, 200);
  EXPECT_EQ(session.status_of("mine"), 200);
}

TEST(Acceptance, WhicheverStoreCallFailsAnIdThatWasGivenOutHasAStatus) {
  for (const auto when : {testing::When::Before, testing::When::After}) {
    for (const char* call : {"outbox.", "catalogue."}) {
      testing::FaultPlan plan;
      plan.only(call);
      Session session{plan};
      for (int nth = 1; nth <= 4; ++nth) {
        SCOPED_TRACE(std::string{call} + " " + std::to_string(nth) + " " + to_text(when));
        plan.fail(nth, when);
        const std::string mine = "mine-" + std::to_string(nth);

        const auto answer = session.apply(R"({"task_id": ")" + mine + R"("})");
        const auto other = session.apply("{}");

        plan.fail(0, when);
        for (const auto& each : {answer, other}) {
          if (each.status == 200) {
            EXPECT_EQ(session.status_of(id_in(each)), 200);
          } else {
            EXPECT_EQ(each.status, 503) << each.body;
          }
        }
        // Whatever was answered, the same id again is accepted, and is one task.
        const auto again = session.apply(R"({"task_id": ")" + mine + R"("})");
        EXPECT_EQ(again.status, 200) << again.body;
        EXPECT_EQ(id_in(again), mine);
        EXPECT_EQ(session.status_of(mine), 200);
      }
    }
  }
}

TEST(Acceptance, AnIdSentManyTimesAtOnceIsOneTask) {
  testing::FaultPlan plan;
  Session session{plan};
  std::atomic<int> accepted{0};
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back([&] {
        const auto answer = session.apply(R"({"args": [1, 2], "task_id": "once"})");
        accepted += answer.status == 200 && id_in(answer) == "once" ? 1 : 0;
      });
    }
  }

  EXPECT_EQ(accepted, 8);
  std::uint64_t ready = 0;
  for (const auto& queue : session.engines.broker->queues().value()) ready += queue.ready;
  EXPECT_EQ(ready, 1U);
  const auto other = session.ask("POST", "/api/task/send-task/subtract", R"({"task_id": "once"})");
  EXPECT_EQ(other.status, 409);
  EXPECT_NE(other.body.find("`add`"), std::string::npos) << other.body;
}

TEST(ApplyRequest, TakesFlowersOptions) {
  const WallTime now{std::chrono::seconds{1'000'000}};

  const auto task = apply_request(
      "add",
      R"({"args": [1], "kwargs": {"y": 2}, "task_id": "a", "queue": "q", "countdown": 5,)"
      R"("expires": "1970-01-13T00:00:00Z", "priority": 3, "eta": null})",
      now);

  ASSERT_TRUE(task.has_value()) << task.error().what;
  EXPECT_EQ(task->args, "[1]");
  EXPECT_EQ(task->kwargs, R"({"y": 2})");
  EXPECT_EQ(task->id, TaskId{"a"});
  EXPECT_EQ(task->queue, QueueName{"q"});
  EXPECT_EQ(task->eta, now + std::chrono::seconds{5});
  EXPECT_TRUE(task->expires.has_value());
  EXPECT_EQ(task->priority, 3);
  EXPECT_EQ(apply_request("add", "  ", now)->args, "[]");
}

TEST(ApplyRequest, SaysWhatIsWrongAndWhatIsAllowed) {
  const WallTime now{std::chrono::seconds{1'000'000}};
  for (const auto& [body, part] : std::vector<std::pair<const char*, const char*>>{
           {"{", "not JSON"},
           {"[1]", "JSON object"},
           {R"({"args": {}})", "`args` must be a list"},
           {R"({"kwargs": []})", "`kwargs` must be an object"},
           {R"({"task_id": 5})", "`task_id` must be a text"},
           {R"({"task_id": ""})", "1 to 255"},
           {R"({"queue": ""})", "`queue`"},
           {R"({"countdown": "soon"})", "number of seconds"},
           {R"({"countdown": 1e300})", "ten years"},
           {R"({"eta": "tomorrow"})", "2030-01-31"},
           {R"({"countdown": 1, "eta": 1})", "one of them"},
           {R"({"priority": 256})", "0 to 255"},
           {R"({"retries": 3})", "`retries` is no option; allowed are"}}) {
    const auto task = apply_request("add", body, now);
    ASSERT_TRUE(task.has_error()) << body;
    EXPECT_NE(task.error().what.find(part), std::string::npos) << task.error().what;
  }
}

}  // namespace
}  // namespace umbel::collector
