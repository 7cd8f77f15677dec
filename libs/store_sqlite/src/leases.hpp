// Named leases.
#pragma once

#include "store_file.hpp"
#include "umbel/store/leases.hpp"

namespace umbel::store_sqlite {

// They are of wall time, and so for what may be done twice without harm (keeping house): a clock
// that is set forward hands a lease over while its owner still works. What must have one owner
// takes more than this: the history's file is locked, a tick has a unique key.
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
