#include "umbel/scheduler/ticker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ticker_stand.hpp"
#include "umbel/base/text.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/scheduler/scheduler.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::enqueued;
using testing::every;
using testing::FakeClock;
using testing::hourly;
using testing::kNoon;
using testing::MemoryLedger;
using testing::Node;

class TickerTest : public ::testing::Test {
 protected:
  MemoryLedger ledger;
  FakeClock clock{kNoon + milliseconds{500}};
};

TEST_F(TickerTest, enqueues_a_tick_when_its_instant_has_come_and_not_before) {
  Node node{ledger, clock, {every("a", seconds{10})}};
  node.ticker.pass();
  clock.advance(milliseconds{9'499});
  node.ticker.pass();
  EXPECT_TRUE(ledger.requests().empty());
  clock.advance(milliseconds{1});
  node.ticker.pass();
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + seconds{10}));
  EXPECT_EQ(node.ticks("a", "enqueued"), 1);
}

TEST_F(TickerTest, passes_the_request_as_the_file_has_it) {
  auto entry = every("a", seconds{1});
  entry.task = "add";
  entry.args = "[1]";
  entry.kwargs = R"({"y": 2})";
  entry.queue = QueueName{"q"};
  Node node{ledger, clock, {entry}};
  node.ticker.pass();
  clock.advance(seconds{1});
  node.ticker.pass();
  ASSERT_EQ(ledger.requests().size(), 1U);
  const auto request = ledger.requests().front();
  EXPECT_EQ(request.name, "add");
  EXPECT_EQ(request.args, "[1]");
  EXPECT_EQ(request.kwargs, R"({"y": 2})");
  EXPECT_EQ(request.queue, QueueName{"q"});
  EXPECT_EQ(request.id, tick_task_id("a", kNoon + seconds{1}));
  EXPECT_NE(tick_task_id("a", kNoon), tick_task_id("b", kNoon));
  EXPECT_NE(tick_task_id("a", kNoon), tick_task_id("a", kNoon + microseconds{1}));
}

TEST_F(TickerTest, sleeps_until_the_next_tick_but_never_longer_than_a_second) {
  Node node{ledger, clock, {every("a", seconds{10})}};
  EXPECT_EQ(node.ticker.pass(), seconds{1});
  clock.advance(milliseconds{9'300});
  EXPECT_EQ(node.ticker.pass(), milliseconds{200});
}

TEST_F(TickerTest, does_not_count_the_time_before_a_schedule_was_first_seen) {
  Node node{ledger, clock, {hourly("h"), every("a", seconds{1})}};
  node.ticker.pass();
  EXPECT_TRUE(ledger.rows().empty());
  EXPECT_EQ(node.ticks("h", "missed"), 0);
}

TEST_F(TickerTest, fires_only_the_latest_tick_missed_while_down_and_counts_the_rest) {
  {
    Node before{ledger, clock, {every("a", seconds{60})}};
    before.ticker.pass();
    clock.advance(minutes{1});
    before.ticker.pass();
  }
  clock.advance(minutes{10});  // 12:11:00.5
  Node after{ledger, clock, {every("a", seconds{60})}};
  after.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + minutes{1}, kNoon + minutes{11}));
  EXPECT_EQ(after.ticks("a", "enqueued"), 1);
  EXPECT_EQ(after.ticks("a", "missed"), 9);
  const auto rows = ledger.rows();
  const auto missed = rows.find({"a", kNoon + minutes{10}});
  ASSERT_NE(missed, rows.end());
  EXPECT_EQ(missed->second.outcome, TickOutcome::Missed);
  EXPECT_EQ(missed->second.missed, 9U);
}

TEST_F(TickerTest, fires_at_once_what_came_due_while_down_and_counts_nothing_as_missed) {
  Node{ledger, clock, {hourly("h")}}.ticker.pass();
  clock.advance(minutes{90});
  Node after{ledger, clock, {hourly("h")}};
  after.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "h"), ElementsAre(kNoon + hours{1}));
  EXPECT_EQ(after.ticks("h", "missed"), 0);
}

TEST_F(TickerTest, asks_the_ledger_after_a_stall_before_it_calls_anything_missed) {
  Node one{ledger, clock, {every("a", seconds{1})}};
  Node two{ledger, clock, {every("a", seconds{1})}};
  one.ticker.pass();
  two.ticker.pass();
  for (int i = 0; i < 5; ++i) {  // the second one stalls
    clock.advance(seconds{1});
    one.ticker.pass();
  }
  two.ticker.pass();
  clock.advance(seconds{1});
  two.ticker.pass();
  EXPECT_EQ(enqueued(ledger, "a").size(), 6U);
  EXPECT_EQ(one.ticks("a", "enqueued"), 5);
  EXPECT_EQ(two.ticks("a", "enqueued"), 1);
  EXPECT_EQ(one.ticks("a", "missed") + two.ticks("a", "missed"), 0);
}

TEST_F(TickerTest, leaves_a_tick_that_another_scheduler_took) {
  Node one{ledger, clock, {every("a", seconds{1})}};
  Node two{ledger, clock, {every("a", seconds{1})}};
  for (int i = 0; i < 10; ++i) {
    one.ticker.pass();
    two.ticker.pass();
    clock.advance(seconds{1});
  }
  EXPECT_EQ(enqueued(ledger, "a").size(), 9U);
  EXPECT_EQ(one.ticks("a", "enqueued"), 9);
  EXPECT_EQ(two.ticks("a", "taken_elsewhere"), 9);
  EXPECT_EQ(two.gauge(metrics::kScheduleLastRun, "a"), to_unix_seconds(kNoon + seconds{9}));
}

TEST_F(TickerTest, keeps_a_tick_while_the_store_is_away) {
  Node node{ledger, clock, {every("a", minutes{1})}};
  node.ticker.pass();
  ledger.fail_with(unavailable("locked"));
  clock.advance(minutes{1});
  for (int i = 0; i < 300; ++i) {  // 30 s in steps of 100 ms
    const auto sleep = node.ticker.pass();
    EXPECT_LE(sleep, seconds{1});
    clock.advance(milliseconds{100});
  }
  EXPECT_LE(ledger.attempts(), 25);  // it backs off
  EXPECT_GE(ledger.attempts(), 5);   // and comes again
  ledger.fail_with(std::nullopt);
  clock.advance(seconds{5});
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + minutes{1}));
  EXPECT_EQ(node.ticks("a", "enqueued"), 1);
  EXPECT_EQ(node.ticks("a", "missed"), 0);
  EXPECT_EQ(node.ticks("a", "failed"), 0);
}

TEST_F(TickerTest, counts_what_the_store_outlasted_as_missed) {
  Node node{ledger, clock, {every("a", seconds{10})}};
  node.ticker.pass();
  ledger.fail_with(Error{Errc::OutcomeUnknown, "no answer"});
  for (int i = 0; i < 35; ++i) {
    clock.advance(seconds{1});
    node.ticker.pass();
  }
  ledger.fail_with(std::nullopt);
  clock.advance(seconds{5});  // 12:00:40.5
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + seconds{40}));
  EXPECT_EQ(node.ticks("a", "missed"), 3);
}

TEST_F(TickerTest, learns_where_it_stands_when_the_store_comes_back) {
  ledger.fail_with(unavailable("down"));
  Node node{ledger, clock, {every("a", seconds{1})}};
  EXPECT_LE(node.ticker.pass(), seconds{1});
  clock.advance(seconds{10});
  ledger.fail_with(std::nullopt);
  node.ticker.pass();
  // In force since it was first to be: what the store slept through has been missed.
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + seconds{10}));
  EXPECT_EQ(node.ticks("a", "missed"), 9);
}

TEST_F(TickerTest, gives_up_a_tick_whose_request_is_refused_and_goes_on) {
  metrics::Metrics metrics{"test"};
  Ticker ticker{[&](std::span<const TickedTask> ticks) {
                  std::vector<Result<void>> answers;
                  for (const auto& [request, tick] : ticks) {
                    answers.push_back(request.name == "bad"
                                          ? Result<void>{invalid("no argument 'z'")}
                                          : ledger.accept(request, tick));
                  }
                  return Result<std::vector<Result<void>>>{answers};
                },
                ledger, clock, metrics, Log::none()};
  auto bad = every("bad", seconds{1});
  bad.task = "bad";
  ticker.replace({bad, every("good", seconds{1})});
  for (int i = 0; i < 4; ++i) {
    ticker.pass();
    clock.advance(seconds{1});
  }
  EXPECT_EQ(metrics.counter(metrics::kScheduleTicks, {"bad", "failed"}).Value(), 3);
  EXPECT_EQ(metrics.counter(metrics::kScheduleTicks, {"bad", "missed"}).Value(), 0);
  EXPECT_EQ(enqueued(ledger, "good").size(), 3U);
}

TEST_F(TickerTest, survives_jumps_of_the_wall_clock_without_firing_twice) {
  Node node{ledger, clock, {every("a", minutes{1})}};
  node.ticker.pass();
  clock.advance(minutes{1});
  node.ticker.pass();                // 12:01
  clock.set_wall(kNoon + hours{5});  // ahead by mistake: 17:00
  node.ticker.pass();
  clock.set_wall(kNoon + minutes{1} + seconds{30});
  node.ticker.pass();  // put right
  clock.set_wall(kNoon + minutes{2});
  node.ticker.pass();
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "a"),
              ElementsAre(kNoon + minutes{1}, kNoon + minutes{2}, kNoon + hours{5}));
  EXPECT_EQ(node.ticks("a", "enqueued"), 3);
  EXPECT_EQ(node.ticks("a", "missed"), 298);
  clock.set_wall(kNoon + minutes{2} - seconds{1});  // a small step back changes nothing
  node.ticker.pass();
  clock.set_wall(kNoon + minutes{2} + seconds{1});
  node.ticker.pass();
  EXPECT_EQ(node.ticks("a", "enqueued") + node.ticks("a", "taken_elsewhere"), 3);
}

TEST_F(TickerTest, goes_on_from_now_when_the_ledger_was_written_by_a_clock_that_was_ahead) {
  clock.set_wall(kNoon + hours{24 * 365});
  {
    Node ahead{ledger, clock, {every("a", minutes{1})}};
    ahead.ticker.pass();
    clock.advance(minutes{1});
    ahead.ticker.pass();
  }
  clock.set_wall(kNoon);
  Node node{ledger, clock, {every("a", minutes{1})}};
  node.ticker.pass();
  clock.advance(minutes{1});
  node.ticker.pass();
  EXPECT_EQ(enqueued(ledger, "a").front(), kNoon + minutes{1});
  EXPECT_EQ(node.ticks("a", "missed"), 0);
}

TEST_F(TickerTest, keeps_disabled_entries_quiet) {
  auto entry = every("a", seconds{1});
  entry.enabled = false;
  Node node{ledger, clock, {entry, every("b", hours{1})}};
  node.ticker.pass();
  clock.advance(seconds{5});
  node.ticker.pass();
  EXPECT_TRUE(ledger.rows().empty());
  EXPECT_EQ(node.gauge(metrics::kScheduleEntries, "true"), 1);
  EXPECT_EQ(node.gauge(metrics::kScheduleEntries, "false"), 1);
}

TEST_F(TickerTest, goes_on_where_it_was_with_entries_that_a_replacement_keeps) {
  Node node{ledger, clock, {every("kept", minutes{1}), every("gone", seconds{1})}};
  node.ticker.pass();
  clock.advance(minutes{1});
  node.ticker.replace({every("new", seconds{1}), every("kept", minutes{1})});
  node.ticker.pass();
  EXPECT_EQ(enqueued(ledger, "kept").size(), 1U);
  EXPECT_THAT(enqueued(ledger, "gone"), ElementsAre(kNoon + minutes{1})) << "what it still owed";
  EXPECT_TRUE(enqueued(ledger, "new").empty());
  clock.advance(seconds{1});
  node.ticker.pass();
  EXPECT_EQ(enqueued(ledger, "new").size(), 1U);
  EXPECT_EQ(enqueued(ledger, "gone").size(), 1U) << "it has stopped";
  EXPECT_FALSE(ledger.in_force("gone"));
}

TEST_F(TickerTest, does_not_call_missed_what_a_changed_schedule_was_not_there_for) {
  {
    Node before{ledger, clock, {every("a", hours{1})}};
    before.ticker.pass();
    clock.advance(hours{1});
    before.ticker.pass();
  }
  clock.advance(minutes{40});
  Node after{ledger, clock, {every("a", seconds{1})}};
  after.ticker.pass();
  EXPECT_EQ(after.ticks("a", "missed"), 0);
  EXPECT_EQ(enqueued(ledger, "a").size(), 1U);
}

TEST_F(TickerTest, shows_last_and_next_run_lag_and_every_outcome_from_the_start) {
  Node node{ledger, clock, {every("a", seconds{10})}};
  node.ticker.pass();
  for (const auto* outcome : {"enqueued", "taken_elsewhere", "missed", "failed"}) {
    EXPECT_THAT(node.metrics.text(),
                ::testing::HasSubstr("umbel_schedule_ticks_total{outcome=\"" +
                                     std::string{outcome} + "\",schedule=\"a\"} 0"));
  }
  EXPECT_EQ(node.gauge(metrics::kScheduleNextRun, "a"), to_unix_seconds(kNoon + seconds{10}));
  clock.advance(seconds{10});  // half a second late
  node.ticker.pass();
  EXPECT_EQ(node.gauge(metrics::kScheduleLastRun, "a"), to_unix_seconds(kNoon + seconds{10}));
  EXPECT_EQ(node.gauge(metrics::kScheduleNextRun, "a"), to_unix_seconds(kNoon + seconds{20}));
  const auto lag = node.metrics.histogram(metrics::kScheduleLag).Collect().histogram;
  EXPECT_EQ(lag.sample_count, 1U);
  EXPECT_DOUBLE_EQ(lag.sample_sum, 0.5);
}

TEST_F(TickerTest, stops_between_two_ticks_when_told_to) {
  Node node{ledger, clock, {every("a", seconds{1}), every("b", seconds{1})}};
  node.ticker.pass();
  clock.advance(seconds{1});
  std::stop_source stop;
  stop.request_stop();
  node.ticker.pass(stop.get_token());
  EXPECT_TRUE(ledger.rows().empty());
}

TEST(Scheduler, fires_from_its_thread_takes_a_replacement_and_stops_at_once) {
  MemoryLedger ledger;
  const SystemClock clock;
  Node node{ledger, clock, {every("a", seconds{1})}};
  Scheduler scheduler{node.ticker, Log::none()};
  scheduler.stop();  // unstarted
  ASSERT_TRUE(scheduler.start());
  ASSERT_TRUE(scheduler.start());  // twice is once
  EXPECT_TRUE(testing::eventually([&] { return !enqueued(ledger, "a").empty(); }));
  scheduler.replace({every("b", seconds{1})});
  EXPECT_TRUE(testing::eventually([&] { return !enqueued(ledger, "b").empty(); }));
  const auto begun = std::chrono::steady_clock::now();
  scheduler.stop();
  scheduler.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, milliseconds{900});
}

TEST(Scheduler, of_several_over_one_ledger_enqueues_each_tick_exactly_once) {
  MemoryLedger ledger;
  const SystemClock clock;
  const std::vector<ScheduleEntry> entries{every("a", seconds{1}), every("b", seconds{1}),
                                           every("c", seconds{2})};
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<std::unique_ptr<Scheduler>> schedulers;
  for (int i = 0; i < 4; ++i) {
    nodes.push_back(std::make_unique<Node>(ledger, clock, entries));
    schedulers.push_back(std::make_unique<Scheduler>(nodes.back()->ticker, Log::none()));
    ASSERT_TRUE(schedulers.back()->start());
  }
  EXPECT_TRUE(testing::eventually([&] { return enqueued(ledger, "c").size() >= 2; }));
  for (auto& scheduler : schedulers) scheduler->stop();
  double counted = 0;
  for (const auto& entry : entries) {
    for (auto& node : nodes) counted += node->ticks(entry.name, "enqueued");
    const auto found = enqueued(ledger, entry.name);
    ASSERT_FALSE(found.empty());
    const auto& interval = std::get<Interval>(entry.schedule);
    for (std::size_t i = 1; i < found.size(); ++i) {
      EXPECT_EQ(found[i], interval.next_after(found[i - 1])) << entry.name;
    }
  }
  EXPECT_EQ(counted, static_cast<double>(ledger.requests().size()));
  EXPECT_EQ(ledger.requests().size(), ledger.rows().size());  // nothing was missed
}

}  // namespace
}  // namespace umbel
