// What tests of the ticker share: entries, and one scheduler's part of a program over a ledger in
// memory.
#pragma once

#include <string>
#include <vector>

#include "memory_ledger.hpp"
#include "umbel/base/text.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel::testing {

inline const WallTime kNoon = parse_iso8601("2026-11-22T12:00:00Z").value();

inline ScheduleEntry every(const std::string& name, std::chrono::seconds interval) {
  ScheduleEntry entry;
  entry.name = name;
  entry.schedule = Interval{interval};
  entry.schedule_text = "every " + Interval{interval}.text();
  entry.task = "noop";
  return entry;
}

inline ScheduleEntry hourly(const std::string& name) {
  auto entry = every(name, std::chrono::seconds{1});
  entry.schedule = Cron{CronExpression::parse("@hourly").value(), TimeZone::utc()};
  entry.schedule_text = "cron @hourly (UTC)";
  return entry;
}

// One scheduler's part of a program, over a ledger that others may share.
struct Node {
  Node(MemoryLedger& ledger, const Clock& clock, std::vector<ScheduleEntry> entries,
       const Log& log = Log::none())
      : ticker{ledger.submit(), ledger, clock, metrics, log} {
    ticker.replace(std::move(entries));
  }
  double ticks(const std::string& schedule, const std::string& outcome) {
    return metrics.counter(metrics::kScheduleTicks, {schedule, outcome}).Value();
  }
  double gauge(const metrics::Family& family, const std::string& schedule) {
    return metrics.gauge(family, {schedule}).Value();
  }
  metrics::Metrics metrics{"test"};
  Ticker ticker;
};

inline std::vector<WallTime> enqueued(const MemoryLedger& ledger, const std::string& schedule) {
  std::vector<WallTime> found;
  for (const auto& [key, record] : ledger.rows()) {
    if (key.first == schedule && record.outcome == TickOutcome::Enqueued)
      found.push_back(key.second);
  }
  return found;
}

// Instants of a schedule that the ledger knows, by how often: fired ones, and those that a miss
// stands for. For intervals.
inline std::map<WallTime, int> accounted(const MemoryLedger& ledger, const std::string& schedule,
                                         std::chrono::seconds interval) {
  std::map<WallTime, int> times;
  for (const auto& [key, record] : ledger.rows()) {
    if (key.first != schedule) continue;
    if (record.outcome == TickOutcome::Enqueued) ++times[key.second];
    for (std::uint64_t i = 0; i < record.missed; ++i) {
      ++times[key.second - static_cast<std::int64_t>(i) * interval];
    }
  }
  return times;
}

}  // namespace umbel::testing
