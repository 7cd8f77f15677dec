#include "umbel/model/cron_words.hpp"

#include <gtest/gtest.h>

#include <string>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

struct Case {
  const char* expression;
  const char* words;
};

class CronWordsTest : public ::testing::TestWithParam<Case> {};

TEST_P(CronWordsTest, says_when_it_fires) {
  const auto& [expression, expected] = GetParam();
  const auto schedule = schedule_from(expression, "");
  ASSERT_TRUE(schedule) << schedule.error().what;
  EXPECT_EQ(words(*schedule), expected) << expression;
}

INSTANTIATE_TEST_SUITE_P(
    Intervals, CronWordsTest,
    ::testing::Values(Case{"every 1s", "every second"}, Case{"every 30", "every 30 seconds"},
                      Case{"every 60s", "every minute"}, Case{"every 5m", "every 5 minutes"},
                      Case{"every 1h", "every hour"}, Case{"every 2h", "every 2 hours"},
                      Case{"every 1d", "every day"}, Case{"every 7d", "every 7 days"},
                      Case{"every 90s", "every 1 minute 30 seconds"},
                      Case{"every 1h30m", "every 1 hour 30 minutes"},
                      Case{"every 1d1s", "every 1 day 1 second"}));

INSTANTIATE_TEST_SUITE_P(
    Times, CronWordsTest,
    ::testing::Values(
        Case{"* * * * *", "every minute"}, Case{"*/1 * * * *", "every minute"},
        Case{"0-59 * * * *", "every minute"}, Case{"*/5 * * * *", "every 5 minutes"},
        Case{"0,30 * * * *", "every 30 minutes"}, Case{"0 * * * *", "every hour, on the hour"},
        Case{"@hourly", "every hour, on the hour"},
        Case{"15 * * * *", "at minute 15 of every hour"},
        Case{"5,35 * * * *", "at minutes 5 and 35 of every hour"},
        Case{"*/7 * * * *", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"},
        Case{"5-59/5 * * * *",
             "at minutes 5, 10, 15, 20, 25, 30, 35, 40, 45, 50 and 55 of every hour"},
        Case{"10-20 * * * *", "at minutes 10 to 20 of every hour"},
        Case{"0 6 * * *", "at 06:00 every day"}, Case{"@daily", "at 00:00 every day"},
        Case{"5 6,18 * * *", "at 06:05 and 18:05 every day"},
        Case{"0,30 8,9 * * *", "every 30 minutes from 08:00 to 09:30 every day"},
        Case{"5,30 8,9 * * *", "at 08:05, 08:30, 09:05 and 09:30 every day"},
        Case{"0 9-17 * * *", "every hour from 09:00 to 17:00 every day"},
        Case{"15 9-17/2 * * *", "every 2 hours from 09:15 to 17:15 every day"},
        Case{"0 */2 * * *", "every 2 hours from 00:00 to 22:00 every day"},
        Case{"0 */6 * * *", "at 00:00, 06:00, 12:00 and 18:00 every day"},
        Case{"0 */5 * * *", "every 5 hours from 00:00 to 20:00 every day"},
        Case{"* 6 * * *", "every minute from 06:00 to 06:59 every day"},
        Case{"* 9-17 * * *", "every minute from 09:00 to 17:59 every day"},
        Case{"*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:45 every day"},
        Case{"*/15 9,12 * * *", "every 15 minutes of the hours 9 and 12 every day"},
        Case{"* 22-23,0-2 * * *", "every minute of the hours 0 to 2, 22 and 23 every day"},
        Case{"3,4,9 1-4,7 * * *", "at minutes 3, 4 and 9 of the hours 1 to 4 and 7 every day"},
        Case{"1-50 3 * * *", "at minutes 1 to 50 of the hour 3 every day"}));

INSTANTIATE_TEST_SUITE_P(
    Dates, CronWordsTest,
    ::testing::Values(
        Case{"0 6 * * mon-fri", "at 06:00 on weekdays"},
        Case{"0 6 * * 1-5", "at 06:00 on weekdays"},
        Case{"0 6 * * sat-sun", "at 06:00 on weekends"}, Case{"0 6 * * 7", "at 06:00 on Sundays"},
        Case{"@weekly", "at 00:00 on Sundays"},
        Case{"0 6 * * sun,mon,wed", "at 06:00 on Mondays, Wednesdays and Sundays"},
        Case{"*/5 * * * mon", "every 5 minutes on Mondays"},
        Case{"0 9-17/2 * * mon-fri", "every 2 hours from 09:00 to 17:00 on weekdays"},
        Case{"@monthly", "at 00:00 on day 1 of the month"},
        Case{"0 0 1-7,15 * *", "at 00:00 on days 1 to 7 and 15 of the month"},
        Case{"@yearly", "at 00:00 on day 1 of January"},
        Case{"0 0 1 1,4,7,10 *", "at 00:00 on day 1 of January, April, July and October"},
        Case{"0 6 * 12 *", "at 06:00 every day in December"},
        Case{"0 * * jan,feb *", "every hour, on the hour in January and February"},
        Case{"0 6 * 12 mon", "at 06:00 on Mondays in December"},
        Case{"0 0 13 * fri", "at 00:00 on day 13 of the month and also on Fridays"},
        Case{"0 0 13 6 fri", "at 00:00 on day 13 of June and also on Fridays in June"},
        Case{"0 0 */10 * mon",
             "at 00:00 on Mondays that fall on days 1, 11, 21 and 31 of the month"},
        Case{"0 0 1 * */2",
             "at 00:00 on Tuesdays, Thursdays, Saturdays and Sundays that fall on day 1 of the "
             "month"},
        Case{"0 0 1-31 * mon", "at 00:00 every day"}, Case{"0 0 1 * 0-6", "at 00:00 every day"},
        Case{"0 0 */1 * mon", "at 00:00 on Mondays"}));

TEST(ScheduleText, comes_back_as_it_was) {
  for (const auto& [expression, zone] :
       {std::pair{"every 1h30m", ""}, std::pair{"0 9 * * mon-fri", "Europe/Berlin"},
        std::pair{"@daily", "UTC"}}) {
    const auto schedule = schedule_from(expression, zone).value();
    EXPECT_EQ(expression_of(schedule), expression);
    EXPECT_EQ(zone_of(schedule), zone);
  }
  EXPECT_EQ(zone_of(schedule_from("* * * * *", "").value()), "UTC");
  const auto berlin = schedule_from("0 9 * * *", "Europe/Berlin").value();
  EXPECT_EQ(next_after(berlin, parse_iso8601("2026-11-22T00:00:00Z").value()),
            parse_iso8601("2026-11-22T08:00:00Z").value());
}

TEST(ScheduleText, says_what_is_wrong) {
  EXPECT_FALSE(schedule_from("every now", ""));
  EXPECT_FALSE(schedule_from("61 * * * *", ""));
  EXPECT_FALSE(schedule_from("* * * * *", "Mars/Olympus"));
  EXPECT_FALSE(schedule_from("", ""));
}

}  // namespace
}  // namespace umbel
