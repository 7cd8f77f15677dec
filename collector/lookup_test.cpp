// One task, errors, completion and export over HTTP.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "http_session.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using testing::eventually;

class LookupOverHttp : public CollectorSession {
 protected:
  json::value detail(const std::string& id) { return ask_json("/api/task/detail/" + id); }
  std::size_t found(const std::string& arguments) {
    return ask_json("/api/search?" + arguments).at("tasks").as_array().size();
  }
  static Event of_family(Event event, const std::string& parent) {
    std::get<TaskEvent>(event).parent_id = parent;
    return event;
  }
};

TEST_F(LookupOverHttp, ATaskHasItsAttemptsValuesAndFamily) {
  start();
  const auto at = now();
  engines.publish({received("a", at), started("a", at + milliseconds{1}),
                   retried("a", at + milliseconds{2}), received("a", at + milliseconds{3}),
                   started("a", at + milliseconds{4}), failed("a", at + milliseconds{5}),
                   of_family(received("b", at + milliseconds{6}), "a")});
  ASSERT_TRUE(eventually([&] { return engines.history->timeline(TaskId{"a"})->size() == 6; }));

  const auto a = detail("a");

  EXPECT_EQ(a.at("task").at("state").as_string(), "FAILURE");
  ASSERT_EQ(a.at("attempts").as_array().size(), 2U);
  EXPECT_EQ(a.at("attempts").at(0).at("outcome").as_string(), "retried");
  EXPECT_EQ(a.at("attempts").at(1).at("outcome").as_string(), "failed");
  EXPECT_EQ(a.at("attempts").at(1).at("detail").as_string(), "ValueError('boom')");
  EXPECT_EQ(a.at("moments").as_array().size(), 6U);
  EXPECT_EQ(a.at("values").at("kwargs"), json::parse(R"({"x": 1})"));
  ASSERT_EQ(a.at("children").as_array().size(), 1U);
  EXPECT_EQ(a.at("children").at(0).at("id").as_string(), "b");
  EXPECT_TRUE(a.at("can").at("retry").at("allowed").as_bool());
  EXPECT_FALSE(a.at("can").at("revoke").at("allowed").as_bool());
  EXPECT_TRUE(a.at("accepted").is_null());
  EXPECT_TRUE(a.at("schedule").is_null());
  const auto b = detail("b");
  EXPECT_EQ(b.at("parent").at("id").as_string(), "a");
  EXPECT_TRUE(b.at("can").at("revoke").at("allowed").as_bool());
  EXPECT_EQ(ask("/api/task/detail/none").status, 404);
}

TEST_F(LookupOverHttp, AnAcceptedTaskIsKnownBeforeAnyEvent) {
  start();
  const auto accepted = json::parse(ask("/task/add", "POST", R"({"x": [1, null]})").body);
  const std::string id{accepted.at("task").at("id").as_string()};

  const auto task = detail(id);

  EXPECT_EQ(task.at("task").at("state").as_string(), "PENDING");
  EXPECT_EQ(task.at("task").at("name").as_string(), "add");
  EXPECT_TRUE(task.at("accepted").is_number());
  EXPECT_EQ(task.at("values").at("kwargs"), json::parse(R"({"x": [1, null]})"));
  EXPECT_TRUE(task.at("can").at("revoke").at("allowed").as_bool());
}

TEST_F(LookupOverHttp, AStoredResultIsTheValueItself) {
  start();
  engines.publish({received("a", now()), started("a", now()), succeeded("a", now())});
  engines.finish("a", R"({"sum": [3]})");
  ASSERT_TRUE(eventually([&] { return found("q=state:succeeded") == 1; }));
  EXPECT_EQ(detail("a").at("values").at("result"), json::parse(R"({"sum": [3]})"));
}

TEST_F(LookupOverHttp, ErrorsAreGroupedAndSurviveARestart) {
  start();
  for (const char* id : {"a", "b", "c"})
    engines.publish({received(id, now()), started(id, now()), failed(id, now())});
  const auto groups = [&] { return ask_json("/api/errors").at("groups").as_array(); };
  ASSERT_TRUE(eventually([&] {
    const auto all = groups();
    return all.size() == 1 && all[0].at("count").to_number<int>() == 3;
  }));
  const auto group = groups()[0];
  EXPECT_EQ(group.at("type").as_string(), "ValueError");
  EXPECT_TRUE(group.at("new").as_bool());
  EXPECT_EQ(group.at("spark").as_array().size(), 48U);
  EXPECT_EQ(group.at("names").at(0).at("name").as_string(), "add");
  const std::string fingerprint{group.at("fingerprint").as_string()};
  ASSERT_TRUE(eventually([&] { return found("q=error:" + fingerprint) == 3; }));

  start();

  const auto one = ask_json("/api/error/" + fingerprint + "?minutes=1440");
  EXPECT_EQ(one.at("count").to_number<int>(), 3);
  EXPECT_EQ(one.at("latest").as_array().size(), 3U);
  EXPECT_EQ(ask("/api/error/0123456789abcdef").status, 404);
  EXPECT_EQ(ask("/api/errors?minutes=7").status, 400);
}

TEST_F(LookupOverHttp, CompletesWhatIsTyped) {
  start();
  engines.publish({received("a", now(), "demo.add"), heartbeat("w1@host", now())});
  ASSERT_TRUE(eventually(
      [&] { return !ask_json("/api/complete?q=worker:").at("options").as_array().empty(); }));
  const auto keys = ask_json("/api/complete?q=x%20sta");
  EXPECT_EQ(keys.at("options").at(0).at("text").as_string(), "state:");
  EXPECT_EQ(keys.at("from").to_number<int>(), 2);
  EXPECT_EQ(keys.at("to").to_number<int>(), 5);
  EXPECT_EQ(ask_json("/api/complete?q=name:de").at("options").at(0).at("text").as_string(),
            "demo.add");
  EXPECT_EQ(ask("/api/complete?q=x&at=2").status, 400);
  EXPECT_EQ(ask("/api/complete?q=x&at=-1").status, 400);
}

TEST_F(LookupOverHttp, ExportsWhatASearchFinds) {
  start();
  std::vector<Event> events;
  for (int i = 0; i < 1200; ++i) events.push_back(received("t" + std::to_string(i), now()));
  std::get<TaskEvent>(events.back()).name = "=cmd(\"x\", 1)";
  engines.publish(events);
  ASSERT_TRUE(eventually([&] { return found("q=id:t1199") == 1; }));
  const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };

  const auto csv = ask("/api/export?q=state:received");
  ASSERT_EQ(csv.status, 200);
  EXPECT_EQ(lines(csv.body), 1201);
  EXPECT_TRUE(csv.body.starts_with("id,name,state,received,"));
  EXPECT_NE(csv.body.find("\"'=cmd(\"\"x\"\", 1)\""), std::string::npos) << "no formula";
  const auto document = ask_json("/api/export?format=json");
  EXPECT_EQ(document.at("tasks").as_array().size(), 1200U);
  EXPECT_FALSE(document.at("cut").as_bool());
  const auto cut = ask("/api/export?format=jsonl&limit=700").body;
  EXPECT_EQ(lines(cut), 701);
  const auto last = json::parse(cut.substr(cut.rfind('\n', cut.size() - 2) + 1));
  EXPECT_TRUE(last.at("cut").as_bool());
  EXPECT_EQ(last.at("rows").to_number<int>(), 700);
  EXPECT_NE(ask("/api/export?limit=3").body.find("cut off after 3 rows"), std::string::npos);
  EXPECT_EQ(ask("/api/export?format=xml").status, 400);
  EXPECT_EQ(ask("/api/export?limit=100001").status, 400);
  EXPECT_EQ(ask("/api/export?q=state:x").status, 400);
}

TEST_F(LookupOverHttp, IsClosedWhereTheApiIs) {
  CollectorOptions options;
  options.address = "0.0.0.0";
  start(options);
  for (const char* path : {"/api/task/detail/a", "/api/errors", "/api/error/a", "/api/complete",
                           "/api/export", "/api/search"})
    EXPECT_EQ(ask(path).status, 401) << path;
}

}  // namespace
}  // namespace umbel::collector
