// What the parts of one opened broker share. It lives until the last of them is gone, so that a
// consumer may outlive the Broker that made it.
#pragma once

#include <memory>
#include <string>

#include "connection.hpp"
#include "keeper.hpp"
#include "queue_tables.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/sqlite/checkpointer.hpp"
#include "umbel/sqlite/database.hpp"
#include "wake.hpp"

namespace umbel::broker_sqlite {

class Core {
 public:
  [[nodiscard]] static Result<std::shared_ptr<Core>> open(SqliteBrokerOptions options,
                                                          const Clock& clock, Log log);

  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() const;
  [[nodiscard]] std::int64_t now() const { return to_micros(clock.wall()); }
  // What SQLite reported while we tried `what` ("take messages").
  [[nodiscard]] Error fault(const SQLite::Exception& failure, const std::string& what);
  // As Connection::follow(), and says so.
  [[nodiscard]] Result<bool> follow(Connection& connection);

  const SqliteBrokerOptions options;
  const Clock& clock;
  const Log log;
  const WakeFolder wake;
  const Leases leases;
  sqlite::Damage damage;
  const std::unique_ptr<sqlite::Checkpointer> checkpointer;
  Keeper keeper;

 private:
  Core(SqliteBrokerOptions from, const Clock& with_clock, Log with_log,
       std::unique_ptr<sqlite::Checkpointer> with_checkpointer,
       std::unique_ptr<Connection> keepers);
};

}  // namespace umbel::broker_sqlite
