#include "event_tables.hpp"

#include <utility>

namespace umbel::broker_sqlite {
namespace {

EventOffset offset_of(std::int64_t value) { return static_cast<EventOffset>(value); }
std::int64_t column_of(EventOffset offset) { return static_cast<std::int64_t>(offset); }

std::int64_t add_bytes(Connection& connection, std::int64_t bytes) {
  auto query = connection.query("UPDATE event_stream SET bytes = bytes + ? RETURNING bytes", bytes);
  query.step();
  return query.integer(0);
}

struct Oldest {
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

std::vector<Oldest> oldest_events(Connection& connection, std::int64_t up_to, std::size_t most) {
  auto query = connection.query(
      "SELECT offset, length(body) FROM event WHERE offset <= ? ORDER BY offset LIMIT ?", up_to,
      static_cast<std::int64_t>(most));
  std::vector<Oldest> events;
  while (query.step()) events.push_back({query.integer(0), query.integer(1)});
  return events;
}

// The smallest committed offset, if there is a subscriber.
std::optional<std::int64_t> least_committed(Connection& connection) {
  auto query = connection.query("SELECT min(committed) FROM subscriber");
  query.step();
  return query.maybe_integer(0);
}

}  // namespace

void append_event(Connection& connection, std::string_view body, std::int64_t now,
                  std::int64_t most_bytes) {
  connection.run("INSERT INTO event (published, body) VALUES (?, ?)", now, Borrowed{body});
  const auto newest = connection.database().getLastInsertRowid();
  const auto size = static_cast<std::int64_t>(body.size());
  auto excess = add_bytes(connection, size) - most_bytes;
  std::int64_t cut = 0;
  while (excess > 0) {
    const auto oldest = oldest_events(connection, newest - 1, 1);
    if (oldest.empty()) break;
    connection.run("DELETE FROM event WHERE offset = ?", oldest.front().offset);
    excess -= oldest.front().bytes;
    cut += oldest.front().bytes;
  }
  if (cut > 0) static_cast<void>(add_bytes(connection, -cut));
}

std::vector<EventBatch> read_events(Connection& connection, EventOffset after, std::size_t most) {
  auto query = connection.query(
      "SELECT offset, published, body FROM event WHERE offset > ? ORDER BY offset LIMIT ?",
      column_of(after), static_cast<std::int64_t>(most));
  std::vector<EventBatch> batches;
  while (query.step()) {
    batches.push_back({.offset = offset_of(query.integer(0)),
                       .body = query.text(2),
                       .published = from_micros(query.integer(1))});
  }
  return batches;
}

EventOffset last_event(Connection& connection) {
  // Not max(offset): the stream may have been trimmed to nothing.
  auto query = connection.query("SELECT seq FROM sqlite_sequence WHERE name = 'event'");
  return query.step() ? offset_of(query.integer(0)) : 0;
}

bool can_trim_events(Connection& connection) {
  const auto done = least_committed(connection);
  return done && !oldest_events(connection, *done, 1).empty();
}

std::size_t trim_events(Connection& connection, std::size_t most) {
  const auto done = least_committed(connection);
  if (!done) return 0;
  const auto events = oldest_events(connection, *done, most);
  if (events.empty()) return 0;
  std::int64_t bytes = 0;
  for (const auto& event : events) bytes += event.bytes;
  connection.run("DELETE FROM event WHERE offset <= ?", events.back().offset);
  static_cast<void>(add_bytes(connection, -bytes));
  return events.size();
}

std::optional<Subscriber> find_subscriber(Connection& connection, const std::string& name) {
  auto query = connection.query("SELECT committed, wake FROM subscriber WHERE name = ?", name);
  if (!query.step()) return std::nullopt;
  return Subscriber{offset_of(query.integer(0)), query.text(1)};
}

EventOffset stream_start(Connection& connection) {
  {
    auto query = connection.query("SELECT min(offset) FROM event");
    query.step();
    if (const auto oldest = query.maybe_integer(0)) return offset_of(*oldest - 1);
  }
  return last_event(connection);
}

void put_subscriber(Connection& connection, const std::string& name, EventOffset committed,
                    const std::string& wake) {
  connection.run("INSERT OR REPLACE INTO subscriber (name, committed, wake) VALUES (?, ?, ?)", name,
                 column_of(committed), wake);
}

void commit_events(Connection& connection, const std::string& name, EventOffset offset) {
  connection.run("UPDATE subscriber SET committed = max(committed, ?) WHERE name = ?",
                 column_of(offset), name);
}

void forget_wake(Connection& connection, const std::string& name, const std::string& wake) {
  connection.run("UPDATE subscriber SET wake = '' WHERE name = ? AND wake = ?", name, wake);
}

std::vector<std::string> subscriber_wake_names(Connection& connection) {
  auto query = connection.query("SELECT wake FROM subscriber WHERE wake <> ''");
  std::vector<std::string> names;
  while (query.step()) names.push_back(query.text(0));
  return names;
}

}  // namespace umbel::broker_sqlite
