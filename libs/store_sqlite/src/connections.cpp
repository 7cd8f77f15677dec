#include "connections.hpp"

namespace umbel::store_sqlite {
namespace {

constexpr int kBusyMillis = 5000;

}  // namespace

Statement& Connection::prepared(const char* sql) {
  auto& kept = statements_[sql];
  if (!kept) kept = std::make_unique<Statement>(database_->getHandle(), sql);
  return *kept;
}

std::unique_ptr<Connection> Readers::borrow() {
  {
    const std::scoped_lock lock{mutex_};
    while (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (!sqlite::has_moved(connection->database())) return connection;
    }
  }
  auto database = std::make_unique<SQLite::Database>(
      path_, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, kBusyMillis);
  database->exec("PRAGMA query_only = 1");
  return std::make_unique<Connection>(std::move(database));
}

void Readers::give_back(std::unique_ptr<Connection> connection) {
  const std::scoped_lock lock{mutex_};
  if (idle_.size() < keep_) idle_.push_back(std::move(connection));
}

}  // namespace umbel::store_sqlite
