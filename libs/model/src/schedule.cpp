#include <array>
#include <charconv>

#include "umbel/model/cron.hpp"

namespace umbel {
namespace {

using std::chrono::seconds;

struct Unit {
  char letter;
  seconds length;
};
constexpr std::array<Unit, 4> kUnits{{{'d', std::chrono::hours{24}},
                                      {'h', std::chrono::hours{1}},
                                      {'m', std::chrono::minutes{1}},
                                      {'s', seconds{1}}}};
constexpr seconds kLongest = std::chrono::hours{24 * 366};

constexpr std::string_view kEvery = "every ";

Error not_an_interval(std::string_view text) {
  return invalid("'" + std::string{text} +
                 "' is no interval; allowed are whole seconds (30) and days, hours, minutes and "
                 "seconds in this order (30s, 5m, 1h30m, 1d), from 1s to 366d");
}

// How many times `every` fits between the epoch and `time`, rounded down.
std::int64_t multiples(WallTime time, seconds every) {
  const auto since_epoch = std::chrono::floor<seconds>(time).time_since_epoch();
  return since_epoch / every - (since_epoch % every < seconds{0} ? 1 : 0);
}

}  // namespace

Result<Interval> Interval::parse(std::string_view text) {
  seconds total{0};
  const char* at = text.data();
  const char* const end = at + text.size();
  std::size_t unit = 0;
  if (at == end) return not_an_interval(text);
  while (at != end) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || number < 0 || number > kLongest.count())
      return not_an_interval(text);
    const bool bare = rest == end && at == text.data();
    while (!bare && unit < kUnits.size() && (rest == end || kUnits[unit].letter != *rest)) ++unit;
    if (unit == kUnits.size()) return not_an_interval(text);
    total += number * (bare ? seconds{1} : kUnits[unit++].length);
    at = bare ? rest : rest + 1;
  }
  if (total < seconds{1} || total > kLongest) return not_an_interval(text);
  return Interval{total};
}

std::string Interval::text() const {
  std::string text;
  auto rest = every_;
  for (const auto& unit : kUnits) {
    if (rest < unit.length) continue;
    text += std::to_string(rest / unit.length) + unit.letter;
    rest %= unit.length;
  }
  return text;
}

WallTime Interval::next_after(WallTime after) const {
  return WallTime{(multiples(after, every_) + 1) * every_};
}

std::optional<Due> Interval::due_between(WallTime after, WallTime now) const {
  const auto before = multiples(after, every_);
  const auto last = multiples(now, every_);
  if (last <= before) return std::nullopt;
  return Due{WallTime{last * every_}, static_cast<std::uint64_t>(last - before - 1)};
}

std::string expression_of(const Schedule& schedule) {
  if (const auto* cron = std::get_if<Cron>(&schedule)) return cron->expression.text();
  return std::string{kEvery} + std::get<Interval>(schedule).text();
}

std::string zone_of(const Schedule& schedule) {
  const auto* cron = std::get_if<Cron>(&schedule);
  return cron == nullptr ? std::string{} : cron->zone.name();
}

Result<Schedule> schedule_from(std::string_view expression, std::string_view zone) {
  if (expression.starts_with(kEvery)) {
    const auto interval = Interval::parse(expression.substr(kEvery.size()));
    if (!interval) return interval.error();
    return Schedule{*interval};
  }
  auto cron = CronExpression::parse(expression);
  if (!cron) return cron.error();
  auto where = zone.empty() ? Result<TimeZone>{TimeZone::utc()} : TimeZone::parse(zone);
  if (!where) return where.error();
  return Schedule{Cron{std::move(*cron), std::move(*where)}};
}

std::optional<WallTime> next_after(const Schedule& schedule, WallTime after) {
  if (const auto* cron = std::get_if<Cron>(&schedule)) {
    return cron->expression.next_after(after, cron->zone);
  }
  return std::get<Interval>(schedule).next_after(after);
}

std::optional<Due> due_between(const Schedule& schedule, WallTime after, WallTime now) {
  if (const auto* cron = std::get_if<Cron>(&schedule)) {
    return cron->expression.due_between(after, now, cron->zone);
  }
  return std::get<Interval>(schedule).due_between(after, now);
}

}  // namespace umbel
