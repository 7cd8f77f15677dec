#include "umbel/model/cron.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

WallTime at(const std::string& text) {
  const auto time = parse_iso8601(text);
  EXPECT_TRUE(time) << text;
  return time.value_or(WallTime{});
}

CronExpression cron(const std::string& text) { return CronExpression::parse(text).value(); }
TimeZone zone(const std::string& name) { return TimeZone::parse(name).value(); }

std::vector<std::string> runs(const std::string& expression, const std::string& zone_name,
                              const std::string& after, std::size_t count) {
  std::vector<std::string> found;
  auto time = at(after);
  while (found.size() < count) {
    const auto next = cron(expression).next_after(time, zone(zone_name));
    if (!next) break;
    time = *next;
    found.push_back(iso8601(time).substr(0, 16));
  }
  return found;
}

struct Case {
  std::string expression, zone, after;
  std::vector<std::string> expected;  // in UTC
};

void check(const std::vector<Case>& cases) {
  for (const auto& c : cases) {
    EXPECT_EQ(runs(c.expression, c.zone, c.after, c.expected.size()), c.expected)
        << c.expression << " in " << c.zone << " after " << c.after;
  }
}

TEST(CronExpression, fires_at_the_minutes_hours_and_days_that_it_names) {
  check({
      {"* * * * *", "UTC", "2026-11-22T10:00:00Z", {"2026-11-22T10:01", "2026-11-22T10:02"}},
      {"* * * * *", "UTC", "2026-11-22T10:00:59.999999Z", {"2026-11-22T10:01"}},
      {"*/20 * * * *", "UTC", "2026-11-22T23:30:00Z", {"2026-11-22T23:40", "2026-11-23T00:00"}},
      {"10-30/10 1 * * *",
       "UTC",
       "2026-11-22T01:15:00Z",
       {"2026-11-22T01:20", "2026-11-22T01:30", "2026-11-23T01:10"}},
      {"5,1,3 4 * * *", "UTC", "2026-11-22T04:01:00Z", {"2026-11-22T04:03", "2026-11-22T04:05"}},
      {"0 9-17/4 * * mon-fri",
       "UTC",
       "2026-11-20T16:00:00Z",
       {"2026-11-20T17:00", "2026-11-23T09:00", "2026-11-23T13:00"}},
      {"0 0 1 jan,JUL *", "UTC", "2026-11-22T00:00:00Z", {"2027-01-01T00:00", "2027-07-01T00:00"}},
      {"0 0 31 * *",
       "UTC",
       "2026-01-31T00:00:00Z",
       {"2026-03-31T00:00", "2026-05-31T00:00", "2026-07-31T00:00", "2026-08-31T00:00"}},
      {"59 23 31 12 *", "UTC", "2026-12-31T23:59:00Z", {"2027-12-31T23:59"}},
  });
}

TEST(CronExpression, takes_sunday_as_0_and_as_7_and_by_name) {
  const std::vector<std::string> sundays{"2026-11-29T00:00", "2026-12-06T00:00"};
  for (const auto* day : {"0", "7", "sun", "SUN", "0,7"}) {
    EXPECT_EQ(runs(std::string{"0 0 * * "} + day, "UTC", "2026-11-22T00:00:00Z", 2), sundays)
        << day;
  }
  for (const auto* weekend : {"6-7", "sat-sun", "6,0"}) {
    EXPECT_EQ(
        runs(std::string{"0 0 * * "} + weekend, "UTC", "2026-11-23T00:00:00Z", 3),
        (std::vector<std::string>{"2026-11-28T00:00", "2026-11-29T00:00", "2026-12-05T00:00"}))
        << weekend;
  }
}

TEST(CronExpression, fires_on_either_day_when_both_day_fields_are_restricted) {
  check({
      // 1 December 2026 is a Tuesday.
      {"0 0 1 * mon",
       "UTC",
       "2026-11-22T00:00:00Z",
       {"2026-11-23T00:00", "2026-11-30T00:00", "2026-12-01T00:00", "2026-12-07T00:00"}},
      // A field that begins with `*` is not restricted: then both must match, as in cron(5).
      {"0 0 */2 * mon", "UTC", "2026-11-22T00:00:00Z", {"2026-11-23T00:00", "2026-12-07T00:00"}},
      {"0 0 13 * *", "UTC", "2026-11-22T00:00:00Z", {"2026-12-13T00:00"}},
  });
}

TEST(CronExpression, knows_the_shorthands) {
  const std::string after = "2026-11-22T10:30:00Z";  // a Sunday
  check({
      {"@hourly", "UTC", after, {"2026-11-22T11:00", "2026-11-22T12:00"}},
      {"@daily", "UTC", after, {"2026-11-23T00:00"}},
      {"@midnight", "UTC", after, {"2026-11-23T00:00"}},
      {"@weekly", "UTC", after, {"2026-11-29T00:00"}},
      {"@monthly", "UTC", after, {"2026-12-01T00:00", "2027-01-01T00:00"}},
      {"@yearly", "UTC", after, {"2027-01-01T00:00", "2028-01-01T00:00"}},
      {"@annually", "UTC", after, {"2027-01-01T00:00"}},
  });
}

TEST(CronExpression, finds_the_leap_day_even_across_1900_and_2100) {
  check({
      {"0 12 29 2 *", "UTC", "2026-11-22T00:00:00Z", {"2028-02-29T12:00", "2032-02-29T12:00"}},
      {"0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", {"2104-02-29T00:00"}},
  });
}

TEST(CronExpression, answers_nothing_for_a_day_that_never_comes) {
  for (const auto* never : {"0 0 30 2 *", "0 0 31 4,6,9,11 *"}) {
    EXPECT_EQ(cron(never).next_after(at("2026-11-22T00:00:00Z"), TimeZone::utc()), std::nullopt);
    EXPECT_EQ(cron(never).due_between(at("2020-01-01T00:00:00Z"), at("2026-11-22T00:00:00Z"),
                                      zone("Europe/Berlin")),
              std::nullopt);
  }
}

TEST(CronExpression, fires_at_the_end_of_the_gap_for_a_time_that_the_clock_skips) {
  check({
      // 02:00 EST becomes 03:00 EDT.
      {"30 2 * * *",
       "America/New_York",
       "2026-03-08T05:00:00Z",
       {"2026-03-08T07:00", "2026-03-09T06:30"}},
      // All four skipped quarters, and 03:00 itself, are one tick.
      {"*/15 * * * *",
       "America/New_York",
       "2026-03-08T06:30:00Z",
       {"2026-03-08T06:45", "2026-03-08T07:00", "2026-03-08T07:15"}},
      // 02:00 becomes 02:30.
      {"15 2 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T00:00:00Z",
       {"2026-10-03T15:30", "2026-10-04T15:15"}},
      // 02:45 becomes 03:45.
      {"0 3 * * *",
       "Pacific/Chatham",
       "2026-09-26T00:00:00Z",
       {"2026-09-26T14:00", "2026-09-27T13:15"}},
      // Midnight itself is skipped.
      {"@daily",
       "Africa/Cairo",
       "2026-04-22T00:00:00Z",
       {"2026-04-22T22:00", "2026-04-23T22:00", "2026-04-24T21:00"}},
      // Two hours are skipped.
      {"30 1,2 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T01:00", "2026-03-29T23:30"}},
      // A whole day, 30 December 2011, is skipped.
      {"0 12 * * *",
       "Pacific/Apia",
       "2011-12-29T00:00:00Z",
       {"2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"}},
  });
}

TEST(CronExpression, fires_the_first_time_only_for_a_time_that_the_clock_shows_twice) {
  check({
      // 02:00 EDT becomes 01:00 EST.
      {"30 1 * * *",
       "America/New_York",
       "2026-11-01T00:00:00Z",
       {"2026-11-01T05:30", "2026-11-02T06:30"}},
      {"30 1 * * *", "America/New_York", "2026-11-01T06:15:00Z", {"2026-11-02T06:30"}},
      // An expression speaks of the clock on the wall: the repeated hour is silent.
      {"*/30 * * * *",
       "America/New_York",
       "2026-11-01T04:45:00Z",
       {"2026-11-01T05:00", "2026-11-01T05:30", "2026-11-01T07:00", "2026-11-01T07:30"}},
      // 02:00 becomes 01:30.
      {"45 1 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T00:00:00Z",
       {"2026-04-04T14:45", "2026-04-05T15:15"}},
      // 03:45 becomes 02:45.
      {"0 3 * * *",
       "Pacific/Chatham",
       "2026-04-04T00:00:00Z",
       {"2026-04-04T13:15", "2026-04-05T14:15"}},
      // Midnight becomes 23:00 of the day before.
      {"30 23 * * *",
       "Africa/Cairo",
       "2026-10-29T00:00:00Z",
       {"2026-10-29T20:30", "2026-10-30T21:30"}},
      // Two hours are repeated.
      {"0 2 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-25T00:00", "2026-10-26T02:00"}},
  });
}

TEST(CronExpression, names_the_field_the_part_and_what_is_allowed_in_an_error) {
  struct Wrong {
    std::string text;
    std::vector<std::string> said;
  };
  const std::vector<Wrong> table{
      {"61 * * * *", {"minute", "'61'", "out of range", "0-59"}},
      {"* 24 * * *", {"hour", "'24'", "0-23"}},
      {"* * 0 * *", {"day of month", "'0'", "1-31"}},
      {"* * * 13 *", {"month", "'13'", "1-12", "jan-dec"}},
      {"* * * * 8", {"day of week", "'8'", "0-7", "sun-sat"}},
      {"* * * juni *", {"month", "'juni'", "jan-dec"}},
      {"* * jan * *", {"day of month", "'jan'"}},
      {"1,2,x * * * *", {"minute", "'x'"}},
      {"1,,2 * * * *", {"minute", "''", "lacks a value"}},
      {"-5 * * * *", {"minute", "'-5'"}},
      {"5- * * * *", {"minute", "'5-'"}},
      {"30-10 * * * *", {"minute", "'30-10'", "ends before it begins"}},
      {"*/0 * * * *", {"minute", "'*/0'", "1-60"}},
      {"*/61 * * * *", {"minute", "'*/61'"}},
      {"*/ * * * *", {"minute", "'*/'"}},
      {"5/15 * * * *", {"minute", "'5/15'", "5-59/15"}},
      {"99999999999 * * * *", {"minute", "'99999999999'"}},
      {"* * * *", {"4 fields", "five"}},
      {"0 * * * * *", {"6 fields", "five"}},
      {"", {"0 fields", "@hourly"}},
      {"@reboot", {"'@reboot'", "@hourly", "@annually"}},
      {"@", {"'@'"}},
  };
  for (const auto& wrong : table) {
    const auto parsed = CronExpression::parse(wrong.text);
    ASSERT_TRUE(parsed.has_error()) << wrong.text;
    EXPECT_EQ(parsed.error().code, Errc::Invalid);
    for (const auto& said : wrong.said) EXPECT_THAT(parsed.error().what, HasSubstr(said));
  }
}

TEST(CronExpression, keeps_its_text_without_white_space_around_it) {
  EXPECT_EQ(cron(" \t0  1 * * *\t").text(), "0  1 * * *");
}

TEST(CronExpression, answers_quickly_for_rare_times_and_long_spans) {
  const auto berlin = zone("Europe/Berlin");
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    static_cast<void>(cron("0 0 30 2 *").next_after(at("2026-11-22T00:00:00Z"), berlin));
    static_cast<void>(cron("0 0 29 2 *").next_after(at("2028-03-01T00:00:00Z"), berlin));
    const auto due =
        cron("* * * * *")
            .due_between(at("2000-01-01T00:00:00Z"), at("2020-01-01T00:00:00Z"), berlin);
    ASSERT_TRUE(due);
    // 7,305 days of 1,440 minutes, less those of 20 hours that were skipped in spring.
    EXPECT_EQ(due->missed + 1, 7305U * 1440U - 20U * 60U);
  }
  // Minute by minute this takes minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds{10});
}

// What the header promises, said another way: look at every local minute of a span.
std::vector<WallTime> all_ticks(const CronExpression& every_minute_oracle, const TimeZone& zone,
                                WallTime from, WallTime to) {
  std::vector<WallTime> ticks;
  auto local = std::chrono::floor<minutes>(zone.to_local(from)) - hours{26};
  const auto last = zone.to_local(to) + hours{26};
  for (; local <= last; local += minutes{1}) {
    // Whether the bare local time matches is asked in UTC, where no clock changes.
    const WallTime bare{local.time_since_epoch()};
    const auto next = every_minute_oracle.next_after(bare - seconds{1}, TimeZone::utc());
    if (!next) break;
    if (*next != bare) {
      local =
          std::chrono::local_time<minutes>{std::chrono::floor<minutes>(next->time_since_epoch())} -
          minutes{1};
      continue;
    }
    const auto instant = zone.to_instant(local);
    if (instant > from && instant <= to) ticks.push_back(instant);
  }
  std::ranges::sort(ticks);
  ticks.erase(std::unique(ticks.begin(), ticks.end()), ticks.end());
  return ticks;
}

TEST(CronExpression, agrees_with_a_look_at_every_local_minute_around_every_kind_of_change) {
  std::mt19937 random{20261122};
  const std::vector<std::string> expressions{"*/7 * * * *",  "0,30 * * * *",    "30 1-3 * * *",
                                             "0 0 * * *",    "59 23 * * *",     "15 2 * * sun",
                                             "45 */2 * * *", "1 0,12 1-9 * fri"};
  struct Change {
    std::string zone, around;
  };
  const std::vector<Change> changes{{"America/New_York", "2026-03-08T07:00:00Z"},
                                    {"America/New_York", "2026-11-01T06:00:00Z"},
                                    {"Australia/Lord_Howe", "2026-10-03T15:30:00Z"},
                                    {"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
                                    {"Pacific/Chatham", "2026-09-26T14:00:00Z"},
                                    {"Pacific/Chatham", "2026-04-04T14:00:00Z"},
                                    {"Africa/Cairo", "2026-04-23T22:00:00Z"},
                                    {"Africa/Cairo", "2026-10-29T21:00:00Z"},
                                    {"Antarctica/Troll", "2026-03-29T01:00:00Z"},
                                    {"Antarctica/Troll", "2026-10-25T01:00:00Z"},
                                    {"America/Goose_Bay", "2010-11-07T03:01:00Z"},
                                    {"Pacific/Apia", "2011-12-30T10:00:00Z"},
                                    {"Asia/Kathmandu", "2026-06-01T00:00:00Z"}};
  for (const auto& change : changes) {
    for (const auto& text : expressions) {
      const auto expression = cron(text);
      const auto in = zone(change.zone);
      const auto middle = at(change.around);
      const auto ticks = all_ticks(expression, in, middle - days{2}, middle + days{2});
      for (int i = 0; i < 12; ++i) {
        const auto offset = [&] {
          return seconds{std::uniform_int_distribution<int>{-100'000, 100'000}(random)};
        };
        auto from = middle + offset();
        auto to = middle + offset();
        if (i == 0) from = middle;
        if (i == 1) to = middle;
        if (to < from) std::swap(from, to);
        SCOPED_TRACE(text + " in " + change.zone + " from " + iso8601(from) + " to " + iso8601(to));
        const auto first = std::upper_bound(ticks.begin(), ticks.end(), from);
        const auto end = std::upper_bound(ticks.begin(), ticks.end(), to);
        if (first != ticks.end()) {
          EXPECT_EQ(expression.next_after(from, in), *first);
        }
        const auto due = expression.due_between(from, to, in);
        if (first == end) {
          EXPECT_EQ(due, std::nullopt);
        } else {
          EXPECT_EQ(due, (Due{*std::prev(end), static_cast<std::uint64_t>(end - first - 1)}));
        }
      }
    }
  }
}

TEST(TimeZone, gives_the_instant_of_a_local_time_and_back) {
  const auto berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.name(), "Europe/Berlin");
  EXPECT_EQ(berlin.to_instant(berlin.to_local(at("2026-07-01T10:00:00Z"))),
            at("2026-07-01T10:00:00Z"));
  EXPECT_EQ(berlin.to_local(at("2026-07-01T10:00:00Z")).time_since_epoch(),
            at("2026-07-01T12:00:00Z").time_since_epoch());
  EXPECT_EQ(TimeZone::utc().to_instant(TimeZone::utc().to_local(at("2026-07-01T10:00:00Z"))),
            at("2026-07-01T10:00:00Z"));
}

TEST(TimeZone, refuses_an_unknown_name_and_proposes_the_nearest) {
  const auto parsed = TimeZone::parse("Europe/Berln");
  ASSERT_TRUE(parsed.has_error());
  EXPECT_EQ(parsed.error().code, Errc::Invalid);
  EXPECT_THAT(parsed.error().what,
              AllOf(HasSubstr("'Europe/Berln'"), HasSubstr("'Europe/Berlin'")));
  for (const auto* name : {"", "..", "/etc/passwd", "EDST", "Mars/Olympus"}) {
    EXPECT_TRUE(TimeZone::parse(name).has_error()) << name;
  }
}

TEST(Interval, reads_seconds_and_units) {
  const std::vector<std::pair<std::string, seconds>> table{
      {"30", seconds{30}},       {"30s", seconds{30}},     {"90s", seconds{90}},
      {"5m", minutes{5}},        {"1h30m", minutes{90}},   {"1d", hours{24}},
      {"366d", hours{366 * 24}}, {"1d1s", seconds{86401}}, {"1", seconds{1}}};
  for (const auto& [text, length] : table) {
    const auto parsed = Interval::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->every(), length) << text;
    EXPECT_EQ(Interval::parse(parsed->text())->every(), length) << parsed->text();
  }
  EXPECT_EQ(Interval{seconds{5400}}.text(), "1h30m");
}

TEST(Interval, refuses_what_is_none_and_says_what_is) {
  for (const auto* text : {"", "0", "0s", "-5s", "+5", "1.5s", "5x", "s", "30m1h", "1h1h", "1h30",
                           "367d", "99999999999999999999s", " 5s", "5 s"}) {
    const auto parsed = Interval::parse(text);
    ASSERT_TRUE(parsed.has_error()) << text;
    EXPECT_THAT(parsed.error().what,
                AllOf(HasSubstr(std::string{"'"} + text + "'"), HasSubstr("from 1s to 366d")));
  }
}

TEST(Interval, fires_at_multiples_of_itself_since_the_epoch) {
  const Interval every{seconds{30}};
  EXPECT_EQ(every.next_after(at("2026-11-22T10:00:00Z")), at("2026-11-22T10:00:30Z"));
  EXPECT_EQ(every.next_after(at("2026-11-22T10:00:29.999999Z")), at("2026-11-22T10:00:30Z"));
  EXPECT_EQ(Interval{hours{24 * 7}}.next_after(at("1970-01-01T00:00:00Z")),
            at("1970-01-08T00:00:00Z"));
  EXPECT_EQ(every.next_after(at("1969-12-31T23:59:59Z")), at("1970-01-01T00:00:00Z"));
}

TEST(Schedule, says_the_latest_tick_due_and_counts_those_before_it) {
  const Schedule every = Interval{seconds{1}};
  const auto from = at("2016-01-01T00:00:00Z");
  EXPECT_EQ(due_between(every, from, from), std::nullopt);
  EXPECT_EQ(due_between(every, from, from - seconds{5}), std::nullopt);
  EXPECT_EQ(due_between(every, from, from + seconds{1}), (Due{from + seconds{1}, 0}));
  EXPECT_EQ(due_between(every, from, from + days{3650} + minutes{1}),
            (Due{from + days{3650} + minutes{1}, 3650 * 86400 + 59}));
  const Schedule hourly = Cron{cron("@hourly"), TimeZone::utc()};
  EXPECT_EQ(due_between(hourly, from, from + days{10} + minutes{5}), (Due{from + days{10}, 239}));
  EXPECT_EQ(due_between(hourly, from, from + minutes{59}), std::nullopt);
  EXPECT_EQ(next_after(hourly, from), from + hours{1});
}

}  // namespace
}  // namespace umbel
