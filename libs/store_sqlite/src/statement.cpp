#include "statement.hpp"

#include <SQLiteCpp/Exception.h>

namespace umbel::store_sqlite {
namespace {

// SQLITE_TRANSIENT, which is a C cast of -1 to a function pointer.
const auto kCopied = reinterpret_cast<sqlite3_destructor_type>(-1);

}  // namespace

Statement::Statement(sqlite3* database, const char* sql) : database_{database} {
  check(sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr));
}

Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::check(int code) const {
  if (code != SQLITE_OK) throw SQLite::Exception(database_, code);
}

void Statement::bind(int index, std::nullptr_t) { check(sqlite3_bind_null(handle_, index)); }

void Statement::bind(int index, double value) { check(sqlite3_bind_double(handle_, index, value)); }

void Statement::bind(int index, std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";  // a null pointer would bind NULL
  check(sqlite3_bind_text64(handle_, index, data, text.size(), kCopied, SQLITE_UTF8));
}

void Statement::bind(int index, Blob blob) {
  const char* data = blob.bytes.data() != nullptr ? blob.bytes.data() : "";
  check(sqlite3_bind_blob64(handle_, index, data, blob.bytes.size(), kCopied));
}

void Statement::bind_integer(int index, std::int64_t value) {
  check(sqlite3_bind_int64(handle_, index, value));
}

bool Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) throw SQLite::Exception(database_, code);
  return false;
}

void Statement::reset() noexcept {
  sqlite3_reset(handle_);  // repeats the error that step() has thrown already
  sqlite3_clear_bindings(handle_);
}

bool Query::null(int column) const {
  return sqlite3_column_type(statement_.handle(), column) == SQLITE_NULL;
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_.handle(), column);
}

double Query::real(int column) const { return sqlite3_column_double(statement_.handle(), column); }

std::string Query::text(int column) const {
  const void* data = sqlite3_column_blob(statement_.handle(), column);
  const int size = sqlite3_column_bytes(statement_.handle(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

std::optional<std::int64_t> Query::integer_or_null(int column) const {
  if (null(column)) return std::nullopt;
  return integer(column);
}

std::optional<double> Query::real_or_null(int column) const {
  if (null(column)) return std::nullopt;
  return real(column);
}

std::optional<std::string> Query::text_or_null(int column) const {
  if (null(column)) return std::nullopt;
  return text(column);
}

std::optional<WallTime> Query::time_or_null(int column) const {
  if (null(column)) return std::nullopt;
  return time(column);
}

}  // namespace umbel::store_sqlite
