// Which ticks were taken or missed. Taking one is part of acceptance (outbox.cpp).
#pragma once

#include "store_file.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel::store_sqlite {

// Records missed ticks unless the ledger holds anything of the schedule in (missed.after, up_to];
// false: it does, and nothing was changed. Inside a write transaction.
[[nodiscard]] bool insert_missed(Connection& connection, const std::string& schedule,
                                 const MissedTicks& missed, WallTime up_to, WallTime now);

class SqliteTicks final : public TickLedger {
 public:
  explicit SqliteTicks(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<std::vector<ScheduleStanding>> take_up(
      std::span<const ScheduleInForce> schedules, WallTime now) override;
  [[nodiscard]] Result<void> lay_down(std::span<const std::string> schedules) override;
  [[nodiscard]] Result<std::optional<TickRecord>> latest(const std::string& schedule) override;
  [[nodiscard]] Result<bool> record_missed(const std::string& schedule, const MissedTicks& missed,
                                           WallTime now) override;
  [[nodiscard]] Result<std::vector<TickFate>> fates(const std::string& schedule,
                                                    std::size_t limit) override;
  [[nodiscard]] Result<std::optional<TickRecord>> of_task(const TaskId& task, WallTime from,
                                                          WallTime to) override;
  [[nodiscard]] Result<TickCounts> count(const std::string& schedule, WallTime from,
                                         WallTime to) override;
  [[nodiscard]] Result<std::vector<TickRecord>> recent(std::size_t limit) override;
  [[nodiscard]] Result<std::vector<ScheduleTicks>> newest_of_each() override;
  [[nodiscard]] Result<std::size_t> forget(WallTime before, std::size_t limit) override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
