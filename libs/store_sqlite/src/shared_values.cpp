#include "shared_values.hpp"

#include <charconv>

namespace umbel::store_sqlite {
namespace {

constexpr const char* kPut =
    "INSERT INTO shared_values (key, value, expires) VALUES (?, ?, ?) ON CONFLICT (key)"
    " DO UPDATE SET value = excluded.value, expires = excluded.expires";

std::optional<std::string> live_value(Connection& connection, const std::string& key,
                                      WallTime now) {
  auto row =
      connection.query("SELECT value FROM shared_values WHERE key = ? AND expires > ?", key, now);
  if (!row.next()) return std::nullopt;
  return row.text(0);
}

void drop_expired(Connection& connection, WallTime now) {
  connection.run("DELETE FROM shared_values WHERE expires <= ?", now);
}

std::optional<std::int64_t> integer_from(const std::string& text) {
  std::int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, fault] = std::from_chars(text.data(), end, value);
  if (fault != std::errc{} || rest != end) return std::nullopt;
  return value;
}

}  // namespace

Result<std::optional<std::string>> SqliteSharedValues::get(const std::string& key, WallTime now) {
  return file_.read("read a shared value",
                    [&](Connection& connection) -> Result<std::optional<std::string>> {
                      return live_value(connection, key, now);
                    });
}

Result<void> SqliteSharedValues::put(const std::string& key, const std::string& value,
                                     WallTime expires) {
  return file_.write("write a shared value", [&](Connection& connection) -> Result<void> {
    drop_expired(connection, clock_.wall());
    connection.run(kPut, key, Blob{value}, expires);
    return {};
  });
}

Result<std::int64_t> SqliteSharedValues::add(const std::string& key, std::int64_t delta,
                                             std::int64_t initial, WallTime expires, WallTime now) {
  return file_.write("add to a shared value", [&](Connection& connection) -> Result<std::int64_t> {
    drop_expired(connection, now);
    const auto text = live_value(connection, key, now);
    const auto before = text ? integer_from(*text) : initial;
    if (!before)
      return invalid("the shared value `" + key + "` is no integer: nothing can be added to it");
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*before, delta, &sum)) {
      return invalid("the shared value `" + key + "` would leave the range of 64-bit integers");
    }
    connection.run(
        "INSERT INTO shared_values (key, value, expires) VALUES (?, ?, ?) ON CONFLICT (key)"
        " DO UPDATE SET value = excluded.value",
        key, Blob{std::to_string(sum)}, expires);
    return sum;
  });
}

Result<bool> SqliteSharedValues::replace(const std::string& key,
                                         const std::optional<std::string>& expected,
                                         const std::string& value, WallTime expires, WallTime now) {
  return file_.write("replace a shared value", [&](Connection& connection) -> Result<bool> {
    if (live_value(connection, key, now) != expected) return false;
    connection.run(kPut, key, Blob{value}, expires);
    return true;
  });
}

}  // namespace umbel::store_sqlite
