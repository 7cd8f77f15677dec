// Broker and store in files of one folder, as the benchmarks of whole processes open them.
#pragma once

#include <memory>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"

namespace umbel::bench {

struct Engines {
  explicit Engines(const std::string& folder)
      : broker{open_sqlite_broker({.path = folder + "/broker.db"}, clock, log).value()},
        store{open_sqlite_store({.path = folder + "/store.db"}, clock, log).value()} {}

  SystemClock clock;
  Log log{"bench", LogLevel::Warn};
  std::unique_ptr<Broker> broker;
  std::unique_ptr<Store> store;
};

}  // namespace umbel::bench
