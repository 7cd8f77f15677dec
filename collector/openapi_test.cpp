#include "openapi.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "http_session.hpp"
#include "openapi_check.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using testing::eventually;
using ::testing::IsEmpty;

const json::value& description() {
  static const json::value parsed = json::parse(openapi_text());
  return parsed;
}

// `/api/name/<name...>` as `/api/name/{name}`.
std::string as_described(std::string path) {
  for (auto& [from, to] : {std::pair{"...>", "}"}, std::pair{">", "}"}, std::pair{"<", "{"}}) {
    const std::string what = from;
    for (auto at = path.find(what); at != std::string::npos; at = path.find(what))
      path.replace(at, what.size(), to);
  }
  return path;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

class Description : public CollectorSession {};

TEST_F(Description, IsOfEveryRouteAndOfNoOther) {
  std::set<std::string> routes, described;
  collector = std::make_unique<Collector>(
      [] {
        CollectorOptions options;
        options.port = 0;
        return options;
      }(),
      *engines.broker, *engines.store, *engines.history, enqueuer, engines.clock,
      *(metrics = std::make_unique<metrics::Metrics>("collector")), Log::none());
  collector->add_routes([&](http::Router& router, const Readiness&, auto) {
    for (const auto& [method, path] : router.routes()) {
      const bool page = path.starts_with("/task/<") && method == "GET";
      const bool api = path.starts_with("/api/") || path.starts_with("/task/");
      if (api && !page) routes.insert(lower(method) + " " + as_described(path));
    }
  });
  ASSERT_TRUE(collector->start().has_value());
  for (const auto& [path, operations] : description().at("paths").as_object()) {
    for (const auto& [method, operation] : operations.as_object())
      described.insert(std::string{method} + " " + std::string{path});
  }
  EXPECT_EQ(routes, described);
}

TEST_F(Description, EveryReferenceHasItsSchema) {
  const std::string text{openapi_text()};
  const std::string mark = "\"#/components/schemas/";
  std::size_t found = 0;
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const auto begin = at + mark.size();
    const std::string name = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_TRUE(description().at("components").at("schemas").as_object().contains(name)) << name;
    ++found;
  }
  EXPECT_GT(found, 10U);
}

TEST_F(Description, TheAnswersAreWhatItSays) {
  CatalogueEntry add;
  add.name = "add";
  add.queue = QueueName{"umbel"};
  add.parameters = {{"x", "integer", true, ""}, {"y", "integer", false, "5"}};
  engines.store->catalogue().upsert(std::span{&add, 1}, now()).value();
  Submission submission;
  submission.fullname = "t3_a";
  submission.subreddit = "programming";
  submission.created = now() - std::chrono::hours{1};
  submission.fetched = now();
  submission.source = "api";
  engines.store->submissions().upsert(std::span{&submission, 1}).value();
  const std::vector<QueueName> queues{QueueName{"umbel"}};
  engines.broker->declare(queues).value();
  start();
  engines.publish({heartbeat("w1@host", now()), received("a", now()), started("a", now()),
                   succeeded("a", now()), received("b", now()), started("b", now()),
                   failed("b", now()), received("c", now())});
  ASSERT_TRUE(eventually([&] {
    return ask("/api/worker/w1@host").status == 200 && ask("/api/queue/umbel").status == 200 &&
           ask("/api/task/info/c").status == 200;
  }));
  const SchemaCheck wrong{description()};
  for (const auto& [path, described] : std::vector<std::pair<std::string, std::string>>{
           {"/api/series", "/api/series"},
           {"/api/series?range=86400", "/api/series"},
           {"/api/names", "/api/names"},
           {"/api/name/add", "/api/name/{name}"},
           {"/api/worker/w1@host", "/api/worker/{name}"},
           {"/api/queue/umbel", "/api/queue/{name}"},
           {"/api/submissions", "/api/submissions"},
           {"/api/system", "/api/system"},
           {"/api/search", "/api/search"},
           {"/api/openapi.json", "/api/openapi.json"}}) {
    SCOPED_TRACE(path);
    const auto answer = ask(path);
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(wrong(json::parse(answer.body), wrong.answer_of(described)), IsEmpty());
  }
}

ScheduleCard every_half_minute(const std::string& name) {
  return {.name = name,
          .task = "add",
          .args = "[1, 2]",
          .kwargs = "{}",
          .queue = "umbel",
          .expression = "every 30s",
          .zone = {},
          .definition = "every 30s",
          .description = {},
          .enabled = true};
}

TEST_F(Description, TheAnswersOfLookingUpAndActingAreWhatItSays) {
  ASSERT_TRUE(engines.store->schedules().publish(
      "s1", std::vector{every_half_minute("a/b"), every_half_minute("never ran")}, now()));
  TickedTask ticked;
  ticked.request.name = "add";
  ticked.request.args = "[1, 2]";
  ticked.tick = Tick{.schedule = "a/b", .due = now()};
  const auto waits = enqueuer.submit_ticks({&ticked, 1}).value().front().value().id;
  start();
  Event child = received("c", now());
  std::get<TaskEvent>(child).parent_id = "b";
  engines.publish({heartbeat("w1@host", now()), received("a", now()), started("a", now()),
                   retried("a", now()), received("a", now()), started("a", now()),
                   succeeded("a", now()), received("b", now()), started("b", now()),
                   failed("b", now()), child});
  ASSERT_TRUE(eventually([&] {
    return engines.history->timeline(TaskId{"b"})->size() == 3 &&
           ask("/api/task/info/c").status == 200;
  }));
  const auto failure = ask_json("/api/errors").at("groups").at(0).at("fingerprint").as_string();
  const std::string error = "/api/error/" + std::string{failure};
  const SchemaCheck wrong{description()};
  const auto ids = [](const std::string& id) { return R"({"ids": ["nobody", ")" + id + "\"]}"; };
  struct Asked {
    std::string method, path, described, body;
  };
  const std::vector<Asked> all{
      {"get", "/api/search?q=state:failed", "/api/search", ""},
      {"get", "/api/task/detail/a", "/api/task/detail/{id}", ""},
      {"get", "/api/task/detail/b", "/api/task/detail/{id}", ""},
      {"get", "/api/task/detail/c", "/api/task/detail/{id}", ""},
      {"get", "/api/task/detail/" + waits.str(), "/api/task/detail/{id}", ""},
      {"get", "/api/errors", "/api/errors", ""},
      {"get", error, "/api/error/{fingerprint}", ""},
      {"get", "/api/complete?q=sta", "/api/complete", ""},
      {"get", "/api/export?format=json", "/api/export", ""},
      {"get", "/api/schedule", "/api/schedule", ""},
      {"get", "/api/schedule/a%2Fb/ticks", "/api/schedule/{name}/ticks", ""},
      {"post", "/api/schedule/a%2Fb/pause", "/api/schedule/{name}/pause", R"({"reason": "x"})"},
      {"get", "/api/schedule", "/api/schedule", ""},
      {"post", "/api/schedule/a%2Fb/resume", "/api/schedule/{name}/resume", ""},
      {"post", "/api/schedule/a%2Fb/run", "/api/schedule/{name}/run", ""},
      {"post", "/api/tasks/retry", "/api/tasks/retry", ids("b")},
      {"post", "/api/tasks/revoke", "/api/tasks/revoke", ids(waits.str())},
      {"post", "/api/task/revoke/c", "/api/task/revoke/{id}", ""},
      {"get", "/api/audit?limit=3", "/api/audit", ""}};
  for (const auto& [method, path, described, body] : all) {
    SCOPED_TRACE(method + " " + path);
    const auto answer = ask(path, method == "get" ? "GET" : "POST", body);
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(wrong(json::parse(answer.body), wrong.answer_of(described, method)), IsEmpty());
  }
}

}  // namespace
}  // namespace umbel::collector
