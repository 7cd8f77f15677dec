// Every call of a scheduler fails once, before and after it took effect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/scheduler/tick_retention.hpp"
#include "umbel/scheduler/ticker.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/faulty_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

ScheduleEntry every(const std::string& name, seconds interval, const std::string& task = "noop") {
  ScheduleEntry entry;
  entry.name = name;
  entry.schedule = Interval{interval};
  entry.schedule_text = "every " + Interval{interval}.text();
  entry.task = task;
  return entry;
}

// Times at which the ledger accounts for each instant of a schedule.
std::map<WallTime, int> accounted(const std::vector<TickRecord>& rows, const std::string& schedule,
                                  seconds interval) {
  std::map<WallTime, int> times;
  for (const auto& row : rows) {
    if (row.schedule != schedule) continue;
    if (row.outcome == TickOutcome::Enqueued) ++times[row.due];
    for (std::uint64_t i = 0; i < row.missed; ++i) {
      ++times[row.due - static_cast<std::int64_t>(i) * interval];
    }
  }
  return times;
}

TEST(SchedulerFaults, LeaveNoTickSilentAndNoneTwice) {
  testing::fail_each_call([](testing::FaultPlan& plan) {
    const testing::TempDir dir;
    testing::FakeClock clock{from_micros(1'795'350'738'500'000)};
    const auto begun = clock.wall();
    const auto real = open_sqlite_store({.path = dir.file("s.db")}, clock, Log::none()).value();
    const auto broker = open_sqlite_broker({.path = dir.file("b.db")}, clock, Log::none()).value();
    CatalogueEntry add;
    add.name = "add";
    add.queue = QueueName{"umbel"};
    add.parameters = {{"x", "integer", true, ""}};
    ASSERT_TRUE(real->catalogue().upsert(std::span{&add, 1}, clock.wall()).has_value());
    testing::FaultyStore store{*real, plan};
    testing::FaultyBroker faulty{*broker, plan};
    metrics::Metrics metrics{"test"};
    Enqueuer enqueuer{store, faulty, clock, Log::none(), "gen1@test"};
    const auto step = [&](Ticker& ticker, seconds by) {
      clock.advance(by);
      ticker.pass();
    };
    {
      Ticker ticker{submit_through(enqueuer), store.ticks(), clock, metrics, Log::none()};
      ticker.replace({every("a", seconds{1}), every("b", seconds{2}),
                      every("refused", seconds{2}, "add"), every("gone", seconds{1})});
      for (int i = 0; i < 4; ++i) step(ticker, seconds{1});
      clock.advance(seconds{20});  // stalls, and catches up
      for (int i = 0; i < 2; ++i) step(ticker, seconds{1});
      ticker.replace(
          {every("a", seconds{1}), every("b", seconds{2}), every("refused", seconds{2}, "add")});
      for (int i = 0; i < 3; ++i) step(ticker, seconds{1});
    }
    clock.advance(minutes{2});  // dies; the next one finds where it stood
    Ticker ticker{submit_through(enqueuer), store.ticks(), clock, metrics, Log::none()};
    ticker.replace(
        {every("a", seconds{1}), every("b", seconds{2}), every("refused", seconds{2}, "add")});
    for (int i = 0; i < 3; ++i) step(ticker, seconds{1});
    for (int i = 0; i < 3; ++i) {  // what failed last is tried again
      clock.advance(milliseconds{150});
      ticker.pass();
    }

    const auto rows = real->ticks().recent(10'000).value();
    for (const auto& [name, interval] : std::map<std::string, seconds>{
             {"a", seconds{1}}, {"b", seconds{2}}, {"refused", seconds{2}}}) {
      std::map<WallTime, int> expected;
      for (auto at = Interval{interval}.next_after(begun + seconds{1}); at <= clock.wall();
           at += interval) {
        expected[at] = 1;
      }
      EXPECT_EQ(accounted(rows, name, interval), expected) << name;
    }
    // The tasks of exactly the enqueued ticks reach the queue, whatever the broker did.
    std::set<std::string> accepted, delivered;
    for (const auto& row : rows) {
      if (row.outcome == TickOutcome::Enqueued) accepted.insert(row.task.str());
    }
    clock.advance(minutes{1});
    for (int i = 0; i < 3; ++i) (void)enqueuer.relay();
    const auto consumer = broker->consume(
        {.queues = {QueueName{kDefaultQueue}}, .prefetch = 10'000, .consumer = "test"});
    ASSERT_TRUE(consumer.has_value());
    for (;;) {
      const auto batch = (*consumer)->next(1'000, milliseconds{0}, {});
      ASSERT_TRUE(batch.has_value());
      if (batch->empty()) break;
      for (const auto& delivery : *batch) delivered.insert(delivery.message.correlation_id);
    }
    EXPECT_EQ(delivered, accepted);
  });
}

TEST(SchedulerFaults, LeaveOldTicksToTheNextRoundOfRetention) {
  testing::fail_each_call([](testing::FaultPlan& plan) {
    const testing::TempDir dir;
    const testing::FakeClock clock;
    const auto real = open_sqlite_store({.path = dir.file("s.db")}, clock, Log::none()).value();
    for (int i = 0; i < 5; ++i) {
      Acceptance acceptance;
      acceptance.tick = Tick{"a", clock.wall() - std::chrono::hours{50 + i}};
      ASSERT_TRUE(real->outbox().accept(acceptance).has_value());
    }
    testing::FaultyStore store{*real, plan};
    metrics::Metrics metrics{"test"};
    TickRetention retention{store.ticks(), store.leases(), "me",       std::chrono::hours{24},
                            clock,         metrics,        Log::none()};
    const auto first = retention.pass();
    if (first.has_error()) {
      EXPECT_TRUE(retention.pass().has_value());
    }
    EXPECT_EQ(real->ticks().recent(10)->size(), 1U);
  });
}

}  // namespace
}  // namespace umbel
