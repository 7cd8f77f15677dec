// What the schedulers have in force, and which entries are paused. That a paused schedule takes no
// tick is part of acceptance (outbox.cpp).
#pragma once

#include "store_file.hpp"
#include "umbel/store/schedule_book.hpp"

namespace umbel::store_sqlite {

class SqliteScheduleBook final : public ScheduleBook {
 public:
  explicit SqliteScheduleBook(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<void> publish(const std::string& scheduler,
                                     std::span<const ScheduleCard> entries, WallTime now) override;
  [[nodiscard]] Result<bool> still_alive(const std::string& scheduler, WallTime now) override;
  [[nodiscard]] Result<void> leave(const std::string& scheduler) override;
  [[nodiscard]] Result<ScheduleBookPage> read(WallTime now) override;
  [[nodiscard]] Result<bool> pause(const std::string& name, const std::string& reason,
                                   WallTime now) override;
  [[nodiscard]] Result<bool> resume(const std::string& name, WallTime now) override;
  [[nodiscard]] Result<std::vector<SchedulePause>> pauses() override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
