// Schedules: five-field cron expressions in a time zone, and fixed intervals. Pure: time comes in
// as a value.
//
// Cron is cron(5): minute, hour, day of month, month, day of week; names (jan, mon), lists, ranges,
// steps (`*/n`, `a-b/n`), `@hourly` and friends; Sunday is 0 and 7; if both day fields are
// restricted (do not begin with `*`), either may match (Celery wants both). An expression says
// times on the local clock: one that falls in the gap of a change of clocks fires at the gap's end,
// once however many do; one that the clock shows twice fires the first time only. So `*/30 * * * *`
// pauses for the repeated hour: what should go on at an even pace wants an interval.
//
// An interval fires at multiples of itself since the Unix epoch, so that every scheduler computes
// the same instants.
#pragma once

#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

class TimeZone;

// What came due while nobody looked: the latest tick in (after, now], and how many before it in
// that span were missed.
struct Due {
  WallTime latest;
  std::uint64_t missed = 0;

  friend bool operator==(const Due&, const Due&) = default;
};

// What the five fields of an expression mean: bit n stands for n. Sunday is bit 0 alone.
struct CronFields {
  std::uint64_t minutes = 0, hours = 0, days = 0, months = 0, weekdays = 0;
  bool any_day = true, any_weekday = true;  // the field begins with `*`
};

class CronExpression {
 public:
  // An error names the field, the part that is wrong, and what is allowed.
  [[nodiscard]] static Result<CronExpression> parse(std::string_view text);

  // The first instant strictly after `after` at which it fires in `zone`. Nothing if it never does
  // within eight years (30 February).
  [[nodiscard]] std::optional<WallTime> next_after(WallTime after, const TimeZone& zone) const;

  // As umbel::due_between. Costs a look at each day of the span, not at each tick; of a
  // span above a century only the end is looked at.
  [[nodiscard]] std::optional<Due> due_between(WallTime after, WallTime now,
                                               const TimeZone& zone) const;

  [[nodiscard]] CronFields fields() const;

  // As it was given, without white space around it.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  [[nodiscard]] bool matches_day(std::chrono::year_month_day date) const;
  // The first matching day from `date` on, up to and including `last`.
  [[nodiscard]] std::optional<std::chrono::local_days> matching_day(
      std::chrono::local_days date, std::chrono::local_days last) const;
  // The first matching minute of a day at or after `minute`.
  [[nodiscard]] std::optional<std::chrono::minutes> matching_minute(
      std::chrono::minutes minute) const;
  [[nodiscard]] std::chrono::minutes last_minute() const;

  std::string text_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = true;      // day of month began with `*`
  bool any_weekday_ = true;  // day of week began with `*`
};

// A time zone by its IANA name. The rules are the system's (/usr/share/zoneinfo, Debian's package
// tzdata), read once; UTC needs none. Thread-safe.
class TimeZone {
 public:
  // Invalid: there is no such zone (with the nearest name). Unavailable: the system has no zones.
  [[nodiscard]] static Result<TimeZone> parse(std::string_view name);
  [[nodiscard]] static TimeZone utc();
  [[nodiscard]] const std::string& name() const { return name_; }

  // The instant of a local time: in a gap the gap's end, in a repeat the first.
  [[nodiscard]] WallTime to_instant(std::chrono::local_time<std::chrono::seconds> local) const;
  [[nodiscard]] std::chrono::local_time<std::chrono::seconds> to_local(WallTime instant) const;

 private:
  std::string name_;
  const void* zone_ = nullptr;  // date::time_zone, which lives for ever; null: UTC
};

class Interval {
 public:
  // `30s`, `5m`, `1h30m`, `1d`, or a number of seconds; from 1 s to 366 d.
  [[nodiscard]] static Result<Interval> parse(std::string_view text);
  explicit Interval(std::chrono::seconds every) : every_{every} {}
  [[nodiscard]] std::chrono::seconds every() const { return every_; }
  // As parse() reads it: `1h30m`.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] WallTime next_after(WallTime after) const;
  // As umbel::due_between; arithmetic, whatever the span.
  [[nodiscard]] std::optional<Due> due_between(WallTime after, WallTime now) const;

 private:
  std::chrono::seconds every_;
};

struct Cron {
  CronExpression expression;
  TimeZone zone;
};

// When something is due.
using Schedule = std::variant<Cron, Interval>;

// A schedule as text, and back: `every 1h30m` and no zone, or a cron expression and its zone. An
// error names what is wrong; no zone with a cron expression means UTC.
[[nodiscard]] std::string expression_of(const Schedule& schedule);
[[nodiscard]] std::string zone_of(const Schedule& schedule);  // empty for an interval
[[nodiscard]] Result<Schedule> schedule_from(std::string_view expression, std::string_view zone);

[[nodiscard]] std::optional<WallTime> next_after(const Schedule& schedule, WallTime after);

// Nothing: no tick in (after, now].
[[nodiscard]] std::optional<Due> due_between(const Schedule& schedule, WallTime after,
                                             WallTime now);

}  // namespace umbel
