#include "umbel/model/cron.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "cron_field.hpp"

namespace umbel {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::years;

constexpr int kReachYears = 8;  // between two 29 Februaries, at most (1896-1904, 2096-2104)
constexpr days kLongestSpan{100 * 366};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kShorthands{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

constexpr std::string_view kWhite = " \t";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (auto at = text.find_first_not_of(kWhite); at != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(kWhite, at), text.size());
    found.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kWhite, end);
  }
  return found;
}

template <std::size_t N>
std::optional<std::size_t> first_set(const std::bitset<N>& bits, std::size_t from) {
  for (auto at = from; at < N; ++at) {
    if (bits[at]) return at;
  }
  return std::nullopt;
}

template <std::size_t N>
std::size_t last_set(const std::bitset<N>& bits) {
  auto at = N - 1;
  while (at > 0 && !bits[at]) --at;
  return at;
}

minutes minute_of_day(std::size_t hour, std::size_t minute) {
  return minutes{static_cast<int>(hour * 60 + minute)};
}

std::string shorthand_names() {
  std::string names;
  for (const auto& [name, meaning] : kShorthands)
    names.append(names.empty() ? "" : " ").append(name);
  return names;
}

}  // namespace

Result<CronExpression> CronExpression::parse(std::string_view text) {
  CronExpression cron;
  const auto given = trimmed(text);
  cron.text_ = std::string{given};
  auto meaning = given;
  if (given.starts_with('@')) {
    const auto* const found =
        std::ranges::find(kShorthands, given, &decltype(kShorthands)::value_type::first);
    if (found == kShorthands.end()) {
      return invalid("cron '" + cron.text_ + "': no such shorthand; allowed are " +
                     shorthand_names());
    }
    meaning = found->second;
  }
  const auto fields = words(meaning);
  if (fields.size() != 5) {
    return invalid(
        "cron '" + cron.text_ + "': has " + std::to_string(fields.size()) +
        " fields; wanted are five (minute, hour, day of month, month, day of week) or one of " +
        shorthand_names());
  }
  std::array<std::uint64_t, 5> bits{};
  const std::array<const CronField*, 5> kinds{&kMinuteField, &kHourField, &kDayField, &kMonthField,
                                              &kWeekdayField};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto parsed = parse_cron_field(*kinds[i], fields[i]);
    if (!parsed) return invalid("cron '" + cron.text_ + "': " + parsed.error().what);
    bits[i] = *parsed;
  }
  cron.minutes_ = bits[0];
  cron.hours_ = bits[1];
  cron.days_ = bits[2];
  cron.months_ = bits[3];
  cron.weekdays_ = bits[4];
  cron.any_day_ = fields[2].starts_with('*');
  cron.any_weekday_ = fields[4].starts_with('*');
  return cron;
}

CronFields CronExpression::fields() const {
  return {.minutes = minutes_.to_ullong(),
          .hours = hours_.to_ullong(),
          .days = days_.to_ullong(),
          .months = months_.to_ullong(),
          .weekdays = weekdays_.to_ullong(),
          .any_day = any_day_,
          .any_weekday = any_weekday_};
}

bool CronExpression::matches_day(std::chrono::year_month_day date) const {
  if (!months_[unsigned{date.month()}]) return false;
  const bool day = days_[unsigned{date.day()}];
  const bool weekday = weekdays_[std::chrono::weekday{local_days{date}}.c_encoding()];
  return any_day_ || any_weekday_ ? day && weekday : day || weekday;
}

std::optional<local_days> CronExpression::matching_day(local_days date, local_days last) const {
  while (date <= last) {
    const std::chrono::year_month_day day{date};
    if (!months_[unsigned{day.month()}]) {
      date = local_days{(day.year() / day.month() + std::chrono::months{1}) / 1};
    } else if (matches_day(day)) {
      return date;
    } else {
      date += days{1};
    }
  }
  return std::nullopt;
}

std::optional<minutes> CronExpression::matching_minute(minutes minute) const {
  const auto from = static_cast<std::size_t>(minute.count());
  const auto hour = first_set(hours_, from / 60);
  if (!hour) return std::nullopt;
  if (*hour == from / 60) {
    if (const auto same = first_set(minutes_, from % 60)) return minute_of_day(*hour, *same);
    return matching_minute(minute_of_day(*hour + 1, 0));
  }
  return minute_of_day(*hour, *first_set(minutes_, 0));
}

minutes CronExpression::last_minute() const {
  return minute_of_day(last_set(hours_), last_set(minutes_));
}

// Local times in order have instants in order (equal ones where they share a gap), so the first
// matching local time whose instant lies behind `after` is the answer; only the minutes of one
// repeat are looked at in vain.
std::optional<WallTime> CronExpression::next_after(WallTime after, const TimeZone& zone) const {
  const auto local = floor<minutes>(zone.to_local(after));
  auto date = floor<days>(local);
  minutes minute = local - date;
  const std::chrono::year_month_day today{date};
  const auto last =
      local_days{(today.year() + years{kReachYears}) / today.month() / today.day()} + days{1};
  while (const auto day = matching_day(date, last)) {
    if (*day != date) minute = minutes{0};
    for (auto at = matching_minute(minute); at; at = matching_minute(*at + minutes{1})) {
      const auto instant = zone.to_instant(*day + *at);
      if (instant > after) return instant;
    }
    date = *day + days{1};
    minute = minutes{0};
  }
  return std::nullopt;
}

std::optional<Due> CronExpression::due_between(WallTime after, WallTime now,
                                               const TimeZone& zone) const {
  if (now <= after) return std::nullopt;
  after = std::max(after, now - kLongestSpan);
  const auto per_day = hours_.count() * minutes_.count();
  const auto first_minute = *matching_minute(minutes{0});
  // A clock put back over midnight has shown the beginning of a day that it does not show any more.
  const auto last = floor<days>(zone.to_local(now)) + days{1};
  std::uint64_t count = 0;
  std::optional<WallTime> latest;
  auto date = floor<days>(zone.to_local(after));
  while (const auto day = matching_day(date, last)) {
    date = *day + days{1};
    const auto begin = zone.to_instant(*day);
    const auto end = zone.to_instant(date);
    if (begin > now) break;
    if (begin > after && end <= now && end - begin == days{1}) {
      count += per_day - (latest == begin + first_minute ? 1 : 0);
      latest = begin + last_minute();
      continue;
    }
    for (auto at = std::optional{first_minute}; at; at = matching_minute(*at + minutes{1})) {
      const auto instant = zone.to_instant(*day + *at);
      if (instant > now) break;
      if (instant <= after || latest == instant) continue;
      ++count;
      latest = instant;
    }
  }
  if (!latest) return std::nullopt;
  return Due{*latest, count - 1};
}

}  // namespace umbel
