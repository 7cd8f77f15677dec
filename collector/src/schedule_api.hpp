// The schedule as the page shows it, and what somebody does to it.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel::collector {

// GET /api/schedule, /api/schedule/<name>/ticks; POST …/run, …/pause, …/resume.
void add_schedule_routes(http::Router& router, const ApiParts& parts);

// A day of ticks in half hours. What lies back is looked at again once a minute only, since a
// schedule of every second has 86,400 ticks a day. Thread-safe.
class TickStrips {
 public:
  static constexpr std::size_t kCells = 48;
  static constexpr std::chrono::seconds kStep{1800};
  static constexpr std::chrono::seconds kKept{60};
  // What cannot be counted in this time is told as unknown, and by the next request.
  static constexpr std::chrono::milliseconds kPatience{500};

  TickStrips(TickLedger& ledger, const Clock& clock) : ledger_{ledger}, clock_{clock} {}

  [[nodiscard]] static WallTime from(WallTime now);
  // One for each half hour from from(now) on; nothing: not counted before `until`.
  [[nodiscard]] Result<std::vector<std::optional<TickCounts>>> of(const std::string& schedule,
                                                                  WallTime now,
                                                                  Steady::time_point until);
  // Forgets all schedules but these.
  void keep(const std::vector<std::string>& schedules);

 private:
  struct Counted {
    TickCounts counts;
    Steady::time_point at{};
  };
  TickLedger& ledger_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::map<WallTime, Counted>> counted_;
};

}  // namespace umbel::collector
