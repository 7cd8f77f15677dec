// Pauses: what is due meanwhile is neither enqueued nor missed, and what comes after goes on from
// then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory_book.hpp"
#include "ticker_stand.hpp"

namespace umbel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::enqueued;
using testing::every;
using testing::FakeClock;
using ::testing::HasSubstr;
using testing::kNoon;
using testing::MemoryBook;
using testing::MemoryLedger;

class TickerPauseTest : public ::testing::Test {
 protected:
  struct PausingNode {
    PausingNode(TickerPauseTest& test, std::vector<ScheduleEntry> entries)
        : ticker{test.ledger.submit(), test.ledger, test.clock, metrics, test.log, [&test] {
                   return test.book.pauses();
                 }} {
      ticker.replace(std::move(entries));
    }
    metrics::Metrics metrics{"test"};
    Ticker ticker;
  };
  void second(PausingNode& node, int times = 1) {
    for (int i = 0; i < times; ++i) {
      clock.advance(seconds{1});
      node.ticker.pass();
    }
  }
  // As the store does it: the ledger learns since when the schedule goes on.
  void resume(const std::string& name) {
    ASSERT_TRUE(book.resume(name, clock.wall()).value());
    ledger.in_force_from(name, clock.wall());
  }
  std::uint64_t missed(const std::string& schedule) {
    std::uint64_t sum = 0;
    for (const auto& [key, row] : ledger.rows()) sum += key.first == schedule ? row.missed : 0;
    return sum;
  }

  MemoryLedger ledger;
  MemoryBook book;
  FakeClock clock{kNoon + milliseconds{500}};
  std::string lines;
  Log log{"test", LogLevel::Info, [this](LogLevel, std::string_view, std::string_view text) {
            lines.append(text).append("\n");
          }};
};

TEST_F(TickerPauseTest, what_is_due_while_paused_is_neither_enqueued_nor_missed) {
  PausingNode node{*this, {every("a", seconds{1}), every("b", seconds{1})}};
  node.ticker.pass();
  second(node, 2);
  ASSERT_TRUE(book.pause("a", "migration", clock.wall()));
  second(node, 5);
  resume("a");
  second(node, 2);
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + seconds{1}, kNoon + seconds{2},
                                                 kNoon + seconds{8}, kNoon + seconds{9}));
  EXPECT_EQ(enqueued(ledger, "b").size(), 9U) << "the other goes on";
  EXPECT_EQ(missed("a"), 0U);
  EXPECT_THAT(lines, HasSubstr("schedule paused"));
  EXPECT_THAT(lines, HasSubstr("reason=migration"));
  EXPECT_THAT(lines, HasSubstr("schedule resumed"));
}

TEST_F(TickerPauseTest, a_pause_is_a_gauge_and_has_no_next_run) {
  PausingNode node{*this, {every("a", seconds{1})}};
  node.ticker.pass();
  second(node);
  const auto text = [&] { return node.metrics.text(); };
  EXPECT_THAT(text(), HasSubstr("umbel_schedule_paused{schedule=\"a\"} 0"));
  EXPECT_THAT(text(), HasSubstr("umbel_schedule_next_run_timestamp_seconds{schedule=\"a\"}"));
  ASSERT_TRUE(book.pause("a", "", clock.wall()));
  second(node);
  EXPECT_THAT(text(), HasSubstr("umbel_schedule_paused{schedule=\"a\"} 1"));
  EXPECT_THAT(text(), ::testing::Not(HasSubstr("umbel_schedule_next_run_timestamp_seconds{")));
  resume("a");
  second(node);
  EXPECT_THAT(text(), HasSubstr("umbel_schedule_paused{schedule=\"a\"} 0"));
  EXPECT_THAT(text(), HasSubstr("umbel_schedule_next_run_timestamp_seconds{schedule=\"a\"}"));
}

TEST_F(TickerPauseTest, a_scheduler_that_did_not_run_meanwhile_makes_up_for_nothing) {
  {
    PausingNode before{*this, {every("a", seconds{1})}};
    before.ticker.pass();
    second(before);
  }
  ASSERT_TRUE(book.pause("a", "", clock.wall()));
  clock.advance(seconds{60});
  {
    PausingNode during{*this, {every("a", seconds{1})}};
    during.ticker.pass();
    second(during, 2);
  }
  clock.advance(seconds{60});
  resume("a");
  clock.advance(milliseconds{100});
  PausingNode after{*this, {every("a", seconds{1})}};
  after.ticker.pass();
  second(after);
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + seconds{1}, kNoon + seconds{124}));
  EXPECT_EQ(missed("a"), 0U);
}

TEST_F(TickerPauseTest, ticks_between_the_resume_and_the_next_look_are_fired) {
  PausingNode node{*this, {every("a", seconds{1})}};
  node.ticker.pass();
  ASSERT_TRUE(book.pause("a", "", clock.wall()));
  second(node, 3);
  resume("a");
  clock.advance(milliseconds{1'900});
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + seconds{5}));
  EXPECT_EQ(missed("a"), 1U) << "12:00:04, as any other that came due between two looks";
}

TEST_F(TickerPauseTest, a_reload_keeps_the_pause) {
  PausingNode node{*this, {every("a", seconds{1})}};
  node.ticker.pass();
  ASSERT_TRUE(book.pause("a", "", clock.wall()));
  second(node);
  node.ticker.replace({every("a", seconds{2}), every("n", seconds{1})});
  ASSERT_TRUE(book.pause("n", "", clock.wall()));
  second(node, 4);
  EXPECT_TRUE(ledger.requests().empty());
  resume("n");
  second(node, 2);
  EXPECT_EQ(enqueued(ledger, "n").size(), 1U)
      << "unknown to the ledger until now: from the moment it was seen to go on";
  EXPECT_TRUE(enqueued(ledger, "a").empty());
}

TEST_F(TickerPauseTest, a_book_that_does_not_answer_delays_ticks_as_a_ledger_does) {
  PausingNode node{*this, {every("a", seconds{1})}};
  node.ticker.pass();
  book.fail_with(unavailable("away"));
  second(node);
  EXPECT_TRUE(ledger.requests().empty());
  book.fail_with(std::nullopt);
  clock.advance(milliseconds{400});
  node.ticker.pass();
  EXPECT_THAT(enqueued(ledger, "a"), ElementsAre(kNoon + seconds{1}));
}

}  // namespace
}  // namespace umbel
