#include "umbel/scheduler/schedule_publisher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory_book.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using testing::FakeClock;
using testing::MemoryBook;

std::vector<ScheduleEntry> entries(const std::string& text) {
  return parse_schedule("schedules:\n" + text, "s.yaml").value();
}

TEST(SchedulePublisherTest, a_card_says_what_the_entry_has) {
  const auto entry = entries(R"(  - name: front
    cron: "0 9 * * mon-fri"
    timezone: Europe/Berlin
    task: reddit.discover
    args: [cpp]
    kwargs: {deep: true}
    queue: reddit
    enabled: false
    description: what for
)");
  EXPECT_EQ(card_of(entry.front()),
            (ScheduleCard{.name = "front",
                          .task = "reddit.discover",
                          .args = R"(["cpp"])",
                          .kwargs = R"({"deep": true})",
                          .queue = "reddit",
                          .expression = "0 9 * * mon-fri",
                          .zone = "Europe/Berlin",
                          .definition = "cron 0 9 * * mon-fri (Europe/Berlin)",
                          .description = "what for",
                          .enabled = false}));
  const auto every = entries("  - {name: a, every: 90, task: noop}\n");
  EXPECT_EQ(card_of(every.front()).expression, "every 1m30s");
  EXPECT_EQ(card_of(every.front()).zone, "");
}

TEST(SchedulePublisherTest, lays_down_what_is_in_force_and_says_now_and_then_that_it_lives) {
  MemoryBook book;
  FakeClock clock;
  SchedulePublisher publisher{book, "s1", clock, Log::none()};
  EXPECT_TRUE(publisher.tell());
  EXPECT_EQ(book.calls(), 0) << "nothing is in force yet";
  publisher.put(entries("  - {name: a, every: 1s, task: noop}\n"));
  EXPECT_TRUE(publisher.tell());
  EXPECT_THAT(book.names("s1"), ElementsAre("a"));
  EXPECT_TRUE(publisher.tell());
  EXPECT_EQ(book.calls(), 1) << "not oftener than it has to";
  clock.advance(kSchedulerTellsEvery);
  EXPECT_TRUE(publisher.tell());
  EXPECT_EQ(book.calls(), 2);
  publisher.put(entries("  - {name: b, every: 1s, task: noop}\n"));
  EXPECT_TRUE(publisher.tell());
  EXPECT_THAT(book.names("s1"), ElementsAre("b")) << "a reload at once";
}

TEST(SchedulePublisherTest, publishes_again_when_the_book_has_forgotten_it) {
  MemoryBook book;
  FakeClock clock;
  SchedulePublisher publisher{book, "s1", clock, Log::none()};
  publisher.put(entries("  - {name: a, every: 1s, task: noop}\n"));
  EXPECT_TRUE(publisher.tell());
  book.sweep();
  clock.advance(kSchedulerTellsEvery);
  EXPECT_TRUE(publisher.tell());
  EXPECT_THAT(book.names("s1"), ElementsAre("a"));
}

TEST(SchedulePublisherTest, a_store_that_is_away_is_asked_again_and_named_once) {
  MemoryBook book;
  FakeClock clock;
  int warnings = 0;
  SchedulePublisher publisher{
      book, "s1", clock,
      Log{"test", LogLevel::Warn,
          [&](LogLevel, std::string_view, std::string_view) { ++warnings; }}};
  publisher.put(entries("  - {name: a, every: 1s, task: noop}\n"));
  book.fail_with(unavailable("away"));
  EXPECT_FALSE(publisher.tell());
  EXPECT_FALSE(publisher.tell());
  EXPECT_EQ(warnings, 1);
  book.fail_with(std::nullopt);
  EXPECT_TRUE(publisher.tell());
  EXPECT_THAT(book.names("s1"), ElementsAre("a"));
}

TEST(SchedulePublisherTest, as_a_service_tells_and_leaves) {
  MemoryBook book;
  const SystemClock clock;
  SchedulePublisher publisher{book, "s1", clock, Log::none()};
  publisher.put(entries("  - {name: a, every: 1s, task: noop}\n"));
  ASSERT_TRUE(publisher.start());
  EXPECT_TRUE(testing::eventually([&] { return book.names("s1").size() == 1; }));
  publisher.put(
      entries("  - {name: a, every: 1s, task: noop}\n  - {name: b, every: 1s, task: noop}\n"));
  EXPECT_TRUE(testing::eventually([&] { return book.names("s1").size() == 2; }));
  publisher.stop();
  EXPECT_TRUE(book.left("s1"));
}

}  // namespace
}  // namespace umbel
