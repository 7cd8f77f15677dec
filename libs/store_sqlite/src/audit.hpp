// Who changed what.
#pragma once

#include "store_file.hpp"
#include "umbel/store/audit_log.hpp"

namespace umbel::store_sqlite {

class SqliteAudit final : public AuditLog {
 public:
  explicit SqliteAudit(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<void> add(const std::vector<AuditEntry>& entries) override;
  [[nodiscard]] Result<std::vector<AuditEntry>> latest(std::size_t limit, std::uint64_t before,
                                                       const std::string& object) override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
