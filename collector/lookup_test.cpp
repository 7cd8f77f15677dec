// One task, errors, completion and export over HTTP.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "export.hpp"
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

TEST_F(LookupOverHttp, AnExportedTextIsOneCellAndNoFormula) {
  Live live{100, now()};
  const auto tell = [&](const std::string& id, const std::string& name) {
    Event event = received(id, now());
    std::get<TaskEvent>(event).name = name;
    live.with([&](LiveState& state) { (void)state.apply(event, now()); });
  };
  const std::vector<std::pair<std::string, std::string>> cells{{"plain name", "plain name"},
                                                               {"a,b", "\"a,b\""},
                                                               {"say \"x\"", "\"say \"\"x\"\"\""},
                                                               {"two\nlines", "\"two\nlines\""},
                                                               {"=1+1", "'=1+1"},
                                                               {"+1", "'+1"},
                                                               {"-1", "'-1"},
                                                               {"@SUM(A1)", "'@SUM(A1)"},
                                                               {"\t=1", "'\t=1"},
                                                               {"\r=1", "\"'\r=1\""},
                                                               {"a=b", "a=b"}};
  for (std::size_t i = 0; i < cells.size(); ++i) tell("t" + std::to_string(i), cells[i].first);

  const auto exported = [&](const std::string& query, const std::string& method = "GET") {
    http::Request request;
    request.method = method;
    request.query = query;
    std::string sent;
    export_tasks({live, *engines.history, engines.clock}, request).raw([&](std::string_view text) {
      sent += text;
      return true;
    });
    return sent;
  };

  const auto csv = exported("sort=received");
  for (std::size_t i = 0; i < cells.size(); ++i)
    EXPECT_NE(csv.find("\r\nt" + std::to_string(i) + "," + cells[i].second + ",RECEIVED,"),
              std::string::npos)
        << cells[i].first << "\n"
        << csv;
  EXPECT_NE(csv.find("Content-Disposition: attachment; filename=\"tasks.csv\"\r\n"),
            std::string::npos);

  const auto head = exported("", "HEAD");
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_EQ(head, csv.substr(0, head.size()));

  const auto lines = exported("format=jsonl&sort=received");
  std::istringstream rest{lines.substr(lines.find("\r\n\r\n") + 4)};
  std::vector<json::object> rows;
  for (std::string line; std::getline(rest, line);) rows.push_back(json::parse(line).as_object());
  ASSERT_EQ(rows.size(), cells.size() + 1);
  for (const auto& [name, cell] : cells) {
    EXPECT_TRUE(std::ranges::any_of(rows, [&, &wanted = name](const json::object& row) {
      return row.contains("name") && row.at("name").as_string() == wanted;
    })) << name;
  }
  EXPECT_EQ(rows.back(), (json::object{{"rows", cells.size()}, {"cut", false}}));

  const auto cut = exported("format=json&limit=2");
  const auto document = json::parse(cut.substr(cut.find("\r\n\r\n") + 4));
  EXPECT_EQ(document.at("tasks").as_array().size(), 2U);
  EXPECT_TRUE(document.at("cut").as_bool());
  EXPECT_EQ(document.at("rows").to_number<int>(), 2);
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
