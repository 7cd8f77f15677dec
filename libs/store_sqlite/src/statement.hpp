// Prepared statements with typed values, over SQLite's own C interface.
//
// The hot paths bind and read some ten columns per row; going through one object per column, as the
// C++ wrapper does, costs more than the rows themselves.
#pragma once

#include <sqlite3.h>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"

namespace umbel::store_sqlite {

// Bytes that are no text.
struct Blob {
  std::string_view bytes;
};

// Not thread-safe; belongs to one connection and ends before it. Everything throws
// SQLite::Exception.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void bind(int index, std::nullptr_t);
  void bind(int index, double value);
  void bind(int index, std::string_view text);
  void bind(int index, Blob blob);
  void bind(int index, const std::string& text) { bind(index, std::string_view{text}); }
  void bind(int index, const char* text) { bind(index, std::string_view{text}); }
  void bind(int index, WallTime time) { bind_integer(index, to_micros(time)); }
  template <std::integral T>
  void bind(int index, T value) {
    bind_integer(index, static_cast<std::int64_t>(value));
  }
  template <class Tag>
  void bind(int index, const StrongId<Tag>& id) {
    bind(index, std::string_view{id.str()});
  }
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value) {
      bind(index, *value);
    } else {
      bind(index, nullptr);
    }
  }

  [[nodiscard]] bool step();  // true: a row is there
  void reset() noexcept;
  [[nodiscard]] sqlite3_stmt* handle() const { return handle_; }

 private:
  void bind_integer(int index, std::int64_t value);
  void check(int code) const;
  sqlite3* database_;
  sqlite3_stmt* handle_ = nullptr;
};

// One use of a prepared statement. Reset at its end, so that no read transaction stays open behind
// it.
class Query {
 public:
  template <class... Values>
  explicit Query(Statement& statement, const Values&... values) : statement_{statement} {
    int index = 0;
    (statement_.bind(++index, values), ...);
  }
  ~Query() { statement_.reset(); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  [[nodiscard]] bool next() { return statement_.step(); }
  void run() {
    while (statement_.step()) {
    }
  }

  // Columns of the current row, counted from 0.
  [[nodiscard]] bool null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string text(int column) const;  // or bytes
  [[nodiscard]] std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(integer(column));
  }
  [[nodiscard]] bool flag(int column) const { return integer(column) != 0; }
  [[nodiscard]] WallTime time(int column) const { return from_micros(integer(column)); }
  [[nodiscard]] std::optional<std::int64_t> integer_or_null(int column) const;
  [[nodiscard]] std::optional<double> real_or_null(int column) const;
  [[nodiscard]] std::optional<std::string> text_or_null(int column) const;
  [[nodiscard]] std::optional<WallTime> time_or_null(int column) const;

 private:
  Statement& statement_;
};

}  // namespace umbel::store_sqlite
