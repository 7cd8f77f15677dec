// One field of a cron expression: a list of numbers or names, ranges and steps, as a set of
// numbers.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel {

struct CronField {
  std::string_view name;  // for errors
  unsigned least;
  unsigned most;
  std::span<const std::string_view> names;  // names[0] stands for names_from, and so on
  unsigned names_from = 0;
};

// The numbers that `text` names: bit n stands for n. Day of week answers Sunday as bit 0 alone.
[[nodiscard]] Result<std::uint64_t> parse_cron_field(const CronField& field, std::string_view text);

extern const CronField kMinuteField;
extern const CronField kHourField;
extern const CronField kDayField;
extern const CronField kMonthField;
extern const CronField kWeekdayField;

}  // namespace umbel
