// The ticker when things move beneath it: entries that are replaced, clocks that are set, other
// schedulers that catch up at the same moment, many ticks at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "ticker_stand.hpp"
#include "umbel/scheduler/ticker.hpp"

namespace umbel {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::accounted;
using ::testing::ElementsAre;
using testing::enqueued;
using testing::every;
using testing::FakeClock;
using ::testing::HasSubstr;
using testing::kNoon;
using testing::MemoryLedger;
using testing::Node;

class LogLines {
 public:
  Log log() {
    return Log{"test", LogLevel::Info, [this](LogLevel, std::string_view, std::string_view text) {
                 const std::lock_guard lock{mutex_};
                 text_.append(text).append("\n");
               }};
  }
  std::string text() const {
    const std::lock_guard lock{mutex_};
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

class TickerTrouble : public ::testing::Test {
 protected:
  // Every instant in (from, to] is accounted for exactly once.
  void expect_each_once(const std::string& schedule, seconds interval, WallTime from, WallTime to) {
    const auto times = accounted(ledger, schedule, interval);
    std::map<WallTime, int> expected;
    for (auto at = Interval{interval}.next_after(from); at <= to; at += interval) expected[at] = 1;
    EXPECT_EQ(times, expected) << schedule;
  }

  MemoryLedger ledger;
  FakeClock clock{kNoon + milliseconds{500}};
  LogLines lines;
};

TEST_F(TickerTrouble, AReplacementNeitherLosesNorDoublesATick) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  Node node{ledger, clock, {every("kept", seconds{1}), every("changing", seconds{2})}};
  node.ticker.pass();
  int text = 0;
  for (int i = 0; i < 2'000; ++i) {
    clock.advance(milliseconds{std::uniform_int_distribution<int>{0, 400}(random)});
    if (std::uniform_int_distribution<int>{0, 3}(random) == 0) {
      // The same schedule under another definition: each is a new start, at the same instants.
      auto changing = every("changing", seconds{2});
      changing.schedule_text = "every 2s, version " + std::to_string(++text);
      auto kept = every("kept", seconds{1});
      kept.args = "[" + std::to_string(text) + "]";
      node.ticker.replace({changing, kept});
    }
    node.ticker.pass();
  }
  const auto last = clock.wall();
  expect_each_once("kept", seconds{1}, kNoon + milliseconds{500}, last);
  expect_each_once("changing", seconds{2}, kNoon + milliseconds{500}, last);
}

TEST_F(TickerTrouble, AReplacementWaitsForWhatTheStoreStillOwes) {
  Node node{ledger, clock, {every("old", seconds{10})}};
  node.ticker.pass();
  ledger.fail_with(unavailable("locked"));
  clock.advance(seconds{10});
  node.ticker.pass();
  node.ticker.replace({every("new", seconds{10})});
  node.ticker.pass();
  ledger.fail_with(std::nullopt);
  clock.advance(seconds{5});
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "old"), ElementsAre(kNoon + seconds{10}));
  clock.advance(seconds{5});
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "new"), ElementsAre(kNoon + seconds{20}));
  EXPECT_EQ(enqueued(ledger, "old").size(), 1U);
}

TEST_F(TickerTrouble, TheTimeInWhichAnEntryWasDisabledOrGoneIsNotMissed) {
  for (const bool gone : {false, true}) {
    MemoryLedger own;
    auto entry = every("a", minutes{1});
    Node node{own, clock, {entry}};
    node.ticker.pass();
    clock.advance(minutes{1});
    node.ticker.pass();
    entry.enabled = false;
    node.ticker.replace(gone ? std::vector<ScheduleEntry>{} : std::vector{entry});
    node.ticker.pass();
    clock.advance(hours{5});
    node.ticker.pass();
    entry.enabled = true;
    // Also when another process takes it up.
    Node next{own, clock, {entry}};
    next.ticker.pass();
    clock.advance(minutes{1});
    next.ticker.pass();
    EXPECT_EQ(enqueued(own, "a").size(), 2U);
    EXPECT_EQ(next.ticks("a", "missed"), 0);
  }
}

TEST_F(TickerTrouble, ARenamedEntryStartsAnew) {
  Node{ledger, clock, {every("a", minutes{1})}}.ticker.pass();
  clock.advance(hours{2});
  Node renamed{ledger, clock, {every("b", minutes{1})}};
  renamed.ticker.pass();
  EXPECT_TRUE(ledger.rows().empty());
}

TEST_F(TickerTrouble, SchedulersThatCatchUpAtOnceCountEachMissedTickOnce) {
  // Each sees the ledger as it was before the others came: what they submit is what counts.
  const auto entry = every("a", seconds{10});
  Node{ledger, clock, {entry}}.ticker.pass();
  Node one{ledger, clock, {entry}}, two{ledger, clock, {entry}}, three{ledger, clock, {entry}};
  for (auto* node : {&one, &two, &three}) node->ticker.pass();
  clock.advance(minutes{5});  // all of them stalled
  one.ticker.pass();
  clock.advance(seconds{10});
  two.ticker.pass();
  two.ticker.pass();
  clock.advance(seconds{20});
  three.ticker.pass();
  three.ticker.pass();
  expect_each_once("a", seconds{10}, kNoon + milliseconds{500}, clock.wall());
  EXPECT_EQ(one.ticks("a", "missed") + two.ticks("a", "missed") + three.ticks("a", "missed"),
            29 + 0 + 1);
}

TEST_F(TickerTrouble, OfTwoSchedulersOneComesLaterUntilTheOtherIsGone) {
  const auto entry = every("a", seconds{1});
  Node leader{ledger, clock, {entry}}, other{ledger, clock, {entry}};
  leader.ticker.pass();
  other.ticker.pass();
  clock.advance(milliseconds{500});
  leader.ticker.pass();
  clock.advance(milliseconds{100});
  EXPECT_EQ(other.ticker.pass(), milliseconds{900} + Ticker::kBehindAnother);
  clock.advance(milliseconds{900} + Ticker::kBehindAnother);  // the leader has died
  EXPECT_EQ(other.ticker.pass(), milliseconds{900});
  EXPECT_EQ(enqueued(ledger, "a").size(), 2U);
}

TEST_F(TickerTrouble, ManyTicksDueTogetherAreFiredInOnePassThoughSomeAreTaken) {
  std::vector<ScheduleEntry> entries;
  for (int i = 0; i < 1'200; ++i) entries.push_back(every("s" + std::to_string(i), seconds{1}));
  Node node{ledger, clock, entries};
  node.ticker.pass();
  clock.advance(milliseconds{500});
  for (const int taken : {0, 499, 500, 1'199}) {
    TaskRequest request;
    request.id = TaskId{"elsewhere"};
    ASSERT_TRUE(ledger.accept(request, {"s" + std::to_string(taken), kNoon + seconds{1}}));
  }
  node.ticker.pass();
  EXPECT_EQ(ledger.rows().size(), 1'200U);
  EXPECT_EQ(node.ticks("s0", "taken_elsewhere"), 1);
  EXPECT_EQ(node.ticks("s1", "enqueued"), 1);
}

TEST_F(TickerTrouble, AClockThatJumpsForwardIsLoggedAndWhatItPassedOverIsMissed) {
  for (const auto jump :
       {std::chrono::microseconds{hours{1}}, std::chrono::microseconds{days{3}}}) {
    MemoryLedger own;
    FakeClock wall{kNoon + milliseconds{500}};
    LogLines said;
    Node node{own, wall, {every("a", minutes{1})}, said.log()};
    node.ticker.pass();
    wall.set_wall(wall.wall() + jump);
    EXPECT_LE(node.ticker.pass(), seconds{1}) << "no timer is stuck";
    node.ticker.pass();
    EXPECT_EQ(enqueued(own, "a").size(), 1U);
    EXPECT_EQ(node.ticks("a", "missed"), static_cast<double>(jump / minutes{1} - 1));
    for (const auto& [at, times] : accounted(own, "a", minutes{1})) EXPECT_EQ(times, 1);
    EXPECT_THAT(said.text(), HasSubstr("the wall clock moved"));
    EXPECT_THAT(said.text(), HasSubstr("forward"));
    EXPECT_EQ(node.metrics.counter(metrics::kClockSteps, {"forward"}).Value(), 1);
    wall.advance(minutes{1});
    node.ticker.pass();
    EXPECT_EQ(enqueued(own, "a").size(), 2U) << "it goes on";
    EXPECT_EQ(node.metrics.counter(metrics::kClockSteps, {"forward"}).Value(), 1);
  }
}

TEST_F(TickerTrouble, AClockThatIsSetBackFiresNothingTwiceAndGoesOn) {
  for (const auto back : {seconds{5}, seconds{hours{1}}}) {
    MemoryLedger own;
    FakeClock wall{kNoon + milliseconds{500}};
    LogLines said;
    Node node{own, wall, {every("a", seconds{10})}, said.log()};
    node.ticker.pass();
    for (int i = 0; i < 12; ++i) {  // until 12:02
      wall.advance(seconds{10});
      node.ticker.pass();
    }
    const auto ahead = wall.wall();
    wall.set_wall(ahead - back);
    while (wall.wall() <= ahead + minutes{1}) {
      EXPECT_LE(node.ticker.pass(), seconds{1});
      wall.advance(seconds{1});
    }
    EXPECT_THAT(said.text(), HasSubstr("backward"));
    EXPECT_EQ(node.metrics.counter(metrics::kClockSteps, {"backward"}).Value(), 1);
    const auto fired = enqueued(own, "a");
    // What lies before the first start was never due before; now it comes by, and is fired.
    const auto first = back > minutes{2} ? ahead - back : kNoon + milliseconds{500};
    std::vector<WallTime> expected;
    for (auto at = Interval{seconds{10}}.next_after(first); at <= ahead + minutes{1};
         at += seconds{10}) {
      expected.push_back(at);
    }
    EXPECT_EQ(fired, expected);
    EXPECT_EQ(node.ticks("a", "missed"), 0);
  }
}

TEST_F(TickerTrouble, ASlowDriftOfTheClocksIsNoJump) {
  Node node{ledger, clock, {every("a", seconds{10})}, lines.log()};
  for (int i = 0; i < 100; ++i) {
    clock.advance(seconds{1});
    clock.set_wall(clock.wall() + milliseconds{100});
    node.ticker.pass();
  }
  EXPECT_EQ(lines.text(), "");
}

TEST_F(TickerTrouble, WhatWasWrittenByAClockThatWasAheadHidesNoMiss) {
  const auto entry = every("a", minutes{1});
  Node before{ledger, clock, {entry}};
  before.ticker.pass();
  clock.advance(minutes{1});
  before.ticker.pass();  // 12:01
  TaskRequest request;
  request.id = TaskId{"ahead"};
  ASSERT_TRUE(ledger.accept(request, {"a", kNoon + days{365}}));
  clock.advance(minutes{10});  // down until 12:11
  Node after{ledger, clock, {entry}};
  after.ticker.pass();
  EXPECT_EQ(after.ticks("a", "missed"), 9);
  EXPECT_EQ(enqueued(ledger, "a").size(), 3U);
}

}  // namespace
}  // namespace umbel
