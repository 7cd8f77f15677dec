#include "search_sql.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>

#include "history_rows.hpp"
#include "search_indexes.hpp"

namespace umbel::store_sqlite {
namespace {

constexpr std::size_t kSelectivePrefix = 6;  // of an id: a millionth of all UUIDs and less
constexpr std::size_t kMostStreams = 64;
constexpr std::size_t kMostNamesLookedAt = 1000;
constexpr std::string_view kAfterAnyId = "\xff\xff\xff\xff";

constexpr std::array kSearched{"uuid", "name", "args", "kwargs", "result", "exception"};

void add(SqlPart& part, std::string_view text, std::vector<SqlValue> values = {}) {
  part.text += text;
  std::ranges::move(values, std::back_inserter(part.values));
}

void add(SqlPart& part, const SqlPart& more) { add(part, more.text, more.values); }

std::string like_pattern(std::string_view contained) {
  std::string pattern = "%";
  for (const char c : contained) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

std::string glob_pattern(std::string_view ours) {
  std::string pattern;
  for (const char c : ours) {
    if (c == '?' || c == '[') {
      pattern += {'[', c, ']'};
    } else {
      pattern += c;
    }
  }
  return pattern;
}

bool is_glob(std::string_view text) { return text.find('*') != std::string_view::npos; }

// Every text that begins with `prefix` is below this.
std::string above_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix.empty() ? std::string{kAfterAnyId} : prefix;
}

const char* column_of(TaskField field) {
  switch (field) {
    case TaskField::Name:
      return "name";
    case TaskField::Worker:
      return "worker";
    case TaskField::Queue:
      return "queue";
    case TaskField::Args:
      return "args";
    case TaskField::Kwargs:
      return "kwargs";
    case TaskField::Result:
      return "result";
    case TaskField::Exception:
      return "exception";
    case TaskField::Error:
      return "error";
    case TaskField::Root:
      return "root_id";
    case TaskField::Parent:
      return "parent_id";
    default:
      return "uuid";
  }
}

SqlPart contained(const char* column, const std::string& text) {
  const std::string name{column};
  return {name + " IS NOT NULL AND " + name + " LIKE ? ESCAPE '\\'", {like_pattern(text)}};
}

SqlPart equal(const char* column, const std::string& text) {
  const std::string name{column};
  return {name + " IS NOT NULL AND " + name + " = ?", {text}};
}

SqlPart text_part(TaskField field, const std::string& text) {
  const char* const column = column_of(field);
  switch (field) {
    case TaskField::Text: {
      SqlPart any;
      for (const char* each : kSearched) {
        add(any, any.text.empty() ? "(" : ") OR (");
        add(any, contained(each, text));
      }
      add(any, ")");
      return any;
    }
    case TaskField::Name:
    case TaskField::Worker:
    case TaskField::Queue: {
      if (!is_glob(text)) return equal(column, text);
      const std::string name{column};
      return {name + " IS NOT NULL AND " + name + " GLOB ?", {glob_pattern(text)}};
    }
    case TaskField::Id:
      return {"uuid >= ? AND uuid < ?", {text, above_prefix(text)}};
    case TaskField::Error:
    case TaskField::Parent:
      return equal(column, text);
    case TaskField::Root: {
      SqlPart either{"uuid = ? OR (", {text}};
      add(either, equal(column, text));
      add(either, ")");
      return either;
    }
    default:
      return contained(column, text);
  }
}

SqlPart range_part(TaskField field, const NumberRange& range) {
  // In seconds, and by the same division as wait_of().
  const std::string number = field == TaskField::Runtime ? "runtime"
                             : field == TaskField::Wait  ? "(wait / 1000000.0)"
                                                         : "COALESCE(retries, 0)";
  SqlPart part{number + " IS NOT NULL", {}};
  if (std::isfinite(range.least))
    add(part, " AND " + number + (range.above ? " > ?" : " >= ?"), {range.least});
  if (std::isfinite(range.most))
    add(part, " AND " + number + (range.below ? " < ?" : " <= ?"), {range.most});
  return part;
}

SqlPart state_part(const std::vector<TaskState>& states) {
  SqlPart part{"state IN (", {}};
  for (std::size_t i = 0; i < states.size(); ++i)
    add(part, i == 0 ? "?" : ", ?", {std::string{to_text(states[i])}});
  add(part, ")");
  return part;
}

SqlPart term_part(const QueryTerm& term) {
  SqlPart any;
  const auto either = [&](const SqlPart& one) {
    add(any, any.text.empty() ? "(" : ") OR (");
    add(any, one);
  };
  for (const auto& text : term.texts) either(text_part(term.field, text));
  for (const auto& range : term.ranges) either(range_part(term.field, range));
  if (!term.states.empty()) either(state_part(term.states));
  if (term.unknown) either({"0", {}});  // only who asks knows those, and puts them in
  if (any.text.empty()) return {term.negated ? "1" : "0", {}};
  add(any, ")");
  SqlPart whole{term.negated ? " NOT (" : " (", {}};
  add(whole, any);
  add(whole, ")");
  return whole;
}

// One use of a statement that is made for it.
class Prepared {
 public:
  Prepared(Connection& connection, const std::string& sql, const std::vector<SqlValue>& values)
      : statement_{connection.database().getHandle(), sql.c_str()}, row_{statement_} {
    int index = 0;
    for (const auto& value : values)
      std::visit([&](const auto& each) { statement_.bind(++index, each); }, value);
  }
  [[nodiscard]] bool next() { return row_.next(); }
  [[nodiscard]] const Query& row() const { return row_; }

 private:
  Statement statement_;
  Query row_;
};

// The distinct values of an index's first column that the patterns match; nothing: too many.
std::optional<std::vector<std::string>> expanded(Connection& connection, const std::string& column,
                                                 const char* index,
                                                 const std::vector<std::string>& patterns) {
  std::vector<std::string> found;
  std::size_t looked_at = 0;
  for (const auto& pattern : patterns) {
    const auto star = pattern.find('*');
    if (star == std::string::npos) {
      found.push_back(pattern);
      continue;
    }
    const auto prefix = pattern.substr(0, star);
    const auto end = above_prefix(prefix);
    std::string from = prefix;
    const char* beyond = " >= ?";
    for (;;) {
      Prepared next{connection,
                    "SELECT " + column + " FROM tasks INDEXED BY " + index + " WHERE " + column +
                        beyond + " AND " + column + " < ? ORDER BY " + column + " LIMIT 1",
                    {from, end}};
      if (!next.next()) break;
      if (++looked_at > kMostNamesLookedAt) return std::nullopt;
      from = next.row().text(0);
      beyond = " > ?";
      if (glob_matches(pattern, from)) found.push_back(from);
      if (found.size() > kMostStreams) return std::nullopt;
    }
  }
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.size() > kMostStreams) return std::nullopt;
  return found;
}

// The streams of one term, or nothing: it picks too few tasks out to go by it.
using Streams = std::optional<std::vector<Stream>>;

Streams short_streams(const QueryTerm& term) {
  std::vector<Stream> streams;
  constexpr const char* kById = "sqlite_autoindex_tasks_1";
  for (const auto& text : term.texts) {
    if (term.field == TaskField::Id) {
      if (text.size() < kSelectivePrefix) return std::nullopt;
      streams.push_back({kById, text_part(term.field, text), true});
    } else if (term.field == TaskField::Parent) {
      streams.push_back({"tasks_by_parent", equal("parent_id", text), true});
    } else if (term.field == TaskField::Root) {
      streams.push_back({kById, {"uuid = ?", {text}}, true});
      streams.push_back({"tasks_by_root",
                         {"root_id IS NOT NULL AND root_id <> uuid AND root_id = ?", {text}},
                         true});
    } else {
      return std::nullopt;
    }
  }
  return streams;
}

Streams state_streams(const QueryTerm& term) {
  if (term.states.empty()) return std::nullopt;  // of what nobody knows, which no row says
  const auto bad = [](TaskState s) { return s == TaskState::Failure || s == TaskState::Revoked; };
  const auto unfinished = [](TaskState s) { return !is_final(s); };
  if (std::ranges::all_of(term.states, unfinished))
    return std::vector<Stream>{{"tasks_unfinished", {"final = 0", {}}, false}};
  if (!std::ranges::all_of(term.states, bad)) return std::nullopt;
  std::vector<Stream> streams;
  for (const auto state : term.states) {
    streams.push_back(
        {"tasks_ended_badly",
         {"state IN ('FAILURE', 'REVOKED') AND state = ?", {std::string{to_text(state)}}},
         false});
  }
  return streams;
}

Streams named_streams(Connection& connection, const QueryTerm& term, const char* index) {
  const std::string column = column_of(term.field);
  const auto names = expanded(connection, column, index, term.texts);
  if (!names) return std::nullopt;
  std::vector<Stream> streams;
  for (const auto& name : *names) streams.push_back({index, {column + " = ?", {name}}, false});
  return streams;
}

// A day that an earlier version wrote has its indexes only after a while.
bool are_there(Connection& connection, const std::vector<Stream>& streams) {
  return std::ranges::all_of(
      streams, [&](const Stream& stream) { return has_index(connection, stream.index); });
}

Streams timed_streams(Connection& connection, const QueryTerm& term) {
  switch (term.field) {
    case TaskField::Error: {
      std::vector<Stream> streams;
      for (const auto& text : term.texts)
        streams.push_back({"tasks_by_error", equal("error", text), false});
      return streams;
    }
    case TaskField::State:
      return state_streams(term);
    case TaskField::Name:
      if (!has_index(connection, "tasks_by_name")) return std::nullopt;
      return named_streams(connection, term, "tasks_by_name");
    case TaskField::Worker:
      if (!has_index(connection, "tasks_by_worker")) return std::nullopt;
      return named_streams(connection, term, "tasks_by_worker");
    default:
      return std::nullopt;
  }
}

std::string from_tasks(const Stream& stream) {
  const std::string index = stream.index;
  return index.empty() ? " FROM tasks NOT INDEXED" : " FROM tasks INDEXED BY " + index;
}

// The fewer tasks it picks out, the earlier.
constexpr std::array kPreferred{TaskField::Error, TaskField::State, TaskField::Name,
                                TaskField::Worker};

}  // namespace

bool comes_before(const OrderKey& a, const OrderKey& b, TaskOrder order) {
  const auto of = [](const OrderKey& key) { return std::tie(key.value, key.first_seen, key.id); };
  return is_ascending(order) ? of(a) < of(b) : of(b) < of(a);
}

OrderKey key_of(const Task& task, WallTime first_seen, TaskOrder order) {
  double value = order_value(task, order).value_or(0);
  if (order == TaskOrder::LongestWait)
    value = static_cast<double>((*task.started - *task.received).count());
  return {.value = value, .first_seen = to_micros(first_seen), .id = task.uuid.str()};
}

SearchSql::SearchSql(const TaskQuery& query)
    : query_{query},
      index_{"tasks_by_first_seen"},
      keys_{"first_seen"},
      down_{is_ascending(query.order) ? " ASC" : " DESC"},
      beyond_{is_ascending(query.order) ? " > " : " < "} {
  switch (query.order) {
    case TaskOrder::Slowest:
    case TaskOrder::Quickest:
      index_ = "tasks_by_runtime";
      value_ = "runtime";
      add(filters_, " AND runtime IS NOT NULL");
      break;
    case TaskOrder::LongestWait:
      index_ = "tasks_by_wait";
      value_ = "wait";
      add(filters_, " AND wait IS NOT NULL");
      break;
    case TaskOrder::MostRetries:
      index_ = "tasks_by_retries";
      value_ = "retries";
      add(filters_, " AND retries > 0");
      break;
    default:
      break;
  }
  if (!value_.empty()) keys_ = value_ + ", first_seen";
  if (query.after) add(time_, " AND first_seen >= ?", {to_micros(*query.after)});
  if (query.before) add(time_, " AND first_seen < ?", {to_micros(*query.before)});
  for (const auto& term : query.terms) {
    add(filters_, " AND");
    add(filters_, term_part(term));
  }
}

OrderKey SearchSql::beginning() const {
  const bool up = is_ascending(query_.order);
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  using Micros = std::numeric_limits<std::int64_t>;
  return {.value = value_.empty() ? 0 : (up ? -kInfinite : kInfinite),
          .first_seen = up ? Micros::min() : Micros::max(),
          .id = {}};
}

OrderKey SearchSql::behind(const OrderKey& at) const {
  return {.value = at.value,
          .first_seen = at.first_seen,
          .id = is_ascending(query_.order) ? std::string{kAfterAnyId} : std::string{}};
}

std::optional<std::vector<Stream>> SearchSql::by_term(Connection& connection) const {
  for (const auto& term : query_.terms) {
    if (term.negated || term.texts.empty()) continue;
    auto streams = short_streams(term);
    if (streams && are_there(connection, *streams)) return streams;
  }
  if (!is_by_time(query_.order)) return std::nullopt;
  for (const auto field : kPreferred) {
    for (const auto& term : query_.terms) {
      if (term.negated || term.field != field) continue;
      auto streams = timed_streams(connection, term);
      if (streams && are_there(connection, *streams)) return streams;
    }
  }
  return std::nullopt;
}

std::vector<Stream> SearchSql::streams(Connection& connection) const {
  if (auto streams = by_term(connection)) return std::move(*streams);
  std::string known = value_.empty() ? "1" : value_ + " IS NOT NULL";
  if (query_.order == TaskOrder::MostRetries) known = "retries > 0";
  return {{has_index(connection, index_) ? index_ : "", {known, {}}, false}};
}

SqlPart SearchSql::not_before(const OrderKey& from) const {
  SqlPart part{" AND (" + keys_ + ")" + (is_ascending(query_.order) ? " >= (" : " <= ("), {}};
  if (!value_.empty()) add(part, "?, ", {from.value});
  add(part, "?)", {from.first_seen});
  return part;
}

std::optional<OrderKey> SearchSql::end_of_walk(Connection& connection, const Stream& stream,
                                               const OrderKey& from, std::size_t rows) const {
  if (stream.brief) return std::nullopt;
  SqlPart sql{"SELECT " + keys_ + from_tasks(stream) + " WHERE ", {}};
  add(sql, stream.where);
  add(sql, time_);
  add(sql, not_before(from));
  add(sql, " ORDER BY ");
  add(sql, value_.empty() ? std::string{} : value_ + down_ + ", ");
  add(sql, std::string{"first_seen"} + down_ + " LIMIT 1 OFFSET ?",
      {static_cast<std::int64_t>(rows)});
  Prepared query{connection, sql.text, sql.values};
  if (!query.next()) return std::nullopt;
  const auto& row = query.row();
  if (value_.empty()) return OrderKey{.value = 0, .first_seen = row.integer(0), .id = {}};
  return OrderKey{.value = row.real(0), .first_seen = row.integer(1), .id = {}};
}

void SearchSql::read(Connection& connection, const Stream& stream, const OrderKey& from,
                     const std::optional<OrderKey>& to,
                     const std::function<bool(FoundTask&&)>& visit) const {
  SqlPart sql{"SELECT first_seen, " + (value_.empty() ? "0" : value_) + ", " + task_columns() +
                  from_tasks(stream) + " WHERE ",
              {}};
  add(sql, stream.where);
  add(sql, " AND state IS NOT NULL");
  add(sql, time_);
  add(sql, not_before(from));
  add(sql, " AND (" + keys_ + ", uuid)" + beyond_ + "(");
  if (!value_.empty()) add(sql, "?, ", {from.value});
  add(sql, "?, ?)", {from.first_seen, from.id});
  if (to) {
    const char* const up_to = is_ascending(query_.order) ? " <= (" : " >= (";
    add(sql, " AND (" + keys_ + ")" + up_to);
    if (!value_.empty()) add(sql, "?, ", {to->value});
    add(sql, "?)", {to->first_seen});
  }
  add(sql, filters_);
  add(sql, " ORDER BY ");
  add(sql, value_.empty() ? std::string{} : value_ + down_ + ", ");
  add(sql, std::string{"first_seen"} + down_ + ", uuid" + down_);
  Prepared query{connection, sql.text, sql.values};
  while (query.next()) {
    const auto& row = query.row();
    FoundTask found{{.value = row.real(1), .first_seen = row.integer(0), .id = {}},
                    task_from(row, 2)};
    found.key.id = found.task.uuid.str();
    if (!visit(std::move(found))) return;
  }
}

}  // namespace umbel::store_sqlite
