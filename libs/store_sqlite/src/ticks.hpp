// Which ticks were taken or missed. Taking one is part of acceptance (outbox.cpp).
#pragma once

#include "store_file.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel::store_sqlite {

class SqliteTicks final : public TickLedger {
 public:
  explicit SqliteTicks(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<WallTime> first_seen(const std::string& schedule, WallTime now) override;
  [[nodiscard]] Result<std::optional<TickRecord>> latest(const std::string& schedule) override;
  [[nodiscard]] Result<bool> record_missed(const std::string& schedule, WallTime due,
                                           std::uint64_t count, WallTime now) override;
  [[nodiscard]] Result<std::vector<TickRecord>> recent(std::size_t limit) override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
