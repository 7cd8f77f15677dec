// Which tasks exist.
#pragma once

#include "store_file.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel::store_sqlite {

class SqliteCatalogue final : public TaskCatalogue {
 public:
  explicit SqliteCatalogue(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<void> upsert(std::span<const CatalogueEntry> entries, WallTime now) override;
  [[nodiscard]] Result<CatalogueEntry> find(const std::string& name) override;
  [[nodiscard]] Result<std::vector<CatalogueEntry>> all() override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
