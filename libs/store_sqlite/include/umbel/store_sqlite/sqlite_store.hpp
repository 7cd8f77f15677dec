// The embedded store: one SQLite file that every program of one machine shares.
#pragma once

#include <memory>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/store/store.hpp"

namespace umbel {

struct SqliteStoreOptions {
  std::string path;
  bool full_sync = false;
};

[[nodiscard]] Result<std::unique_ptr<Store>> open_sqlite_store(SqliteStoreOptions options,
                                                               const Clock& clock, Log log);

}  // namespace umbel
