// Schedules: five-field cron expressions in a time zone, and fixed intervals. Pure: time comes in as a value.
//
// Cron is cron(5): minute, hour, day of month, month, day of week; names (jan, mon), lists, ranges, steps, `@hourly` and friends;
// Sunday is 0 and 7; if both day fields are restricted, either may match (Celery wants both). Across a change of clocks a time in the gap
// fires at the gap's end, and a time that occurs twice fires the first time only. An interval fires at multiples of itself since the Unix
// epoch, so that every scheduler computes the same instants.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

class CronExpression {
 public:
  // An error names the field, the part that is wrong, and what is allowed.
  [[nodiscard]] static Result<CronExpression> parse(std::string_view text);

  // The first instant strictly after `after` at which it fires in `zone` (an IANA name, checked by Zone::parse). Nothing if it never
  // does within eight years (30 February).
  [[nodiscard]] std::optional<WallTime> next_after(WallTime after, const class TimeZone& zone) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  [[nodiscard]] bool matches_day(std::chrono::year_month_day date) const;
  std::string text_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = true;      // day of month was `*`
  bool any_weekday_ = true;  // day of week was `*`
};

// A time zone by its IANA name.
class TimeZone {
 public:
  [[nodiscard]] static Result<TimeZone> parse(std::string_view name);
  [[nodiscard]] static TimeZone utc();
  [[nodiscard]] const std::string& name() const { return name_; }

  // The instant of a local time: in a gap the gap's end, in a repeat the first.
  [[nodiscard]] WallTime to_instant(std::chrono::local_time<std::chrono::seconds> local) const;
  [[nodiscard]] std::chrono::local_time<std::chrono::seconds> to_local(WallTime instant) const;

 private:
  std::string name_;
  const void* zone_ = nullptr;  // date::time_zone, which lives for ever
};

class Interval {
 public:
  // `30s`, `5m`, `1h30m`, `1d`, or a number of seconds; from 1 s to 366 d.
  [[nodiscard]] static Result<Interval> parse(std::string_view text);
  explicit Interval(std::chrono::seconds every) : every_{every} {}
  [[nodiscard]] std::chrono::seconds every() const { return every_; }
  [[nodiscard]] WallTime next_after(WallTime after) const;

 private:
  std::chrono::seconds every_;
};

struct Cron {
  CronExpression expression;
  TimeZone zone;
};

// When something is due.
using Schedule = std::variant<Cron, Interval>;

[[nodiscard]] std::optional<WallTime> next_after(const Schedule& schedule, WallTime after);

// What came due while nobody looked: the latest tick in (after, now], and how many before it in that span were missed.
struct Due {
  WallTime latest;
  std::uint64_t missed = 0;
};
[[nodiscard]] std::optional<Due> due_between(const Schedule& schedule, WallTime after, WallTime now);

}  // namespace umbel
