// Expressions in zones, against instants that another implementation computed, and against a look
// at every minute.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "umbel/base/text.hpp"
#include "umbel/model/cron.hpp"

namespace umbel {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Runs {
  std::string expression, zone, after;
  std::vector<std::string> expected;  // in UTC
};

void check(const std::vector<Runs>& table) {
  for (const auto& row : table) {
    SCOPED_TRACE(row.expression + " in " + row.zone + " after " + row.after);
    const auto expression = CronExpression::parse(row.expression).value();
    const auto zone = TimeZone::parse(row.zone).value();
    const auto start = parse_iso8601(row.after).value();
    auto at = start;
    std::vector<std::string> found;
    for (std::size_t i = 0; i < row.expected.size(); ++i) {
      at = expression.next_after(at, zone).value();
      found.push_back(iso8601(at).substr(0, 16));
    }
    EXPECT_EQ(found, row.expected);
    EXPECT_EQ(expression.due_between(start, at, zone), (Due{at, row.expected.size() - 1}));
  }
}

// The instants come from Python's zoneinfo over tzdata 2025b, which walked the local minutes one by
// one: a minute that the clock skips is taken at the end of the gap, one that it shows twice at the
// first.
TEST(CronZones, fire_as_another_implementation_says_around_changes_of_the_clock) {
  check({
      {"30 2 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {"2026-03-08T07:00", "2026-03-09T06:30", "2026-03-10T06:30"}},
      {"0 3 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {"2026-03-08T07:00", "2026-03-09T07:00", "2026-03-10T07:00"}},
      {"0 0 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {"2026-03-08T05:00", "2026-03-09T04:00", "2026-03-10T04:00"}},
      {"*/30 0-3 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {"2026-03-08T05:00", "2026-03-08T05:30", "2026-03-08T06:00", "2026-03-08T06:30",
        "2026-03-08T07:00", "2026-03-08T07:30", "2026-03-09T04:00", "2026-03-09T04:30",
        "2026-03-09T05:00"}},
      {"15 1,2 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {"2026-03-08T06:15", "2026-03-08T07:00", "2026-03-09T05:15", "2026-03-09T06:15",
        "2026-03-10T05:15"}},
      {"45 1 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {"2026-03-08T06:45", "2026-03-09T05:45", "2026-03-10T05:45"}},
      {"59 23 * * *",
       "America/New_York",
       "2026-03-07T12:00:00Z",
       {"2026-03-08T04:59", "2026-03-09T03:59", "2026-03-10T03:59"}},
      {"30 2 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T07:30", "2026-11-02T07:30", "2026-11-03T07:30"}},
      {"0 3 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T08:00", "2026-11-02T08:00", "2026-11-03T08:00"}},
      {"0 0 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T04:00", "2026-11-02T05:00", "2026-11-03T05:00"}},
      {"*/30 0-3 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T04:00", "2026-11-01T04:30", "2026-11-01T05:00", "2026-11-01T05:30",
        "2026-11-01T07:00", "2026-11-01T07:30", "2026-11-01T08:00", "2026-11-01T08:30",
        "2026-11-02T05:00"}},
      {"15 1,2 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T05:15", "2026-11-01T07:15", "2026-11-02T06:15", "2026-11-02T07:15",
        "2026-11-03T06:15"}},
      {"45 1 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T05:45", "2026-11-02T06:45", "2026-11-03T06:45"}},
      {"59 23 * * *",
       "America/New_York",
       "2026-10-31T12:00:00Z",
       {"2026-11-01T03:59", "2026-11-02T04:59", "2026-11-03T04:59"}},
      {"30 2 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T03:00:00Z",
       {"2026-10-03T15:30", "2026-10-04T15:30", "2026-10-05T15:30"}},
      {"0 3 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T03:00:00Z",
       {"2026-10-03T16:00", "2026-10-04T16:00", "2026-10-05T16:00"}},
      {"0 0 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T03:00:00Z",
       {"2026-10-03T13:30", "2026-10-04T13:00", "2026-10-05T13:00"}},
      {"*/30 0-3 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T03:00:00Z",
       {"2026-10-03T13:30", "2026-10-03T14:00", "2026-10-03T14:30", "2026-10-03T15:00",
        "2026-10-03T15:30", "2026-10-03T16:00", "2026-10-03T16:30", "2026-10-04T13:00",
        "2026-10-04T13:30"}},
      {"15 1,2 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T03:00:00Z",
       {"2026-10-03T14:45", "2026-10-03T15:30", "2026-10-04T14:15", "2026-10-04T15:15",
        "2026-10-05T14:15"}},
      {"45 1 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T03:00:00Z",
       {"2026-10-03T15:15", "2026-10-04T14:45", "2026-10-05T14:45"}},
      {"59 23 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T03:00:00Z",
       {"2026-10-03T13:29", "2026-10-04T12:59", "2026-10-05T12:59"}},
      {"30 2 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T16:00", "2026-04-05T16:00", "2026-04-06T16:00"}},
      {"0 3 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T16:30", "2026-04-05T16:30", "2026-04-06T16:30"}},
      {"0 0 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T13:00", "2026-04-05T13:30", "2026-04-06T13:30"}},
      {"*/30 0-3 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T13:00", "2026-04-04T13:30", "2026-04-04T14:00", "2026-04-04T14:30",
        "2026-04-04T15:30", "2026-04-04T16:00", "2026-04-04T16:30", "2026-04-04T17:00",
        "2026-04-05T13:30"}},
      {"15 1,2 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T14:15", "2026-04-04T15:45", "2026-04-05T14:45", "2026-04-05T15:45",
        "2026-04-06T14:45"}},
      {"45 1 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T14:45", "2026-04-05T15:15", "2026-04-06T15:15"}},
      {"59 23 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T12:59", "2026-04-05T13:29", "2026-04-06T13:29"}},
      {"30 2 * * *",
       "Pacific/Chatham",
       "2026-09-26T03:00:00Z",
       {"2026-09-26T13:45", "2026-09-27T12:45", "2026-09-28T12:45"}},
      {"0 3 * * *",
       "Pacific/Chatham",
       "2026-09-26T03:00:00Z",
       {"2026-09-26T14:00", "2026-09-27T13:15", "2026-09-28T13:15"}},
      {"0 0 * * *",
       "Pacific/Chatham",
       "2026-09-26T03:00:00Z",
       {"2026-09-26T11:15", "2026-09-27T10:15", "2026-09-28T10:15"}},
      {"*/30 0-3 * * *",
       "Pacific/Chatham",
       "2026-09-26T03:00:00Z",
       {"2026-09-26T11:15", "2026-09-26T11:45", "2026-09-26T12:15", "2026-09-26T12:45",
        "2026-09-26T13:15", "2026-09-26T13:45", "2026-09-26T14:00", "2026-09-27T10:15",
        "2026-09-27T10:45"}},
      {"15 1,2 * * *",
       "Pacific/Chatham",
       "2026-09-26T03:00:00Z",
       {"2026-09-26T12:30", "2026-09-26T13:30", "2026-09-27T11:30", "2026-09-27T12:30",
        "2026-09-28T11:30"}},
      {"45 1 * * *",
       "Pacific/Chatham",
       "2026-09-26T03:00:00Z",
       {"2026-09-26T13:00", "2026-09-27T12:00", "2026-09-28T12:00"}},
      {"59 23 * * *",
       "Pacific/Chatham",
       "2026-09-26T03:00:00Z",
       {"2026-09-26T11:14", "2026-09-27T10:14", "2026-09-28T10:14"}},
      {"30 2 * * *",
       "Pacific/Chatham",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T12:45", "2026-04-05T13:45", "2026-04-06T13:45"}},
      {"0 3 * * *",
       "Pacific/Chatham",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T13:15", "2026-04-05T14:15", "2026-04-06T14:15"}},
      {"0 0 * * *",
       "Pacific/Chatham",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T10:15", "2026-04-05T11:15", "2026-04-06T11:15"}},
      {"*/30 0-3 * * *",
       "Pacific/Chatham",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T10:15", "2026-04-04T10:45", "2026-04-04T11:15", "2026-04-04T11:45",
        "2026-04-04T12:15", "2026-04-04T12:45", "2026-04-04T13:15", "2026-04-04T13:45",
        "2026-04-05T11:15"}},
      {"15 1,2 * * *",
       "Pacific/Chatham",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T11:30", "2026-04-04T12:30", "2026-04-05T12:30", "2026-04-05T13:30",
        "2026-04-06T12:30"}},
      {"45 1 * * *",
       "Pacific/Chatham",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T12:00", "2026-04-05T13:00", "2026-04-06T13:00"}},
      {"59 23 * * *",
       "Pacific/Chatham",
       "2026-04-04T03:00:00Z",
       {"2026-04-04T10:14", "2026-04-05T11:14", "2026-04-06T11:14"}},
      {"30 2 * * *",
       "Africa/Cairo",
       "2026-04-23T10:00:00Z",
       {"2026-04-23T23:30", "2026-04-24T23:30", "2026-04-25T23:30"}},
      {"0 3 * * *",
       "Africa/Cairo",
       "2026-04-23T10:00:00Z",
       {"2026-04-24T00:00", "2026-04-25T00:00", "2026-04-26T00:00"}},
      {"0 0 * * *",
       "Africa/Cairo",
       "2026-04-23T10:00:00Z",
       {"2026-04-23T22:00", "2026-04-24T21:00", "2026-04-25T21:00"}},
      {"*/30 0-3 * * *",
       "Africa/Cairo",
       "2026-04-23T10:00:00Z",
       {"2026-04-23T22:00", "2026-04-23T22:30", "2026-04-23T23:00", "2026-04-23T23:30",
        "2026-04-24T00:00", "2026-04-24T00:30", "2026-04-24T21:00", "2026-04-24T21:30",
        "2026-04-24T22:00"}},
      {"15 1,2 * * *",
       "Africa/Cairo",
       "2026-04-23T10:00:00Z",
       {"2026-04-23T22:15", "2026-04-23T23:15", "2026-04-24T22:15", "2026-04-24T23:15",
        "2026-04-25T22:15"}},
      {"45 1 * * *",
       "Africa/Cairo",
       "2026-04-23T10:00:00Z",
       {"2026-04-23T22:45", "2026-04-24T22:45", "2026-04-25T22:45"}},
      {"59 23 * * *",
       "Africa/Cairo",
       "2026-04-23T10:00:00Z",
       {"2026-04-23T21:59", "2026-04-24T20:59", "2026-04-25T20:59"}},
      {"30 2 * * *",
       "Africa/Cairo",
       "2026-10-29T10:00:00Z",
       {"2026-10-30T00:30", "2026-10-31T00:30", "2026-11-01T00:30"}},
      {"0 3 * * *",
       "Africa/Cairo",
       "2026-10-29T10:00:00Z",
       {"2026-10-30T01:00", "2026-10-31T01:00", "2026-11-01T01:00"}},
      {"0 0 * * *",
       "Africa/Cairo",
       "2026-10-29T10:00:00Z",
       {"2026-10-29T22:00", "2026-10-30T22:00", "2026-10-31T22:00"}},
      {"*/30 0-3 * * *",
       "Africa/Cairo",
       "2026-10-29T10:00:00Z",
       {"2026-10-29T22:00", "2026-10-29T22:30", "2026-10-29T23:00", "2026-10-29T23:30",
        "2026-10-30T00:00", "2026-10-30T00:30", "2026-10-30T01:00", "2026-10-30T01:30",
        "2026-10-30T22:00"}},
      {"15 1,2 * * *",
       "Africa/Cairo",
       "2026-10-29T10:00:00Z",
       {"2026-10-29T23:15", "2026-10-30T00:15", "2026-10-30T23:15", "2026-10-31T00:15",
        "2026-10-31T23:15"}},
      {"45 1 * * *",
       "Africa/Cairo",
       "2026-10-29T10:00:00Z",
       {"2026-10-29T23:45", "2026-10-30T23:45", "2026-10-31T23:45"}},
      {"59 23 * * *",
       "Africa/Cairo",
       "2026-10-29T10:00:00Z",
       {"2026-10-29T20:59", "2026-10-30T21:59", "2026-10-31T21:59"}},
      {"30 2 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T01:00", "2026-03-30T00:30", "2026-03-31T00:30"}},
      {"0 3 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T01:00", "2026-03-30T01:00", "2026-03-31T01:00"}},
      {"0 0 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T00:00", "2026-03-29T22:00", "2026-03-30T22:00"}},
      {"*/30 0-3 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T00:00", "2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30",
        "2026-03-29T22:00", "2026-03-29T22:30", "2026-03-29T23:00", "2026-03-29T23:30",
        "2026-03-30T00:00"}},
      {"15 1,2 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T01:00", "2026-03-29T23:15", "2026-03-30T00:15", "2026-03-30T23:15",
        "2026-03-31T00:15"}},
      {"45 1 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T01:00", "2026-03-29T23:45", "2026-03-30T23:45"}},
      {"59 23 * * *",
       "Antarctica/Troll",
       "2026-03-28T12:00:00Z",
       {"2026-03-28T23:59", "2026-03-29T21:59", "2026-03-30T21:59"}},
      {"30 2 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-25T00:30", "2026-10-26T02:30", "2026-10-27T02:30"}},
      {"0 3 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-25T03:00", "2026-10-26T03:00", "2026-10-27T03:00"}},
      {"0 0 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-24T22:00", "2026-10-26T00:00", "2026-10-27T00:00"}},
      {"*/30 0-3 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-24T22:00", "2026-10-24T22:30", "2026-10-24T23:00", "2026-10-24T23:30",
        "2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T03:00", "2026-10-25T03:30",
        "2026-10-26T00:00"}},
      {"15 1,2 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-24T23:15", "2026-10-25T00:15", "2026-10-26T01:15", "2026-10-26T02:15",
        "2026-10-27T01:15"}},
      {"45 1 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-24T23:45", "2026-10-26T01:45", "2026-10-27T01:45"}},
      {"59 23 * * *",
       "Antarctica/Troll",
       "2026-10-24T12:00:00Z",
       {"2026-10-24T21:59", "2026-10-25T23:59", "2026-10-26T23:59"}},
  });
}

TEST(CronZones, fire_as_another_implementation_says_on_leap_days_month_ends_and_sundays) {
  check({
      {"0 0 29 2 *",
       "UTC",
       "2023-06-01T00:00:00Z",
       {"2024-02-29T00:00", "2028-02-29T00:00", "2032-02-29T00:00"}},
      {"30 6 31 * *",
       "Europe/Berlin",
       "2026-01-15T00:00:00Z",
       {"2026-01-31T05:30", "2026-03-31T04:30", "2026-05-31T04:30", "2026-07-31T04:30",
        "2026-08-31T04:30", "2026-10-31T05:30", "2026-12-31T05:30", "2027-01-31T05:30"}},
      {"0 12 30 * *",
       "Asia/Kolkata",
       "2027-01-01T00:00:00Z",
       {"2027-01-30T06:30", "2027-03-30T06:30", "2027-04-30T06:30", "2027-05-30T06:30"}},
      {"0 9 * * 7",
       "America/New_York",
       "2026-02-20T00:00:00Z",
       {"2026-02-22T14:00", "2026-03-01T14:00", "2026-03-08T13:00", "2026-03-15T13:00",
        "2026-03-22T13:00"}},
      {"0 9 * * 0",
       "America/New_York",
       "2026-02-20T00:00:00Z",
       {"2026-02-22T14:00", "2026-03-01T14:00", "2026-03-08T13:00", "2026-03-15T13:00",
        "2026-03-22T13:00"}},
      {"0 0 31 * 5",
       "Pacific/Auckland",
       "2026-12-20T00:00:00Z",
       {"2026-12-24T11:00", "2026-12-30T11:00", "2026-12-31T11:00", "2027-01-07T11:00",
        "2027-01-14T11:00", "2027-01-21T11:00", "2027-01-28T11:00"}},
      {"5 4 1 1,7 *",
       "America/Sao_Paulo",
       "2026-03-01T00:00:00Z",
       {"2026-07-01T07:05", "2027-01-01T07:05", "2027-07-01T07:05", "2028-01-01T07:05"}},
      // 2100 is no leap year.
      {"0 0 29 2 *",
       "Europe/Berlin",
       "2096-02-28T12:00:00Z",
       {"2096-02-28T23:00", "2104-02-28T23:00"}},
      {"0 0 28 2 *", "UTC", "2099-06-01T00:00:00Z", {"2100-02-28T00:00", "2101-02-28T00:00"}},
      {"0 0 1 3 *", "UTC", "2099-06-01T00:00:00Z", {"2100-03-01T00:00"}},
  });
}

// A field as text, and, computed without the parser, what it allows.
struct RandomField {
  std::string text;
  std::set<int> allowed;
  bool restricted = true;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_{seed} {}
  int between(int least, int most) {
    return std::uniform_int_distribution<int>{least, most}(random_);
  }

  RandomField field(int least, int most) {
    RandomField field;
    const auto span = [&](int first, int last, int step) {
      for (int value = first; value <= last; value += step) field.allowed.insert(value);
    };
    switch (between(0, 5)) {
      case 0:
      case 1:
        field.text = "*";
        field.restricted = false;
        span(least, most, 1);
        break;
      case 2: {
        const int step = between(1, most - least + 1);
        field.text = "*/" + std::to_string(step);
        field.restricted = false;
        span(least, most, step);
        break;
      }
      case 3: {
        const int first = between(least, most), last = between(first, most);
        const int step = between(1, 4);
        field.text =
            std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(step);
        span(first, last, step);
        break;
      }
      default:
        for (int i = between(1, 3); i > 0; --i) {
          const int value = between(least, most);
          field.text += (field.text.empty() ? "" : ",") + std::to_string(value);
          field.allowed.insert(value);
        }
    }
    return field;
  }

 private:
  std::mt19937 random_;
};

// minute, hour, day of month, month, day of week.
using RandomFields = std::array<RandomField, 5>;

bool matches(const RandomFields& fields, std::chrono::local_time<minutes> local) {
  const auto date = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day day{date};
  const auto minute = static_cast<int>((local - date).count());
  const auto weekday = static_cast<int>(std::chrono::weekday{date}.c_encoding());
  const auto has = [&](std::size_t field, int value) {
    return fields[field].allowed.contains(value);
  };
  const bool in_month = has(2, static_cast<int>(unsigned{day.day()}));
  const bool in_week = has(4, weekday) || (weekday == 0 && has(4, 7));
  const bool on_day =
      fields[2].restricted && fields[4].restricted ? in_month || in_week : in_month && in_week;
  return on_day && has(0, minute % 60) && has(1, minute / 60) &&
         has(3, static_cast<int>(unsigned{day.month()}));
}

// Every instant of (from, to] at which the expression fires, found by looking at the clock on the
// wall minute by minute: what it jumped over counts for the minute after, what it has shown before
// counts no more.
std::vector<WallTime> seen_on_the_wall(const RandomFields& fields, const TimeZone& zone,
                                       WallTime from, WallTime to) {
  std::vector<WallTime> fires;
  const auto wall = [&](WallTime at) { return std::chrono::floor<minutes>(zone.to_local(at)); };
  WallTime at = std::chrono::floor<minutes>(from) - hours{5};
  auto shown = wall(at);  // up to here
  for (; at <= to; at += minutes{1}) {
    bool fire = false;
    for (const auto now = wall(at); shown < now;) {
      shown += minutes{1};
      fire = fire || matches(fields, shown);
    }
    if (fire && at > from) fires.push_back(at);
  }
  return fires;
}

TEST(CronZones, skip_nothing_and_add_nothing_to_what_the_clock_on_the_wall_shows) {
  const auto seed = std::random_device{}();
  Generator random{seed};
  const std::vector<std::string> zones{
      "UTC",          "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham",
      "Africa/Cairo", "Antarctica/Troll", "Europe/Berlin",       "Asia/Kathmandu",
      "Asia/Gaza",    "Pacific/Apia",     "America/St_Johns",    "Africa/Casablanca"};
  const std::vector<std::string> changes{
      "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z", "2026-10-03T15:30:00Z",
      "2026-04-04T15:00:00Z", "2026-09-26T14:00:00Z", "2026-04-04T14:00:00Z",
      "2026-04-23T22:00:00Z", "2026-10-29T21:00:00Z", "2026-03-29T01:00:00Z",
      "2026-10-25T01:00:00Z", "2011-12-30T10:00:00Z", "2024-02-29T12:00:00Z"};
  for (int round = 0; round < 300; ++round) {
    RandomFields fields{random.field(0, 59), random.field(0, 23), random.field(1, 31),
                        random.field(1, 12), random.field(0, 7)};
    // Most expressions name a day or month far away: three of four have every one.
    if (random.between(0, 3) > 0) {
      for (std::size_t i = 2; i < 5; ++i) fields[i] = RandomField{"*", {}, false};
      for (int day = 0; day <= 31; ++day) {
        for (std::size_t i = 2; i < 5; ++i) fields[i].allowed.insert(day);
      }
    }
    std::string text;
    for (const auto& field : fields) text += (text.empty() ? "" : " ") + field.text;
    const auto name = zones[static_cast<std::size_t>(random.between(0, 11))];
    const auto zone = TimeZone::parse(name).value();
    auto from =
        random.between(0, 2) > 0
            ? parse_iso8601(changes[static_cast<std::size_t>(random.between(0, 11))]).value() -
                  minutes{random.between(0, 1800)}
            : WallTime{seconds{random.between(946'684'800, 2'145'916'800)}};
    from += seconds{random.between(0, 59)};
    const auto to = from + hours{40};
    SCOPED_TRACE("'" + text + "' in " + name + " after " + iso8601(from) + ", seed " +
                 std::to_string(seed));
    const auto expression = CronExpression::parse(text).value();
    std::vector<WallTime> fires;
    for (auto next = expression.next_after(from, zone); next && *next <= to;
         next = expression.next_after(*next, zone)) {
      ASSERT_GT(*next, fires.empty() ? from : fires.back());
      fires.push_back(*next);
    }
    const auto expected = seen_on_the_wall(fields, zone, from, to);
    ASSERT_EQ(fires, expected);
    const auto due = expression.due_between(from, to, zone);
    ASSERT_EQ(due.has_value(), !expected.empty());
    if (due) {
      ASSERT_EQ(*due, (Due{expected.back(), expected.size() - 1}));
    }
  }
}

}  // namespace
}  // namespace umbel
