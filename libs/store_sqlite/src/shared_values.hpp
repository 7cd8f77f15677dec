// Small values that processes share until they expire.
#pragma once

#include "store_file.hpp"
#include "umbel/store/leases.hpp"

namespace umbel::store_sqlite {

class SqliteSharedValues final : public SharedValues {
 public:
  // The clock tells put(), which is not given the time, what has expired and can go.
  SqliteSharedValues(StoreFile& file, const Clock& clock) : file_{file}, clock_{clock} {}
  [[nodiscard]] Result<std::optional<std::string>> get(const std::string& key,
                                                       WallTime now) override;
  [[nodiscard]] Result<void> put(const std::string& key, const std::string& value,
                                 WallTime expires) override;
  [[nodiscard]] Result<std::int64_t> add(const std::string& key, std::int64_t delta,
                                         std::int64_t initial, WallTime expires,
                                         WallTime now) override;
  [[nodiscard]] Result<bool> replace(const std::string& key,
                                     const std::optional<std::string>& expected,
                                     const std::string& value, WallTime expires,
                                     WallTime now) override;

 private:
  StoreFile& file_;
  const Clock& clock_;
};

}  // namespace umbel::store_sqlite
