// A search as SQL over one day's file: which index it walks along, and what it asks of each row.
//
// A day may hold millions of tasks, so a search never leaves it to SQLite how far it looks: it
// walks along an index in the search's order, a bounded stretch at a time. A *stream* is one such
// walk; several (of two names, say) are walked side by side.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connections.hpp"
#include "umbel/history/task_query.hpp"

namespace umbel::store_sqlite {

// A place in the order of a search, within what is walked together.
struct OrderKey {
  double value = 0;  // runtime, wait (microseconds), retries; by time: 0
  std::int64_t first_seen = 0;
  std::string id;
};

using SqlValue = std::variant<std::int64_t, double, std::string>;

// A piece of a condition with the values it binds.
struct SqlPart {
  std::string text;
  std::vector<SqlValue> values;
};

struct Stream {
  const char* index = "";  // empty: none, because it is not made yet
  SqlPart where;           // what holds all along
  bool brief = false;      // not in the search's order, but few rows: read at once
};

struct FoundTask {
  OrderKey key;
  Task task;
};

// Whether `a` comes before `b`.
[[nodiscard]] bool comes_before(const OrderKey& a, const OrderKey& b, TaskOrder order);
// Where the task stands; it must have what the order goes by.
[[nodiscard]] OrderKey key_of(const Task& task, WallTime first_seen, TaskOrder order);

// Of one query, which outlives it. What reads throws SQLite::Exception.
class SearchSql {
 public:
  explicit SearchSql(const TaskQuery& query);

  // Before everything.
  [[nodiscard]] OrderKey beginning() const;
  // Behind everything that is at `at` but for its id.
  [[nodiscard]] OrderKey behind(const OrderKey& at) const;
  [[nodiscard]] std::vector<Stream> streams(Connection& connection) const;
  // Where a walk of `rows` rows behind `from` ends (with no id); nothing: the stream ends earlier.
  [[nodiscard]] std::optional<OrderKey> end_of_walk(Connection& connection, const Stream& stream,
                                                    const OrderKey& from, std::size_t rows) const;
  // What the query finds behind `from`, up to and with everything at `to`, in its order, until
  // `visit` answers false.
  void read(Connection& connection, const Stream& stream, const OrderKey& from,
            const std::optional<OrderKey>& to, const std::function<bool(FoundTask&&)>& visit) const;

 private:
  [[nodiscard]] std::optional<std::vector<Stream>> by_term(Connection& connection) const;
  [[nodiscard]] SqlPart not_before(const OrderKey& from) const;
  const TaskQuery& query_;
  const char* index_;       // of the order itself
  std::string value_;       // column of the order's value; by time: empty
  std::string keys_;        // columns of the key but for the id
  const char* down_;        // DESC or ASC
  const char* beyond_;      // < or >, of what comes later
  SqlPart time_, filters_;  // `after` and `before`; the terms
};

}  // namespace umbel::store_sqlite
