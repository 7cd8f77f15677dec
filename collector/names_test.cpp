#include "names.hpp"

#include <gtest/gtest.h>

#include <random>

namespace umbel::collector {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::int64_t kNoon = 1'795'348'800;  // a whole hour
constexpr WallTime kStart = from_micros((kNoon - 7200) * 1'000'000);

NameSample finished(std::string_view name, milliseconds ran, bool well = true) {
  NameSample sample;
  sample.name = name;
  sample.queue = "umbel";
  sample.worker = "w1@host";
  sample.succeeded = well;
  sample.failed = !well;
  sample.ran = ran;
  return sample;
}

double p(const Spread& spread, double q) {
  return std::chrono::duration<double>(spread.quantile(q).value()).count();
}

TEST(SpreadTest, EveryQuantileIsRightToFourPercent) {
  std::mt19937 random{7};
  std::lognormal_distribution<double> times{10, 1.2};  // microseconds, three powers of ten
  Spread spread;
  std::vector<double> values;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(times(random));
    spread.add(microseconds{static_cast<std::int64_t>(values.back())});
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.5, 0.95, 0.99}) {
    const double exact =
        values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
    EXPECT_NEAR(p(spread, q) * 1e6, exact, exact * (Spread::kRelativeError + 0.005)) << q;
  }
  EXPECT_FALSE(Spread{}.quantile(0.5).has_value());
}

TEST(SpreadTest, IsBoundedAddsUpAndComesBackAsItWas) {
  Spread wide, other, both;
  for (std::int64_t value = 1; value < 4'000'000'000'000; value = value * 21 / 20 + 1) {
    wide.add(microseconds{value});
    other.add(microseconds{value / 3});
    both.add(microseconds{value});
    both.add(microseconds{value / 3});
  }
  EXPECT_LE(wide.bytes(), Spread::kMostBuckets * 2 * 8);
  Spread sum = wide;
  sum.add(other);
  EXPECT_EQ(sum.count(), both.count());
  EXPECT_DOUBLE_EQ(p(sum, 0.95), p(both, 0.95));

  ByteWriter out;
  wide.write(out);
  const std::string bytes = out.take();
  ByteReader in{bytes};
  EXPECT_EQ(Spread::read(in), wide);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    ByteReader damaged{std::string_view{bytes}.substr(0, cut)};
    EXPECT_FALSE(Spread::read(damaged).has_value()) << cut;
  }
}

TEST(NamesTest, TellsOfOneFiveAndSixtyMinutes) {
  Names names{kStart};
  // Ten a minute for an hour, slower as time goes by; the last minute fails.
  for (int minute = 0; minute < 60; ++minute) {
    for (int i = 0; i < 10; ++i) {
      names.take(finished("add", milliseconds{100 + minute}, minute < 59),
                 kNoon - 3600 + minute * 60 + i * 6);
    }
  }
  const auto* const add = names.find("add");
  ASSERT_NE(add, nullptr);

  const std::int64_t now = kNoon - 1;
  const NameWindow one = names.window(*add, 1, now);
  EXPECT_EQ(one.counts.failed, 10U);
  EXPECT_EQ(one.counts.succeeded, 0U);
  EXPECT_EQ(one.known, 60);
  EXPECT_NEAR(p(one.run, 0.5), 0.159, 0.159 * 0.05);
  const NameWindow five = names.window(*add, 5, now);
  EXPECT_EQ(five.counts.finished(), 50U);
  EXPECT_EQ(five.known, 300);
  const NameWindow hour = names.window(*add, 60, now);
  EXPECT_EQ(hour.counts.finished(), 600U);
  EXPECT_EQ(hour.known, 3600);
  EXPECT_NEAR(p(hour.run, 0.5), 0.130, 0.130 * 0.05);
  EXPECT_FALSE(hour.wait.quantile(0.5).has_value());
  const auto minutes = names.by_minute(*add, now);
  ASSERT_EQ(minutes.size(), 60U);
  EXPECT_EQ(minutes[0], (NameCounts{.succeeded = 10}));
  EXPECT_EQ(minutes[59], (NameCounts{.failed = 10}));
  EXPECT_EQ(add->queue(), "umbel");
  EXPECT_TRUE(add->workers().contains("w1@host"));
  EXPECT_EQ(add->finished(), 600U);

  // A minute later nothing is left of the first one, and nothing happened in the last.
  EXPECT_EQ(names.window(*add, 1, now + 60).counts, NameCounts{});
  EXPECT_EQ(names.by_minute(*add, now + 60).back(), NameCounts{});
  EXPECT_EQ(names.window(*add, 60, now + 60).counts.finished(), 590U);
}

TEST(NamesTest, WhatWasBeforeTheStartIsNotKnown) {
  Names names{from_micros((kNoon - 90) * 1'000'000)};
  names.take(finished("add", milliseconds{5}), kNoon - 80);

  const auto* const add = names.find("add");
  const auto minutes = names.by_minute(*add, kNoon + 30);

  EXPECT_EQ(minutes[57], (NameCounts{.succeeded = 1}));  // the minute of the start
  EXPECT_FALSE(minutes[56].has_value());
  EXPECT_EQ(minutes[59], NameCounts{});
  EXPECT_EQ(names.window(*add, 60, kNoon + 30).known, 121);
  EXPECT_EQ(names.window(*add, 1, kNoon + 30).known, 51);
}

TEST(NamesTest, ARestartKnowsTheMinutesThatWereKept) {
  std::vector<KeptRow> kept;
  Names before{kStart};
  for (std::int64_t t = kNoon - 600; t < kNoon; t += 5) {
    before.take(finished("add", milliseconds{20}), t);
    for (KeptRow& row : before.take_changed(t)) {
      std::erase_if(kept, [&](const KeptRow& old) { return old.at == row.at; });
      kept.push_back(std::move(row));
    }
  }

  Names after{from_micros((kNoon + 5) * 1'000'000)};
  for (const KeptRow& row : kept) {
    EXPECT_GE(row.at, Names::kept_since(kNoon + 5));
    after.restore(row);
  }
  after.nothing_happened(kNoon - 660);

  const auto* const add = after.find("add");
  ASSERT_NE(add, nullptr);
  const auto minutes = after.by_minute(*add, kNoon + 30);
  EXPECT_EQ(minutes[58], (NameCounts{.succeeded = 12}));
  EXPECT_EQ(minutes[49], (NameCounts{.succeeded = 12}));
  EXPECT_EQ(minutes[48], NameCounts{});
  EXPECT_FALSE(minutes[47].has_value());
  EXPECT_FALSE(minutes[59].has_value());  // part of it was before the start, and was not kept
  const NameWindow five = after.window(*add, 5, kNoon + 30);
  EXPECT_EQ(five.counts.succeeded, 48U);
  EXPECT_EQ(five.known, 240);
  EXPECT_NEAR(p(five.run, 0.95), 0.020, 0.001);
  EXPECT_EQ(after.window(*add, 60, kNoon + 30).run.count(), 120U);
  EXPECT_EQ(add->queue(), "umbel");
}

TEST(NamesTest, AnHourLaterAKeptRowSaysNothing) {
  Names before{kStart};
  before.take(finished("add", milliseconds{20}), kNoon - 3700);
  Names after{from_micros(kNoon * 1'000'000)};
  for (const KeptRow& row : before.take_changed(kNoon)) after.restore(row);
  EXPECT_EQ(after.find("add"), nullptr);
}

TEST(NamesTest, DamagedRowsAreNothing) {
  Names before{kStart};
  before.take(finished("add", milliseconds{20}), kNoon);
  auto rows = before.take_changed(kNoon);
  ASSERT_EQ(rows.size(), 1U);
  for (std::size_t cut = 0; cut < rows[0].data.size(); ++cut) {
    Names after{from_micros((kNoon + 60) * 1'000'000)};
    after.restore({.kind = Names::kKind, .at = 0, .data = rows[0].data.substr(0, cut)});
    EXPECT_EQ(after.find("add"), nullptr) << cut;
  }
  before.changed_again(rows[0]);
  EXPECT_EQ(before.take_changed(kNoon + 100), rows);
}

TEST(NamesTest, ALargeMinuteIsWrittenEveryTenSeconds) {
  Names names{kStart};
  for (int i = 0; i < 900; ++i)
    names.take(finished("a.task.with.a.long.name." + std::to_string(i), milliseconds{20}), kNoon);
  EXPECT_EQ(names.take_changed(kNoon).size(), 1U);
  names.take(finished("add", milliseconds{20}), kNoon + 1);
  EXPECT_TRUE(names.take_changed(kNoon + 1).empty());
  EXPECT_EQ(names.take_changed(kNoon + 10).size(), 1U);
  names.take(finished("add", milliseconds{20}), kNoon + 59);
  EXPECT_EQ(names.take_changed(kNoon + 60).size(), 1U);
}

TEST(NamesTest, NamesBeyondTheBoundAreFoldedAndTheOldestFirst) {
  Names names{kStart, {.names = 10, .spread_bytes = 1 << 20}};
  for (int i = 0; i < 100; ++i)
    names.take(finished("task" + std::to_string(i), milliseconds{20}), kNoon + i / 10);

  EXPECT_LE(names.all().size(), 10U + 1);
  EXPECT_EQ(names.folded() + names.all().size() - 1, 100U);
  EXPECT_NE(names.find("task99"), nullptr);
  EXPECT_EQ(names.find("task1"), nullptr);
  const auto* const other = names.find(Names::kOther);
  ASSERT_NE(other, nullptr);
  std::uint64_t finished_in_all = 0;
  for (const auto& each : names.all())
    finished_in_all += names.window(each, 60, kNoon + 30).counts.finished();
  EXPECT_EQ(finished_in_all, 100U);
  EXPECT_EQ(names.window(*other, 60, kNoon + 30).run.count(), names.folded());
}

TEST(NamesTest, AThousandBusyNamesStayWithinTheirBound) {
  std::mt19937 random{7};
  std::lognormal_distribution<double> times{10, 1.5};
  const NameLimits limits{.names = 1'000, .spread_bytes = 1 << 20};
  Names names{kStart, limits};
  for (std::int64_t t = kNoon; t < kNoon + 3'000; t += 30) {
    for (int name = 0; name < 1'000; ++name) {
      names.take(finished("task" + std::to_string(name),
                          milliseconds{static_cast<std::int64_t>(times(random))}),
                 t);
    }
  }
  EXPECT_LE(names.bytes(), limits.spread_bytes * 3 / 2 + 1'000 * (sizeof(Names::Entry) + 500));
  EXPECT_GT(names.folded(), 0U);
}

}  // namespace
}  // namespace umbel::collector
