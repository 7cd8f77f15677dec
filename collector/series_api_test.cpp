#include "series_api.hpp"

#include <gtest/gtest.h>

#include "test_events.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kNoon = from_micros(1'795'348'800'000'000);  // a whole hour
constexpr std::int64_t kNoonSecond = 1'795'348'800;

http::Request asking(const std::string& query) {
  http::Request request;
  request.method = "GET";
  request.path = "/api/series";
  request.query = query;
  return request;
}
SeriesQuery query(const std::string& text, WallTime now = kNoon) {
  return series_query(asking(text), now).value();
}

TEST(SeriesQueryTest, EachRangeHasTheFinestStepThatFits) {
  struct Case {
    const char* range;
    std::int64_t step, points;
  };
  for (const Case& each :
       {Case{"900", 1, 900}, Case{"3600", 60, 60}, Case{"21600", 60, 360}, Case{"86400", 60, 1440},
        Case{"604800", 600, 1008}, Case{"2592000", 1800, 1440}}) {
    const auto made = query(std::string{"range="} + each.range, kNoon + seconds{61});
    EXPECT_EQ(made.step, each.step) << each.range;
    EXPECT_EQ((made.to - made.from) / made.step, each.points) << each.range;
    EXPECT_EQ((made.to - made.from) % made.step, 0) << each.range;
    EXPECT_GE(made.to, kNoonSecond + 61) << each.range;
  }
  EXPECT_EQ(query("").step, 1);
}

TEST(SeriesQueryTest, WhatIsFurtherBackThanAStepIsKeptHasTheNextOne) {
  const std::string hour_ago = std::to_string(kNoonSecond - 3600);
  EXPECT_EQ(query("range=900&to=" + hour_ago).step, 60);
  EXPECT_EQ(query("range=900&to=" + hour_ago).to, kNoonSecond - 3600);
  const std::string days_ago = std::to_string(kNoonSecond - 3 * 86'400);
  EXPECT_EQ(query("range=3600&to=" + days_ago).step, 300);
  EXPECT_EQ(query("range=3600&to=" + std::to_string(kNoonSecond + 9999)).to, kNoonSecond);
}

TEST(SeriesQueryTest, AWrongArgumentIsNamedWithWhatIsAllowed) {
  const auto range = series_query(asking("range=1000"), kNoon);
  ASSERT_FALSE(range.has_value());
  EXPECT_EQ(range.error().code, Errc::Invalid);
  EXPECT_NE(range.error().what.find("range=1000"), std::string::npos);
  EXPECT_NE(range.error().what.find("86400"), std::string::npos);
  for (const char* to : {"soon", "-1", "nan", "1e300", ""})
    EXPECT_FALSE(series_query(asking(std::string{"to="} + to), kNoon).has_value()) << to;
}

class SeriesAnswer : public ::testing::Test {
 protected:
  // One task in each of the last `count` spans of `every`, watched throughout.
  void feed(int count, seconds every) {
    live.with([&](LiveState& state) {
      WallTime now = kNoon - count * every;
      state.caught_up(now);
      for (int i = 0; i < count; ++i) {
        const std::string id = "t" + std::to_string(i);
        state.apply(received(id, now), now);
        state.apply(started(id, now + std::chrono::milliseconds{250}), now);
        state.apply(succeeded(id, now + std::chrono::milliseconds{750}), now);
        now += every;
        state.caught_up(now);
        state.tick(now);
      }
    });
  }
  json::object ask(const std::string& text) { return series_answer(live, query(text)); }
  Live live{1000, kNoon - hours{2}};
};

double sum(const json::value& points) {
  double total = 0;
  for (const json::value& each : points.as_array())
    if (!each.is_null()) total += each.to_number<double>();
  return total;
}

TEST_F(SeriesAnswer, ASecondHasItsCountsAndTheQuantilesAroundIt) {
  feed(100, seconds{1});

  const json::object answer = ask("range=900");

  const json::object& points = answer.at("points").as_object();
  for (const auto& [name, values] : points) EXPECT_EQ(values.as_array().size(), 900U) << name;
  EXPECT_EQ(sum(points.at("succeeded")), 100);
  EXPECT_TRUE(points.at("succeeded").at(0).is_null());
  EXPECT_EQ(points.at("succeeded").at(899), 1);
  EXPECT_NEAR(points.at("wait_p50").at(899).as_double(), 0.25, 0.003);
  EXPECT_NEAR(points.at("run_p99").at(899).as_double(), 0.5, 0.006);
  EXPECT_TRUE(points.at("run_p99").at(0).is_null());
}

TEST_F(SeriesAnswer, MinutesHaveCountsAndWhatNobodyWatchedHasNone) {
  feed(90, minutes{1});

  const json::object answer = ask("range=21600");

  const json::object& points = answer.at("points").as_object();
  EXPECT_EQ(answer.at("step"), 60);
  EXPECT_EQ(sum(points.at("received")), 90);
  EXPECT_TRUE(points.at("received").at(0).is_null());
  EXPECT_TRUE(points.at("ready").at(0).is_null());
  EXPECT_EQ(points.at("received").at(359), 1);
  EXPECT_NEAR(points.at("wait_p95").at(359).as_double(), 0.25, 0.003);
}

TEST_F(SeriesAnswer, StepsOfAMonthAddUp) {
  feed(90, minutes{1});

  const json::object answer = ask("range=2592000");

  EXPECT_EQ(answer.at("step"), 1800);
  EXPECT_EQ(sum(answer.at("points").at("succeeded")), 90);
  EXPECT_EQ(answer.at("points").at("succeeded").at(1439), 30);
}

TEST_F(SeriesAnswer, BlindSpansAreOfTheWholeRange) {
  live.with([](LiveState& state) {
    state.stopped_between(kNoon - hours{3}, kNoon - hours{2});
    state.count_cut_batches(7, kNoon - minutes{5}, kNoon - minutes{4});
  });

  EXPECT_EQ(ask("range=900").at("blind").as_array().size(), 1U);
  const json::object answer = ask("range=21600");
  const json::array& spans = answer.at("blind").as_array();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].at("reason"), "stopped");
  EXPECT_EQ(spans[0].at("lost_for_good"), false);
  EXPECT_EQ(spans[1].at("reason"), "cut");
  EXPECT_EQ(spans[1].at("lost"), 7);
  EXPECT_EQ(spans[1].at("lost_for_good"), true);
}

// What a restart brings back are minutes; the seconds within them are told with those.
TEST_F(SeriesAnswer, AfterARestartTheMinutesTellHowLongThingsTook) {
  feed(120, seconds{1});
  Rollup again;
  for (const KeptRow& row :
       live.with([](LiveState& state) { return state.rollup().take_changed(); }))
    if (row.kind == kRollupSteps[0].kind) again.restore(0, row);
  live.with([&](LiveState& state) { state.restore(std::move(again)); });

  const json::object answer = ask("range=900");

  EXPECT_NEAR(answer.at("points").at("wait_p50").at(890).as_double(), 0.25, 0.003);
}

}  // namespace
}  // namespace umbel::collector
