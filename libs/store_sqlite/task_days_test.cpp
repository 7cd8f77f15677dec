#include "task_days.hpp"

#include <gtest/gtest.h>

namespace umbel::store_sqlite {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;

const WallTime kNoon = Day{std::chrono::year{2026} / 11 / 22} + hours{12};
const Day kToday = floor<days>(kNoon);

TEST(TaskDays, RemembersUntilToldToForget) {
  TaskDays remembered{10};
  remembered.remember(TaskId{"a"}, kToday);
  remembered.remember(TaskId{"a"}, kToday - days{1});

  EXPECT_EQ(remembered.of(TaskId{"a"}), kToday - days{1});
  EXPECT_FALSE(remembered.of(TaskId{"b"}).has_value());

  remembered.forget(TaskId{"a"});
  remembered.forget(TaskId{"b"});
  EXPECT_FALSE(remembered.of(TaskId{"a"}).has_value());
  EXPECT_TRUE(remembered.complete());
}

TEST(TaskDays, LetsTheOldestGoBeyondTheBoundAndSaysSo) {
  TaskDays remembered{2};
  remembered.remember(TaskId{"a"}, kToday);
  remembered.remember(TaskId{"b"}, kToday);
  EXPECT_TRUE(remembered.complete());

  remembered.remember(TaskId{"c"}, kToday);

  EXPECT_FALSE(remembered.of(TaskId{"a"}).has_value());
  EXPECT_TRUE(remembered.of(TaskId{"b"}).has_value());
  EXPECT_TRUE(remembered.of(TaskId{"c"}).has_value());
  EXPECT_FALSE(remembered.complete());
}

TEST(PossibleDays, CoverEverythingKnownOfATaskAndADayOnEitherSide) {
  Task task;
  task.timestamp = kNoon;
  task.sent = kNoon - days{4};
  task.started = kNoon + days{2};

  const auto span = possible_days(task);

  EXPECT_EQ(span.first, kToday - days{5});
  EXPECT_EQ(span.last, kToday + days{3});
}

TEST(Plausible, TakesNowForAClockThatIsFarOff) {
  EXPECT_EQ(plausible(kNoon - days{300}, kNoon), kNoon - days{300});
  EXPECT_EQ(plausible(kNoon + hours{2}, kNoon), kNoon + hours{2});
  EXPECT_EQ(plausible(from_micros(0), kNoon), kNoon);
  EXPECT_EQ(plausible(kNoon + days{2}, kNoon), kNoon);
}

}  // namespace
}  // namespace umbel::store_sqlite
