// Cron expressions and intervals. Input: a line each for the expression, the zone, and the seconds
// since 1970 from which to look.
//
// A second reading of the same rules, which steps through the minutes and knows of a zone only what
// its clocks show, says what the answers should have been.
#include <algorithm>
#include <array>
#include <bitset>
#include <cctype>
#include <charconv>
#include <optional>
#include <vector>

#include "fuzz_one.hpp"
#include "umbel/model/cron.hpp"

namespace umbel::fuzz {
namespace {

using namespace std::chrono;
using LocalMinute = local_time<minutes>;

constexpr std::int64_t kFirst = 631'152'000;   // 1990: before, some clocks were off by seconds
constexpr std::int64_t kLast = 4'102'444'800;  // 2100
constexpr minutes kSearched{36 * 60};
constexpr minutes kLongestRepeat{30 * 60};  // over a date line

// Which values of a field an accepted expression means.
class FieldSet {
 public:
  FieldSet(std::string_view text, int least, int most, std::vector<std::string> names, int base)
      : least_{least}, most_{most}, names_{std::move(names)}, base_{base} {
    for (std::size_t at = 0; at <= text.size();) {
      const auto end = std::min(text.find(',', at), text.size());
      add(text.substr(at, end - at));
      at = end + 1;
    }
  }
  [[nodiscard]] bool has(int value) const { return values_[static_cast<std::size_t>(value)]; }

 private:
  [[nodiscard]] int value_of(std::string_view text) const {
    int value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{}) {
      return value;
    }
    std::string lower{text};
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto found = std::ranges::find(names_, lower);
    require(found != names_.end(), "an accepted name is known", text);
    return base_ + static_cast<int>(found - names_.begin());
  }

  void add(std::string_view part) {
    const auto slash = part.find('/');
    const int step = slash == std::string_view::npos ? 1 : value_of(part.substr(slash + 1));
    const auto range = part.substr(0, slash);
    const auto dash = range.find('-');
    int first = least_;
    int last = most_;
    if (range != "*") {
      first = value_of(range.substr(0, dash));
      last = dash == std::string_view::npos ? first : value_of(range.substr(dash + 1));
      if (most_ == 7 && last == 0 && first > 0) last = 7;
    }
    require(first <= last && step > 0, "an accepted range goes forward", part);
    for (int value = first; value <= last; value += step) {
      values_.set(static_cast<std::size_t>(value));
      if (most_ == 7 && value == 7) values_.set(0);
    }
  }

  std::bitset<64> values_;
  int least_, most_;
  std::vector<std::string> names_;
  int base_;
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c != ' ' && c != '\t') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::string spelled_out(const std::string& word) {
  if (word == "@hourly") return "0 * * * *";
  if (word == "@daily" || word == "@midnight") return "0 0 * * *";
  if (word == "@weekly") return "0 0 * * 0";
  if (word == "@monthly") return "0 0 1 * *";
  return "0 0 1 1 *";
}

class Reference {
 public:
  explicit Reference(std::string_view text) {
    auto words = words_of(text);
    if (words.size() == 1) words = words_of(spelled_out(words.front()));
    require(words.size() == 5, "an accepted expression has five fields", text);
    fields_.emplace_back(words[0], 0, 59, std::vector<std::string>{}, 0);
    fields_.emplace_back(words[1], 0, 23, std::vector<std::string>{}, 0);
    fields_.emplace_back(words[2], 1, 31, std::vector<std::string>{}, 0);
    fields_.emplace_back(words[3], 1, 12,
                         std::vector<std::string>{"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                                  "aug", "sep", "oct", "nov", "dec"},
                         1);
    fields_.emplace_back(words[4], 0, 7,
                         std::vector<std::string>{"sun", "mon", "tue", "wed", "thu", "fri", "sat"},
                         0);
    both_ = words[2].front() == '*' || words[4].front() == '*';
  }

  [[nodiscard]] bool says(LocalMinute local) const {
    const auto day = floor<days>(local);
    const auto minute = (local - day).count();
    const year_month_day date{day};
    const bool by_date = fields_[2].has(static_cast<int>(unsigned{date.day()}));
    const bool by_weekday = fields_[4].has(static_cast<int>(weekday{day}.c_encoding()));
    return fields_[0].has(static_cast<int>(minute % 60)) &&
           fields_[1].has(static_cast<int>(minute / 60)) &&
           fields_[3].has(static_cast<int>(unsigned{date.month()})) &&
           (both_ ? by_date && by_weekday : by_date || by_weekday);
  }

 private:
  std::vector<FieldSet> fields_;
  bool both_ = false;
};

using Minute = sys_time<minutes>;

LocalMinute shown(const TimeZone& zone, Minute at) { return floor<minutes>(zone.to_local(at)); }

bool changed_clocks(const TimeZone& zone, Minute from, Minute to) {
  const auto offset = [&](Minute at) {
    return shown(zone, at).time_since_epoch() - at.time_since_epoch();
  };
  for (Minute at = from; at < to; at += hours{5}) {
    if (offset(at) != offset(to)) return true;
  }
  return false;
}

// The first minute in (after, after + kSearched] at which the rules fire. `latest` is what the
// clocks have shown at most: less has been shown before, more is a gap.
std::optional<Minute> first_by_steps(const Reference& rules, const TimeZone& zone, WallTime after) {
  const Minute begin = floor<minutes>(after);
  LocalMinute latest = shown(zone, begin);
  if (changed_clocks(zone, begin - kLongestRepeat, begin)) {
    for (Minute at = begin - kLongestRepeat; at < begin; at += minutes{1}) {
      latest = std::max(latest, shown(zone, at));
    }
  }
  for (Minute at = begin + minutes{1}; at <= begin + kSearched; at += minutes{1}) {
    const LocalMinute now = shown(zone, at);
    for (LocalMinute each = latest + minutes{1}; each <= now; each += minutes{1}) {
      if (rules.says(each)) return at;
    }
    latest = std::max(latest, now);
  }
  return std::nullopt;
}

void check_schedule(const Schedule& schedule, WallTime after) {
  std::vector<WallTime> ticks;
  WallTime at = after;
  while (ticks.size() < 40) {
    const auto next = next_after(schedule, at);
    if (!next || *next > after + days{36'000}) break;  // what is due is counted over a century
    require(*next > at, "the next tick is later");
    ticks.push_back(*next);
    at = *next;
  }
  if (ticks.empty()) {
    require(!due_between(schedule, after, after + days{366}), "what never fires is never due");
    return;
  }
  require(next_after(schedule, ticks.front() - microseconds{1}) == ticks.front(),
          "a tick follows the instant before it");
  require(!due_between(schedule, after, ticks.front() - microseconds{1}),
          "nothing is due before the first tick");
  for (std::size_t i = 0; i < ticks.size(); i += 13) {
    const auto due = due_between(schedule, after, ticks[i]);
    require(due && due->latest == ticks[i] && due->missed == i, "what is due was counted right");
  }
  if (ticks.size() > 1) {
    const WallTime between = ticks[0] + (ticks[1] - ticks[0]) / 2;
    require(next_after(schedule, between) == ticks[1], "between two ticks the second one is next");
  }
}

// Looking for what somebody may have meant takes long: of unknown names a few must do.
TimeZone zone_of(std::string_view name) {
  constexpr std::array kZones{
      "America/New_York", "America/Sao_Paulo", "America/St_Johns", "Australia/Lord_Howe",
      "Pacific/Chatham",  "Pacific/Apia",      "Africa/Cairo",     "Africa/Casablanca",
      "Asia/Kathmandu",   "Asia/Tehran",       "Asia/Tokyo",       "Antarctica/Troll",
      "Europe/Berlin",    "Europe/Dublin",     "Europe/London",    "Atlantic/Azores"};
  if (std::ranges::find(kZones, name) == kZones.end() && name.size() != 5) return TimeZone::utc();
  auto zone = TimeZone::parse(name);
  if (zone) return std::move(*zone);
  require(!zone.error().what.empty() && zone.error().what.size() < 500, "a refusal is short");
  return TimeZone::utc();
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input, 512);
  std::string_view rest = text;
  const auto expression_text = take_line(rest);
  const auto zone_text = take_line(rest);
  std::int64_t seconds = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
  const WallTime after{
      std::chrono::seconds{kFirst + static_cast<std::int64_t>(static_cast<std::uint64_t>(seconds) -
                                                              static_cast<std::uint64_t>(kFirst)) %
                                        (kLast - kFirst)}};
  if (after < WallTime{std::chrono::seconds{kFirst}}) return;

  if (const auto interval = Interval::parse(expression_text)) {
    const auto again = Interval::parse(interval->text());
    require(again && again->every() == interval->every(), "an interval reads as it was written");
    check_schedule(*interval, after);
    const auto next = interval->next_after(after).time_since_epoch();
    require(next % interval->every() == next.zero(), "an interval counts from 1970");
  }
  const TimeZone where = zone_of(zone_text);
  const auto expression = CronExpression::parse(expression_text);
  if (!expression) {
    require(expression.error().code == Errc::Invalid && expression.error().what.find("cron '") == 0,
            "a refusal names the expression", expression.error().what);
    return;
  }
  const auto again = CronExpression::parse(expression->text());
  require(again && again->text() == expression->text(), "an expression reads as it was written");
  check_schedule(Cron{*expression, where}, after);
  const auto next = expression->next_after(after, where);
  const auto expected = first_by_steps(Reference{expression->text()}, where, after);
  if (next && *next <= floor<minutes>(after) + kSearched) {
    require(expected && WallTime{*expected} == *next, "the next tick is that of the rules", text);
  } else {
    require(!expected, "a tick of the rules is found", text);
  }
}

}  // namespace umbel::fuzz
