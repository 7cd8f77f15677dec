#include "umbel/scheduler/check.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <optional>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

using std::chrono::seconds;

// `2026-11-22 16:00:15` of a count of seconds on some clock.
std::string stamp(seconds since_epoch) {
  auto text = iso8601(WallTime{since_epoch}).substr(0, 19);
  text[10] = ' ';
  return text;
}

std::string offset_text(seconds offset) {
  const auto minutes = std::abs(offset.count()) / 60;
  return fmt::format("{}{:02}:{:02}", offset.count() < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::string run_text(const Schedule& schedule, WallTime run) {
  const auto utc = std::chrono::floor<seconds>(run).time_since_epoch();
  const auto in_utc = stamp(utc) + " UTC";
  const auto* const cron = std::get_if<Cron>(&schedule);
  if (cron == nullptr) return in_utc;
  const auto local = cron->zone.to_local(run).time_since_epoch();
  if (local == utc) return in_utc;
  return fmt::format("{} {}  =  {}", stamp(local), offset_text(local - utc), in_utc);
}

}  // namespace

std::string describe_schedule(std::span<const ScheduleEntry> entries, WallTime now,
                              std::size_t runs) {
  std::string text;
  for (const auto& entry : entries) {
    text += fmt::format("{}: {}, task {} args {} kwargs {}", entry.name, entry.schedule_text,
                        entry.task, entry.args, entry.kwargs);
    if (entry.queue) text += " queue " + entry.queue->str();
    text += entry.enabled ? "\n" : " (disabled: would run)\n";
    std::optional<WallTime> run = next_after(entry.schedule, now);
    if (!run) text += "  never, in the next eight years\n";
    for (std::size_t i = 0; run && i < runs; ++i, run = next_after(entry.schedule, *run)) {
      text += "  " + run_text(entry.schedule, *run) + "\n";
    }
  }
  if (entries.empty()) text = "no schedules\n";
  return text;
}

}  // namespace umbel
