#include "subscription.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "event_tables.hpp"
#include "umbel/sqlite/database.hpp"

namespace umbel::broker_sqlite {

Result<std::unique_ptr<EventSubscription>> SqliteSubscription::open(std::shared_ptr<Core> core,
                                                                    SubscribeOptions options) {
  if (options.name.empty()) return invalid("subscribe: the subscriber needs a name");
  auto connection = core->connect();
  if (!connection) return connection.error();
  std::unique_ptr<SqliteSubscription> subscription{
      new SqliteSubscription{std::move(core), std::move(options.name), std::move(*connection)}};
  try {
    const std::lock_guard lock{subscription->mutex_};
    sqlite::WriteTransaction transaction{subscription->connection_->database()};
    subscription->start(options.after);
    transaction.commit();
    subscription->started_ = true;
  } catch (const SQLite::Exception& failure) {
    return subscription->core_->fault(failure, "subscribe");
  }
  return std::unique_ptr<EventSubscription>{std::move(subscription)};
}

SqliteSubscription::SqliteSubscription(std::shared_ptr<Core> core, std::string name,
                                       std::unique_ptr<Connection> connection)
    : core_{std::move(core)},
      name_{std::move(name)},
      socket_{core_->wake},
      connection_{std::move(connection)} {}

SqliteSubscription::~SqliteSubscription() {
  const std::lock_guard lock{mutex_};
  if (!started_) return;
  try {
    sqlite::WriteTransaction transaction{connection_->database()};
    forget_wake(*connection_, name_, socket_.name());
    transaction.commit();
  } catch (const SQLite::Exception& failure) {
    core_->log.debug("subscriber could not say goodbye",
                     {{"subscriber", name_}, {"reason", core_->fault(failure, "leave").what}});
  }
}

void SqliteSubscription::start(const std::optional<EventOffset>& after) {
  const auto known = find_subscriber(*connection_, name_);
  const auto beginning = stream_start(*connection_);
  position_ = after.value_or(known ? known->committed : beginning);
  if (const auto last = last_event(*connection_); position_ > last) {
    // The offset is of another stream: the broker's file was lost or set back. Its batches are new.
    core_->log.warn("event stream is behind its subscriber and is read from its beginning",
                    {{"subscriber", name_}, {"after", position_}, {"last", last}});
    position_ = beginning;
  }
  if (known) core_->wake.unlink(known->wake);
  put_subscriber(*connection_, name_, position_, socket_.name());
}

Result<bool> SqliteSubscription::follow() {
  auto followed = core_->follow(*connection_);
  if (!followed || !*followed) return followed;
  started_ = false;
  return followed;
}

void SqliteSubscription::start_anew() {
  if (started_) return;
  sqlite::WriteTransaction transaction{connection_->database()};
  start(position_);
  transaction.commit();
  started_ = true;
}

Result<std::vector<EventBatch>> SqliteSubscription::next(std::size_t max,
                                                         std::chrono::milliseconds limit,
                                                         std::stop_token stop) {
  std::optional<Wait> wait;
  if (stop.stop_requested()) return std::vector<EventBatch>{};
  for (;;) {
    socket_.drain();
    try {
      const std::lock_guard lock{mutex_};
      if (auto followed = follow(); !followed) return followed.error();
      start_anew();
      auto batches = read_events(*connection_, position_, max);
      if (!batches.empty()) {
        position_ = batches.back().offset;
        return batches;
      }
    } catch (const SQLite::Exception& failure) {
      return core_->fault(failure, "read events");
    }
    if (!wait) wait.emplace(limit, stop);
    if (max == 0 || wait->over()) return std::vector<EventBatch>{};
    wait->for_any(std::array{socket_.fd()}, kPollInterval);
  }
}

Result<void> SqliteSubscription::commit(EventOffset offset) {
  const std::lock_guard lock{mutex_};
  if (auto followed = follow(); !followed) return followed.error();
  if (!started_) return {};  // an offset of the file that is gone says nothing here
  if (offset > position_) {
    return invalid(fmt::format("commit: {} was given events up to {}, not up to {}", name_,
                               position_, offset));
  }
  try {
    sqlite::WriteTransaction transaction{connection_->database()};
    commit_events(*connection_, name_, offset);
    transaction.commit();
  } catch (const SQLite::Exception& failure) {
    return core_->fault(failure, "commit events");
  }
  return {};
}

Result<EventStreamFigures> SqliteSubscription::figures() {
  const std::lock_guard lock{mutex_};
  if (auto followed = follow(); !followed) return followed.error();
  try {
    EventStreamFigures figures{.last = last_event(*connection_)};
    if (const auto known = find_subscriber(*connection_, name_)) {
      figures.committed = known->committed;
    }
    return figures;
  } catch (const SQLite::Exception& failure) {
    return core_->fault(failure, "look at events");
  }
}

}  // namespace umbel::broker_sqlite
