// Named leases.
#pragma once

#include "store_file.hpp"
#include "umbel/store/leases.hpp"

namespace umbel::store_sqlite {

class SqliteLeases final : public Leases {
 public:
  explicit SqliteLeases(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<bool> acquire(const std::string& name, const std::string& owner,
                                     std::chrono::milliseconds duration, WallTime now) override;
  [[nodiscard]] Result<void> release(const std::string& name, const std::string& owner) override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
