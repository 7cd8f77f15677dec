// The search grammar, by the table that it shares with the page's parser.
#include "query.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

namespace umbel::collector {
namespace {

namespace json = boost::json;

json::object cases() {
  std::ifstream file{UMBEL_SOURCE_DIR "/collector/query_cases.json"};
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str()).as_object();
}

json::value end_of(double value) { return std::isfinite(value) ? json::value(value) : nullptr; }

json::array normalised(const ParsedQuery& query) {
  json::array terms;
  for (const ParsedTerm& each : query.terms) {
    json::array any;
    for (const auto& text : each.term.texts) any.emplace_back(text);
    for (const auto state : each.term.states) any.emplace_back(to_text(state));
    if (each.term.unknown) any.emplace_back("UNKNOWN");
    for (const auto& range : each.term.ranges)
      any.push_back(json::array{end_of(range.least), range.above, end_of(range.most), range.below});
    if (each.time) any.emplace_back(to_unix_seconds(*each.time));
    json::object term{{"key", each.key}, {"any", std::move(any)}};
    if (each.term.negated) term["not"] = true;
    terms.push_back(std::move(term));
  }
  return terms;
}

// Numbers are equal if their values are, however they are written.
json::value plain(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.as_int64());
  if (value.is_array()) {
    json::array all;
    for (const auto& each : value.as_array()) all.push_back(plain(each));
    return all;
  }
  if (value.is_object()) {
    json::object all;
    for (const auto& [key, each] : value.as_object()) all[key] = plain(each);
    return all;
  }
  return value;
}

TEST(QueryGrammar, IsAsTheTableOfCasesSays) {
  const json::object table = cases();
  const WallTime now = from_unix_seconds(table.at("now").to_number<double>());
  ASSERT_GT(table.at("cases").as_array().size(), 50U);
  for (const auto& each : table.at("cases").as_array()) {
    const std::string q{each.at("q").as_string()};
    SCOPED_TRACE(q);
    const auto parsed = parse_query(q, now);
    if (const auto* const expected = each.as_object().if_contains("ok")) {
      const auto* const error = std::get_if<QueryError>(&parsed);
      ASSERT_EQ(error, nullptr) << error->what << " at " << error->at;
      EXPECT_EQ(plain(normalised(std::get<ParsedQuery>(parsed))), plain(*expected))
          << json::serialize(normalised(std::get<ParsedQuery>(parsed)));
      continue;
    }
    const auto* const error = std::get_if<QueryError>(&parsed);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->at, each.at("at").to_number<std::size_t>()) << error->what;
    EXPECT_NE(error->what.find(std::string{each.at("error").as_string()}), std::string::npos)
        << error->what;
  }
}

TEST(QueryGrammar, IsBounded) {
  const WallTime now = from_unix_seconds(1'795'348'800);
  EXPECT_TRUE(std::holds_alternative<QueryError>(parse_query(std::string(5000, 'x'), now)));
  std::string many;
  for (int i = 0; i < 40; ++i) many += "x ";
  EXPECT_TRUE(std::holds_alternative<QueryError>(parse_query(many, now)));
  std::string values = "name:x";
  for (int i = 0; i < 60; ++i) values += ",x";
  EXPECT_TRUE(std::holds_alternative<QueryError>(parse_query(values, now)));
}

TEST(QueryGrammar, OfSeveralTimesTheTightestHold) {
  const WallTime now = from_unix_seconds(1'795'348'800);
  const auto parsed = parse_query("after:-2h after:-1h before:-5m before:-10m x", now);
  const auto query = std::get<ParsedQuery>(parsed).query(TaskOrder::Slowest);
  EXPECT_EQ(query.after, now - std::chrono::hours{1});
  EXPECT_EQ(query.before, now - std::chrono::minutes{10});
  EXPECT_EQ(query.order, TaskOrder::Slowest);
  EXPECT_EQ(query.terms.size(), 1U);
}

TEST(QueryGrammar, NamesItsOrders) {
  EXPECT_EQ(order_from("-received"), TaskOrder::Newest);
  EXPECT_EQ(order_from("runtime"), TaskOrder::Quickest);
  EXPECT_FALSE(order_from("name"));
  EXPECT_NE(orders_allowed().find("-retries"), std::string::npos);
}

}  // namespace
}  // namespace umbel::collector
