// Searching over HTTP: the grammar, live state and history as one, cursors, errors.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "http_session.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using testing::eventually;

class SearchOverHttp : public CollectorSession {
 protected:
  std::vector<std::string> ids_of(const json::value& answer) {
    std::vector<std::string> ids;
    for (const auto& row : answer.at("tasks").as_array())
      ids.emplace_back(row.at("id").as_string());
    return ids;
  }
  std::vector<std::string> found(const std::string& arguments) {
    return ids_of(ask_json("/api/search?" + arguments));
  }
  void publish_some() {
    const auto at = now();
    engines.publish({received("a", at, "demo.add"), received("b", at + ms(1), "demo.fail"),
                     received("c", at + ms(2), "reddit.fetch")});
    engines.publish({started("a", at + ms(3)), succeeded("a", at + ms(4)), started("b", at + ms(5)),
                     failed("b", at + ms(6))});
    ASSERT_TRUE(eventually([&] { return found("q=state:failed").size() == 1; }));
  }
  static std::chrono::milliseconds ms(int n) { return std::chrono::milliseconds{n}; }
};

TEST_F(SearchOverHttp, FindsByTheGrammarAndSaysWhatARowIs) {
  start();
  publish_some();

  EXPECT_EQ(found(""), (std::vector<std::string>{"c", "b", "a"}));
  EXPECT_EQ(found("q=name:demo.*"), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(found("q=boom"), std::vector<std::string>{"b"});
  EXPECT_EQ(found("q=-state:failed%20-name:reddit*"), std::vector<std::string>{"a"});
  EXPECT_EQ(found("q=runtime:%3E100ms"), std::vector<std::string>{"a"});
  EXPECT_EQ(found("q=after:-1h&sort=received"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(found("q=before:-1h").empty());
  const auto row = ask_json("/api/search?q=id:b").at("tasks").at(0);
  EXPECT_EQ(row.at("state").as_string(), "FAILURE");
  EXPECT_EQ(row.at("error").as_string().size(), 16U);
  EXPECT_NEAR(row.at("wait").to_number<double>(), 0.004, 1e-6);
  EXPECT_TRUE(row.at("eta").is_null());
  EXPECT_TRUE(row.at("sent").is_null());
  EXPECT_EQ(found("q=error:" + std::string{row.at("error").as_string()}),
            std::vector<std::string>{"b"});
}

TEST_F(SearchOverHttp, PagesLeadThroughEverythingOnce) {
  start();
  const auto at = now();
  std::vector<Event> events;
  std::set<std::string> expected;
  for (int i = 0; i < 60; ++i) {
    const auto id = "t" + std::to_string(i);
    events.push_back(received(id, at + ms(i / 2)));
    expected.insert(id);
  }
  engines.publish(events);
  ASSERT_TRUE(eventually([&] { return found("limit=500").size() == 60; }));

  std::string cursor;
  std::set<std::string> seen;
  for (int page = 0; page < 20; ++page) {
    const auto answer = ask_json("/api/search?limit=7&cursor=" + http::percent_encoded(cursor));
    for (const auto& id : ids_of(answer)) EXPECT_TRUE(seen.insert(id).second) << id;
    EXPECT_TRUE(answer.at("complete").as_bool());
    if (answer.at("next").is_null()) break;
    cursor = answer.at("next").as_string();
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(SearchOverHttp, ATaskIsFoundOnceWithWhatIsKnownNowWhenTheHistoryIsOut) {
  start();
  engines.publish({received("a", now()), received("b", now())});
  ASSERT_TRUE(eventually([&] { return engines.history->find(TaskId{"b"}).has_value(); }));
  engines.history->broken = true;
  engines.publish({started("a", now()), failed("a", now()), received("c", now() + ms(1))});

  ASSERT_TRUE(eventually([&] { return found("q=state:failed").size() == 1; }));

  EXPECT_EQ(found("").size(), 3U);
  EXPECT_EQ(found("q=state:received").size(), 2U);
  engines.history->broken = false;
}

TEST_F(SearchOverHttp, BadInputIsNamedWithItsPlace) {
  start();

  const auto wrong = ask("/api/search?q=timeout%20state:done");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(json::parse(wrong.body).at("at").to_number<int>(), 14);
  EXPECT_NE(wrong.body.find("failed"), std::string::npos) << wrong.body;
  EXPECT_EQ(ask("/api/search?sort=name").status, 400);
  EXPECT_EQ(ask("/api/search?limit=0").status, 400);
  EXPECT_EQ(ask("/api/search?limit=501").status, 400);
  EXPECT_EQ(ask("/api/search?limit=x").status, 400);
  EXPECT_EQ(ask("/api/search?cursor=x").status, 400);
}

TEST_F(SearchOverHttp, ACursorIsBoundToItsSearch) {
  start();
  publish_some();
  const std::string next{ask_json("/api/search?limit=1").at("next").as_string()};

  EXPECT_EQ(ask("/api/search?limit=1&cursor=" + http::percent_encoded(next)).status, 200);
  EXPECT_EQ(ask("/api/search?limit=1&q=x&cursor=" + http::percent_encoded(next)).status, 400);
  EXPECT_EQ(ask("/api/search?limit=1&sort=received&cursor=" + http::percent_encoded(next)).status,
            400);
}

TEST_F(SearchOverHttp, IsClosedWhereTheApiIs) {
  CollectorOptions options;
  options.address = "0.0.0.0";
  start(options);
  EXPECT_EQ(ask("/api/search").status, 401);
}

}  // namespace
}  // namespace umbel::collector
