#include "umbel/model/cron_words.hpp"

#include <array>
#include <bit>
#include <optional>
#include <string_view>
#include <vector>

namespace umbel {
namespace {

using std::chrono::seconds;

constexpr std::array<std::string_view, 13> kMonths{
    "",     "January", "February",  "March",   "April",    "May",     "June",
    "July", "August",  "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays{
    "Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"};
constexpr std::uint64_t kAllMinutes = (std::uint64_t{1} << 60U) - 1;
constexpr std::uint64_t kAllHours = (std::uint64_t{1} << 24U) - 1;
constexpr std::uint64_t kAllDays = (std::uint64_t{1} << 32U) - 2;
constexpr std::uint64_t kAllMonths = (std::uint64_t{1} << 13U) - 2;
constexpr std::uint64_t kAllWeekdays = (std::uint64_t{1} << 7U) - 1;
constexpr std::uint64_t kWorkdays = 0b0111110;
constexpr std::uint64_t kWeekend = 0b1000001;
constexpr std::size_t kMostTimes = 6;  // said one by one

std::vector<unsigned> members(std::uint64_t bits) {
  std::vector<unsigned> found;
  for (unsigned at = 0; at < 64; ++at) {
    if ((bits >> at & 1U) != 0) found.push_back(at);
  }
  return found;
}

// `a`, `a and b`, `a, b and c`.
std::string listed(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

// `1, 5 to 9 and 12`: three and more in a row as a span.
std::string numbers(std::uint64_t bits) {
  const auto all = members(bits);
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i + 1;
    while (end < all.size() && all[end] == all[end - 1] + 1) ++end;
    if (end - i >= 3) {
      parts.push_back(std::to_string(all[i]) + " to " + std::to_string(all[end - 1]));
    } else {
      for (auto at = i; at < end; ++at) parts.push_back(std::to_string(all[at]));
    }
    i = end;
  }
  return listed(parts);
}

std::string plural(std::string_view what, std::uint64_t bits) {
  return std::string{what} + (std::has_single_bit(bits) ? " " : "s ") + numbers(bits);
}

std::string two_digits(unsigned number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

std::string clock(unsigned hour, unsigned minute) {
  return two_digits(hour) + ":" + two_digits(minute);
}

// The step of numbers that lie evenly apart; nothing: they do not. Of one number: 0.
std::optional<unsigned> even_step(const std::vector<unsigned>& all) {
  if (all.size() < 2) return 0;
  const auto step = all[1] - all[0];
  for (std::size_t i = 2; i < all.size(); ++i) {
    if (all[i] - all[i - 1] != step) return std::nullopt;
  }
  return step;
}

// `every minute`, `every 5 minutes`: minutes that go on evenly from hour to hour, from minute 0.
std::optional<std::string> even_minutes(const std::vector<unsigned>& minutes) {
  const auto step = even_step(minutes);
  if (!step || *step == 0 || minutes.front() != 0 || *step * minutes.size() != 60) {
    return std::nullopt;
  }
  return *step == 1 ? "every minute" : "every " + std::to_string(*step) + " minutes";
}

struct Times {
  std::string text;
  bool whole_day = false;  // in every hour
};

Times times(const CronFields& fields) {
  const auto minutes = members(fields.minutes);
  const auto hours = members(fields.hours);
  const auto even = even_minutes(minutes);
  if (fields.hours == kAllHours) {
    if (even) return {*even, true};
    if (minutes.size() == 1 && minutes.front() == 0) return {"every hour, on the hour", true};
    return {"at " + plural("minute", fields.minutes) + " of every hour", true};
  }
  const auto step = even_step(hours);
  if (even) {
    if (step && *step <= 1) {
      return {*even + " from " + clock(hours.front(), 0) + " to " +
              clock(hours.back(), minutes.back())};
    }
    return {*even + " of the hours " + numbers(fields.hours)};
  }
  if (minutes.size() == 1 && step && hours.size() >= 3 && (hours.size() > 4 || *step == 1)) {
    const auto every = *step == 1 ? "every hour" : "every " + std::to_string(*step) + " hours";
    return {every + " from " + clock(hours.front(), minutes.front()) + " to " +
            clock(hours.back(), minutes.front())};
  }
  if (minutes.size() * hours.size() <= kMostTimes) {
    std::vector<std::string> each;
    for (const auto hour : hours) {
      for (const auto minute : minutes) each.push_back(clock(hour, minute));
    }
    return {"at " + listed(each)};
  }
  return {"at " + plural("minute", fields.minutes) + " of " + "the " +
          plural("hour", fields.hours)};
}

std::string month_names(std::uint64_t months) {
  std::vector<std::string> names;
  for (const auto month : members(months)) names.emplace_back(kMonths.at(month));
  return listed(names);
}

std::string weekday_names(std::uint64_t weekdays) {
  if (weekdays == kWorkdays) return "weekdays";
  if (weekdays == kWeekend) return "weekends";
  std::vector<std::string> names;
  for (const unsigned day : {1U, 2U, 3U, 4U, 5U, 6U, 0U}) {
    if ((weekdays >> day & 1U) != 0) names.emplace_back(kWeekdays.at(day));
  }
  return listed(names);
}

// ` on weekdays`, ` on day 1 of January`; nothing: on every day of every month.
std::string dates(const CronFields& fields) {
  const bool every_month = fields.months == kAllMonths;
  const auto in_months = every_month ? std::string{} : " in " + month_names(fields.months);
  const bool either = !fields.any_day && !fields.any_weekday;
  bool every_date = fields.days == kAllDays;
  bool every_weekday = fields.weekdays == kAllWeekdays;
  if (either && (every_date || every_weekday)) every_date = every_weekday = true;
  if (every_date && every_weekday) return in_months;
  const auto on_dates = plural("day", fields.days) + " of " +
                        (every_month ? std::string{"the month"} : month_names(fields.months));
  const auto on_weekdays = weekday_names(fields.weekdays);
  if (every_date) return " on " + on_weekdays + in_months;
  if (every_weekday) return " on " + on_dates;
  if (either) return " on " + on_dates + " and also on " + on_weekdays + in_months;
  return " on " + on_weekdays + " that fall on " + on_dates;
}

std::string cron_words(const CronFields& fields) {
  const auto [time, whole_day] = times(fields);
  const auto date = dates(fields);
  const bool say_every_day = !whole_day && (date.empty() || date.starts_with(" in "));
  return time + (say_every_day ? " every day" : "") + date;
}

std::string interval_words(seconds every) {
  struct Unit {
    std::string_view name;
    std::int64_t length;
  };
  constexpr std::array<Unit, 4> kUnits{
      {{"day", 86'400}, {"hour", 3'600}, {"minute", 60}, {"second", 1}}};
  std::vector<std::string> parts;
  auto rest = every.count();
  for (const auto& [name, length] : kUnits) {
    const auto count = rest / length;
    rest %= length;
    if (count == 0) continue;
    if (count == 1 && rest == 0 && parts.empty()) return "every " + std::string{name};
    parts.push_back(std::to_string(count) + " " + std::string{name} + (count == 1 ? "" : "s"));
  }
  std::string text = "every";
  for (const auto& part : parts) text += " " + part;
  return text;
}

}  // namespace

std::string words(const Schedule& schedule) {
  if (const auto* cron = std::get_if<Cron>(&schedule)) return cron_words(cron->expression.fields());
  return interval_words(std::get<Interval>(schedule).every());
}

}  // namespace umbel
