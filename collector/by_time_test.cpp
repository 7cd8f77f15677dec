// What the monitor keeps by time: quantiles, coarse steps, seconds, spans it did not see; and the
// clocks it goes by.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "blind_spans.hpp"
#include "clock_watch.hpp"
#include "rollup.hpp"
#include "series.hpp"
#include "sketch.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel::collector {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kT = 1'795'350'720;  // a full minute
constexpr WallTime kNow = from_micros(kT * 1'000'000);

TEST(SketchTest, EveryQuantileIsRightToOnePercent) {
  std::mt19937 random{7};
  std::lognormal_distribution<double> lasting{8, 3};
  Sketch sketch;
  std::vector<double> values;
  for (int i = 0; i < 20'000; ++i) {
    const double micros = std::clamp(lasting(random), 1.0, 1e12);
    values.push_back(std::floor(micros));
    sketch.add(microseconds{static_cast<std::int64_t>(micros)});
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = values[static_cast<std::size_t>(q * 19'999)];
    const auto told = static_cast<double>(sketch.quantile(q)->count());
    EXPECT_NEAR(told, exact, exact * 0.0101 + 1) << q;
  }
}

TEST(SketchTest, PartsAddUpToTheWhole) {
  Sketch whole;
  Sketch odd;
  Sketch even;
  for (int i = 1; i < 3'000; ++i) {
    whole.add(milliseconds{i});
    (i % 2 == 0 ? even : odd).add(milliseconds{i});
  }
  odd.add(even);

  EXPECT_EQ(odd, whole);
}

TEST(SketchTest, IsBoundedAndComesBackAsItWas) {
  Sketch sketch;
  for (int power = 0; power < 60; ++power) {
    for (int part = 0; part < 60; ++part)
      sketch.add(microseconds{(std::int64_t{1} << power) / 60 * (60 + part) + part});
  }
  EXPECT_LE(sketch.buckets(), Sketch::kMostBuckets);
  EXPECT_EQ(sketch.count(), 3600U);
  sketch.add(microseconds{-5});
  ByteWriter out;
  sketch.write(out);
  const std::string bytes = out.take();
  ByteReader in{bytes};
  EXPECT_EQ(Sketch::read(in), sketch);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader cut{std::string_view{bytes}.substr(0, size)};
    EXPECT_FALSE(Sketch::read(cut).has_value());
  }
  EXPECT_FALSE(Sketch{}.quantile(0.5).has_value());
}

TEST(RollupTest, CountsIntoEveryStepAndComesBackFromItsRows) {
  Rollup rollup;
  rollup.count(Count::Succeeded, kT);
  rollup.count(Count::Succeeded, kT + 61);
  rollup.waited(milliseconds{40}, kT);
  rollup.ran(seconds{2}, kT + 61);
  rollup.watched(kT);
  rollup.measure(kT, 3, 9);
  const auto rows = rollup.take_changed();
  EXPECT_TRUE(rollup.take_changed().empty());
  ASSERT_EQ(rows.size(), 3U);  // two minutes, one time five minutes

  Rollup again;
  for (const KeptRow& row : rows) {
    for (std::size_t step = 0; step < kRollupSteps.size(); ++step) {
      if (row.kind == kRollupSteps[step].kind) again.restore(step, row);
    }
  }

  for (std::size_t step = 0; step < kRollupSteps.size(); ++step)
    EXPECT_EQ(again.between(step, 0, kT + 1000), rollup.between(step, 0, kT + 1000));
  const auto minute = again.between(0, kT, kT + 60);
  ASSERT_EQ(minute.size(), 1U);
  EXPECT_EQ(minute[0].second.counts[0], 1U);
  EXPECT_EQ(minute[0].second.most_ready, 9U);
  const auto five = again.between(1, kT - 300, kT + 300);
  ASSERT_EQ(five.size(), 1U);
  EXPECT_EQ(five[0].second.counts[0], 2U);
  EXPECT_NEAR(static_cast<double>(five[0].second.wait.quantile(0.5)->count()), 40'000, 500);
}

TEST(RollupTest, IsBoundedByTime) {
  Rollup rollup;
  for (std::int64_t t = 0; t < 40 * 86'400; t += 60) {
    rollup.count(Count::Received, kT + t);
    if (t % 86'400 == 0) rollup.forget(kT + t);
  }
  rollup.forget(kT + 40 * 86'400);

  EXPECT_LE(rollup.size(), 1440U + 8640U + 2U);
}

TEST(RollupTest, DamagedRowsAreNothing) {
  Bucket bucket;
  bucket.counts[0] = 300;
  bucket.run.add(seconds{1});
  const std::string bytes = to_bytes(bucket);
  EXPECT_EQ(bucket_from(bytes), bucket);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(bucket_from(std::string_view{bytes}.substr(0, size)).has_value());
}

TEST(SeriesKept, AMinuteComesBackSecondForSecond) {
  Series series;
  series.observe(kNow, kNow + seconds{2});
  series.count(Count::Failed, kNow + seconds{1}, kNow + seconds{1});
  series.count(Count::Received, kNow + seconds{59}, kNow + seconds{59});
  series.measure(kNow + seconds{2}, 200, 7);
  const auto changed = series.take_changed();
  ASSERT_EQ(changed, (std::set<std::int64_t>{kT}));

  Series again;
  again.restore(kT, series.minute(kT));

  for (std::int64_t t = kT; t < kT + 60; ++t) {
    EXPECT_EQ(again.at(t).seen, series.at(t).seen);
    EXPECT_EQ(again.at(t).counts, series.at(t).counts);
    EXPECT_EQ(again.at(t).running, series.at(t).running);
    EXPECT_EQ(again.at(t).ready, series.at(t).ready);
  }
  const std::string bytes = series.minute(kT);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    Series damaged;
    damaged.restore(kT, std::string_view{bytes}.substr(0, size));
    EXPECT_LE(damaged.sum(Count::Failed, kNow + seconds{60}, 60), 1U);
  }
}

TEST(BlindSpansTest, JoinWhereTheyTouchAndComeBackFromTheirRows) {
  BlindSpans spans;
  EXPECT_EQ(spans.add({kT, kT + 3, BlindReason::Gap, 5, "w1"}), 4);
  EXPECT_EQ(spans.add({kT + 4, kT + 9, BlindReason::Gap, 2, "w2"}), 6);
  EXPECT_EQ(spans.add({kT + 5, kT + 5, BlindReason::Cut, 1, ""}), 1);
  EXPECT_EQ(spans.add({kT + 100, kT + 90, BlindReason::Gap, 1, "w1"}), 11);
  const auto all = spans.between(kT, kT + 200);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0], (BlindSpan{kT, kT + 9, BlindReason::Gap, 7, ""}));
  EXPECT_EQ(all[1], (BlindSpan{kT + 5, kT + 5, BlindReason::Cut, 1, ""}));
  EXPECT_EQ(spans.between(kT + 50, kT + 89).size(), 0U);

  BlindSpans again;
  for (const KeptRow& row : spans.take_changed()) again.restore(row);
  again.restore({.kind = "blind-gap", .at = kT, .data = "\xff"});
  again.restore({.kind = "blind-unheard-of", .at = kT, .data = ""});

  EXPECT_EQ(again.between(kT, kT + 200), all);
  EXPECT_TRUE(spans.take_changed().empty());
}

TEST(BlindSpansTest, AreBounded) {
  BlindSpans spans;
  for (std::int64_t i = 0; i < 5'000; ++i) spans.add({kT + i * 100, kT + i * 100, {}, 1, ""});

  EXPECT_EQ(spans.between(0, kT * 2).size(), BlindSpans::kMost);
}

TEST(ClockWatchTest, TellsStepsFromThePassingOfTime) {
  testing::FakeClock clock;
  ClockWatch watch;
  const auto look = [&] { return watch.stepped(clock.wall(), clock.steady()); };
  EXPECT_EQ(look(), seconds{0});
  clock.advance(hours{5});
  EXPECT_EQ(look(), seconds{0});
  clock.set_wall(clock.wall() + hours{2});
  EXPECT_EQ(look(), hours{2});
  clock.set_wall(clock.wall() - minutes{30});
  clock.advance(seconds{1});
  EXPECT_EQ(look(), -minutes{30});
  clock.set_wall(clock.wall() + seconds{1});
  EXPECT_EQ(look(), seconds{0}) << "a clock that is brought in line";
}

TEST(SenderClockTest, AWrongClockIsLearntAndALateEventIsNot) {
  SenderClock fine;
  fine.heard(kNow - milliseconds{20}, kNow);
  fine.heard(kNow - minutes{10}, kNow);  // kept back in the worker
  EXPECT_EQ(fine.ours(kNow - minutes{10}), kNow - minutes{10});

  SenderClock behind;
  behind.heard(kNow - hours{3}, kNow);
  behind.heard(kNow - hours{3} - seconds{5}, kNow);
  EXPECT_EQ(behind.ours(kNow - hours{3}), kNow);
  SenderClock ahead;
  ahead.heard(kNow + hours{3}, kNow);
  EXPECT_EQ(ahead.ours(kNow + hours{3}), kNow);
  for (int minute = 0; minute < 8; ++minute)  // its clock is set right
    ahead.heard(kNow + minutes{minute}, kNow + minutes{minute});
  EXPECT_EQ(ahead.ours(kNow + minutes{8}), kNow + minutes{8});
}

}  // namespace
}  // namespace umbel::collector
