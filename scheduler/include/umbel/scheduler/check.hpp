// What a schedule will do, for people: the answer of `umbel-scheduler check FILE`.
#pragma once

#include <span>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/scheduler/schedule_file.hpp"

namespace umbel {

// Each entry with its schedule, its task and its next `runs` runs after `now`: in its zone with the
// offset from UTC, and in UTC where that differs.
[[nodiscard]] std::string describe_schedule(std::span<const ScheduleEntry> entries, WallTime now,
                                            std::size_t runs = 5);

}  // namespace umbel
