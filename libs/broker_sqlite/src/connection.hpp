// One connection to the broker's file with its prepared statements.
//
// A statement that is not reset keeps its read transaction open and the write-ahead log growing; a
// Query resets it whatever happens.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "umbel/base/result.hpp"
#include "umbel/sqlite/checkpointer.hpp"

namespace umbel::broker_sqlite {

// Bytes bound without a copy: they must stay until the query has run.
struct Borrowed {
  std::string_view bytes;
};

// A prepared statement in use. Columns and parameters are numbered by their order. Throws
// SQLite::Exception. Lives no longer than its Connection; one at a time per statement text.
class Query {
 public:
  explicit Query(SQLite::Statement& statement) : statement_{statement} {}
  ~Query() { statement_.tryReset(); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  template <class... Values>
  void bind(const Values&... values) {
    int index = 0;
    (set(++index, values), ...);
  }

  bool step() { return statement_.executeStep(); }  // true: a row
  void run() {
    while (step()) {
    }
  }

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::optional<std::int64_t> maybe_integer(int column) const;
  [[nodiscard]] std::string text(int column) const;

 private:
  void set(int index, std::int64_t value);
  void set(int index, const std::optional<std::int64_t>& value);
  void set(int index, const std::string& value);
  void set(int index, Borrowed value);

  SQLite::Statement& statement_;
};

// Belongs to one thread at a time: its owner guards it. The checkpointer outlives it.
class Connection {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(
      const std::string& path, bool full_sync, std::chrono::milliseconds busy_timeout,
      sqlite::Checkpointer& checkpointer);

  // Opens the file anew if another one has taken its place: then it answers true, and nothing that
  // was known of the file holds any more. Unavailable: the file is gone, and nobody made another.
  [[nodiscard]] Result<bool> follow();

  // `sql` is a literal: its address names the statement.
  template <class... Values>
  [[nodiscard]] Query query(const char* sql, const Values&... values) {
    return Query{bound(sql, values...)};
  }
  template <class... Values>
  void run(const char* sql, const Values&... values) {
    Query{bound(sql, values...)}.run();
  }

  [[nodiscard]] SQLite::Database& database() { return *database_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Connection(std::unique_ptr<SQLite::Database> database, std::string path, bool full_sync,
             std::chrono::milliseconds busy_timeout, sqlite::Checkpointer& checkpointer);
  SQLite::Statement& statement(const char* sql);

  template <class... Values>
  SQLite::Statement& bound(const char* sql, const Values&... values) {
    auto& prepared = statement(sql);
    Query{prepared}.bind(values...);
    return prepared;
  }

  std::unique_ptr<SQLite::Database> database_;
  std::string path_;
  bool full_sync_;
  std::chrono::milliseconds busy_timeout_;
  sqlite::Checkpointer& checkpointer_;
  std::unordered_map<const char*, std::unique_ptr<SQLite::Statement>> statements_;
};

}  // namespace umbel::broker_sqlite
