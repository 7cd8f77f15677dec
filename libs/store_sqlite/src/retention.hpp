// Retention over the store's tables.
#pragma once

#include <mutex>
#include <string>

#include "store_file.hpp"
#include "umbel/store/retention.hpp"

namespace umbel::store_sqlite {

class SqliteRetention final : public StoreRetention {
 public:
  explicit SqliteRetention(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<Forgotten> forget(const RetentionLimits& limits, std::size_t most) override;
  [[nodiscard]] Result<StoreSize> size() override;

 private:
  StoreFile& file_;
  std::mutex mutex_;
  std::string subreddit_;  // the last that was looked through; the next step goes on behind it
};

}  // namespace umbel::store_sqlite
