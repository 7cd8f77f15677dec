#include "core.hpp"

#include <algorithm>
#include <utility>

namespace umbel::broker_sqlite {
namespace {

constexpr std::chrono::milliseconds kBusyTimeout{5000};

}  // namespace

Result<std::shared_ptr<Core>> Core::open(SqliteBrokerOptions options, const Clock& clock, Log log) {
  if (options.path.empty()) return invalid("open broker: the path of its file is empty");
  if (options.lease < std::chrono::milliseconds{20}) {
    return invalid("open broker: a lease of less than 20 ms cannot be kept");
  }
  auto checkpointer = std::make_unique<sqlite::Checkpointer>(
      options.path, sqlite::CheckpointOptions{.full_sync = options.full_sync});
  // Renewing may wait for others, but must get a second try within the lease.
  auto keepers = Connection::open(options.path, options.full_sync,
                                  std::min(kBusyTimeout, options.lease / 4), *checkpointer);
  if (!keepers) return keepers.error();
  return std::shared_ptr<Core>{new Core{std::move(options), clock, std::move(log),
                                        std::move(checkpointer), std::move(*keepers)}};
}

Core::Core(SqliteBrokerOptions from, const Clock& with_clock, Log with_log,
           std::unique_ptr<sqlite::Checkpointer> with_checkpointer,
           std::unique_ptr<Connection> keepers)
    : options{std::move(from)},
      clock{with_clock},
      log{std::move(with_log)},
      wake{options.path, log},
      leases{options.lease, clock},
      checkpointer{std::move(with_checkpointer)},
      keeper{std::move(keepers), leases, wake, damage, log} {}

Error Core::fault(const SQLite::Exception& failure, const std::string& what) {
  auto error = sqlite::to_error(failure, what + " in " + options.path);
  damage.note(error);
  return error;
}

Result<bool> Core::follow(Connection& connection) {
  auto followed = connection.follow();
  if (followed && *followed) {
    damage.forget();
    log.warn("the broker's file was replaced and is opened anew", {{"path", options.path}});
  }
  return followed;
}

Result<std::unique_ptr<Connection>> Core::connect() const {
  return Connection::open(options.path, options.full_sync, kBusyTimeout, *checkpointer);
}

}  // namespace umbel::broker_sqlite
