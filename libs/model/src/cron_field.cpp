#include "cron_field.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>

namespace umbel {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};
constexpr unsigned kSunday = 7;

std::string allowed(const CronField& field) {
  std::string text = std::to_string(field.least) + "-" + std::to_string(field.most);
  if (!field.names.empty()) {
    text.append(", ").append(field.names.front()).append("-").append(field.names.back());
  }
  return text;
}

Error wrong(const CronField& field, std::string_view part, const std::string& why) {
  return invalid(std::string{field.name} + ": '" + std::string{part} + "' " + why +
                 "; allowed are " + allowed(field) +
                 ", with lists (1,2), ranges (1-5) and steps (*/2, 1-5/2)");
}

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<unsigned> named(const CronField& field, std::string_view text) {
  std::string lower{text};
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto* const found = std::ranges::find(field.names, std::string_view{lower}).base();
  if (found == field.names.data() + field.names.size()) return std::nullopt;
  return field.names_from + static_cast<unsigned>(found - field.names.data());
}

Result<unsigned> one_value(const CronField& field, std::string_view text, std::string_view part) {
  const auto value = number(text);
  if (value && *value >= field.least && *value <= field.most) return *value;
  if (value) return wrong(field, part, "is out of range");
  if (const auto name = named(field, text)) return *name;
  return wrong(field, part, text.empty() ? "lacks a value" : "is no such value");
}

struct Range {
  unsigned first, last;
};

Result<Range> range_of(const CronField& field, std::string_view text, std::string_view part) {
  if (text == "*") return Range{field.least, field.most};
  const auto dash = text.find('-');
  const auto first = one_value(field, text.substr(0, dash), part);
  if (!first) return first.error();
  if (dash == std::string_view::npos) return Range{*first, *first};
  auto last = one_value(field, text.substr(dash + 1), part);
  if (!last) return last.error();
  // In `sat-sun` the name of Sunday closes the week.
  if (field.most == kSunday && *last == 0 && *first > 0) last = kSunday;
  if (*last < *first) return wrong(field, part, "is a range that ends before it begins");
  return Range{*first, *last};
}

Result<std::uint64_t> part_of(const CronField& field, std::string_view part) {
  const auto slash = part.find('/');
  const auto head = part.substr(0, slash);
  const auto range = range_of(field, head, part);
  if (!range) return range.error();
  unsigned step = 1;
  if (slash != std::string_view::npos) {
    if (head != "*" && head.find('-') == std::string_view::npos) {
      return wrong(field, part,
                   "has a step without a range (write " + std::to_string(range->first) + "-" +
                       std::to_string(field.most) + std::string{part.substr(slash)} + ")");
    }
    const auto given = number(part.substr(slash + 1));
    const unsigned largest = field.most - field.least + 1;
    if (!given || *given < 1 || *given > largest) {
      return wrong(field, part, "has a step that is not 1-" + std::to_string(largest));
    }
    step = *given;
  }
  std::uint64_t bits = 0;
  for (unsigned value = range->first; value <= range->last; value += step) {
    bits |= std::uint64_t{1} << value;
  }
  return bits;
}

}  // namespace

const CronField kMinuteField{"minute", 0, 59, {}};
const CronField kHourField{"hour", 0, 23, {}};
const CronField kDayField{"day of month", 1, 31, {}};
const CronField kMonthField{"month", 1, 12, kMonths, 1};
const CronField kWeekdayField{"day of week", 0, kSunday, kWeekdays, 0};

Result<std::uint64_t> parse_cron_field(const CronField& field, std::string_view text) {
  std::uint64_t bits = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(',', at), text.size());
    const auto part = part_of(field, text.substr(at, end - at));
    if (!part) return part.error();
    bits |= *part;
    at = end + 1;
  }
  if (field.most == kSunday && (bits >> kSunday & 1U) != 0) {
    bits = (bits | 1U) & ~(std::uint64_t{1} << kSunday);
  }
  return bits;
}

}  // namespace umbel
