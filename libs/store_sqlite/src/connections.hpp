// The connections to one SQLite file: one that writes, and some that only read.
//
// In WAL mode readers do not wait for the writer, as long as they are connections of their own; and
// one writing connection per process keeps our own threads from meeting in SQLite's busy wait,
// which sleeps where a mutex wakes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "statement.hpp"
#include "umbel/sqlite/database.hpp"

namespace umbel::store_sqlite {

// A connection and its prepared statements. For one thread at a time.
class Connection {
 public:
  explicit Connection(std::unique_ptr<SQLite::Database> database)
      : database_{std::move(database)} {}

  // `sql` is a literal: its address is the key under which the prepared statement is kept.
  template <class... Values>
  [[nodiscard]] Query query(const char* sql, const Values&... values) {
    return Query{prepared(sql), values...};
  }
  // The same, where no row is expected; answers how many rows were changed.
  template <class... Values>
  std::int64_t run(const char* sql, const Values&... values) {
    query(sql, values...).run();
    return sqlite3_changes64(database_->getHandle());
  }
  [[nodiscard]] SQLite::Database& database() { return *database_; }

 private:
  [[nodiscard]] Statement& prepared(const char* sql);
  std::unique_ptr<SQLite::Database> database_;
  std::unordered_map<const char*, std::unique_ptr<Statement>> statements_;
};

// Thread-safe.
class Writer {
 public:
  using Open = std::function<Result<std::unique_ptr<SQLite::Database>>()>;

  // `open_again`, if given, opens what stands at the file's path after the file was replaced.
  explicit Writer(std::unique_ptr<SQLite::Database> database, Open open_again = {})
      : connection_{std::make_unique<Connection>(std::move(database))},
        open_again_{std::move(open_again)} {}

  // One transaction; committed if `work(Connection&)` answers a value. `doing` is for the error:
  // "accept tasks in var/umbel.db".
  template <class Work>
  auto write(const std::string& doing, Work&& work) -> std::invoke_result_t<Work&, Connection&> {
    const std::scoped_lock lock{mutex_};
    if (auto there = follow_file(); !there) return there.error();
    try {
      sqlite::WriteTransaction transaction{connection_->database()};
      auto result = work(*connection_);
      if (result.has_value()) transaction.commit();
      return result;
    } catch (const SQLite::Exception& failure) {
      return sqlite::to_error(failure, doing);
    }
  }

  // One snapshot, for what is about to be written: its pages stay here, where a connection that
  // only reads has to fetch them anew after each transaction of ours. Waits for these.
  template <class Work>
  auto read(const std::string& doing, Work&& work) -> std::invoke_result_t<Work&, Connection&> {
    const std::scoped_lock lock{mutex_};
    if (auto there = follow_file(); !there) return there.error();
    try {
      const ReadTransaction transaction{*connection_};
      return work(*connection_);
    } catch (const SQLite::Exception& failure) {
      return sqlite::to_error(failure, doing);
    }
  }

 private:
  // Ended whatever happens inside: nothing was changed.
  class ReadTransaction {
   public:
    explicit ReadTransaction(Connection& connection) : connection_{connection} {
      connection_.run("BEGIN");
    }
    ~ReadTransaction() {
      try {
        connection_.run("ROLLBACK");
      } catch (const SQLite::Exception&) {  // SQLite has ended it already
      }
    }
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;

   private:
    Connection& connection_;
  };

  [[nodiscard]] Result<void> follow_file() {
    if (!open_again_ || !sqlite::has_moved(connection_->database())) return {};
    auto database = open_again_();
    if (!database) return database.error();
    connection_ = std::make_unique<Connection>(std::move(*database));
    return {};
  }

  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  Open open_again_;
};

// Connections that are opened when needed and kept for the next reader. Never creates the file.
// Thread-safe.
class Readers {
 public:
  // `keep`: the most idle connections that stay open.
  Readers(std::string path, std::size_t keep) : path_{std::move(path)}, keep_{keep} {}

  // One snapshot: everything that `work(Connection&)` reads is of one moment.
  template <class Work>
  auto read(const std::string& doing, Work&& work) -> std::invoke_result_t<Work&, Connection&> {
    try {
      auto connection = borrow();
      connection->run("BEGIN");
      auto result = work(*connection);
      connection->run("COMMIT");
      give_back(std::move(connection));  // after a failure it is closed instead
      return result;
    } catch (const SQLite::Exception& failure) {
      return sqlite::to_error(failure, doing);
    }
  }

 private:
  [[nodiscard]] std::unique_ptr<Connection> borrow();
  void give_back(std::unique_ptr<Connection> connection);
  std::string path_;
  std::size_t keep_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace umbel::store_sqlite
