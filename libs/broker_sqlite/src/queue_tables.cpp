#include "queue_tables.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace umbel::broker_sqlite {
namespace {

constexpr int kLargestPriority = 255;
// Of messages that come due together, how many one claim moves into line: bounds how long it holds
// the write lock.
constexpr std::int64_t kMostPromoted = 2000;

struct Place {
  QueueId queue = 0;
  std::int64_t rank = 0;
  std::int64_t position = 0;
  MessageId message = 0;
  std::int64_t since = 0;
  bool redelivered = false;

  // Among queues: by priority, then by age.
  [[nodiscard]] auto line() const { return std::tie(rank, since, message); }
};

// A queue's counters, changed once per call however many messages moved.
struct Moved {
  std::int64_t ready = 0;
  std::int64_t delayed = 0;
  std::int64_t held = 0;
  std::int64_t published = 0;
  std::int64_t acked = 0;
  std::int64_t positions = 0;  // places at the end of the line to give out
};

// Answers the first of the places.
std::int64_t count(Connection& connection, QueueId queue, const Moved& moved) {
  auto query = connection.query(
      "UPDATE queue SET ready = ready + ?, delayed = delayed + ?, held = held + ?, "
      "published_total = published_total + ?, acked_total = acked_total + ?, "
      "next_position = next_position + ? WHERE id = ? RETURNING next_position",
      moved.ready, moved.delayed, moved.held, moved.published, moved.acked, moved.positions, queue);
  if (!query.step()) throw SQLite::Exception{"queue " + std::to_string(queue) + " has no row"};
  return query.integer(0) - moved.positions;
}

MessageId insert_content(Connection& connection, const Message& message, std::int64_t now) {
  std::optional<std::int64_t> expires;
  if (message.expires) expires = to_micros(*message.expires);
  connection.run(
      "INSERT INTO message (published, priority, expires, content_type, content_encoding, "
      "correlation_id, reply_to, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      now, message.priority, expires, message.content_type, message.content_encoding,
      message.correlation_id, message.reply_to, Borrowed{message.headers}, Borrowed{message.body});
  return connection.database().getLastInsertRowid();
}

void insert_ready(Connection& connection, const Place& place) {
  connection.run(
      "INSERT INTO ready (queue, rank, position, message, since, redelivered) "
      "VALUES (?, ?, ?, ?, ?, ?)",
      place.queue, place.rank, place.position, place.message, place.since,
      place.redelivered ? 1 : 0);
}

// Delayed messages whose time has come join the end of the line.
void promote(Connection& connection, QueueId queue, std::int64_t now) {
  std::vector<Place> due;
  {
    auto query = connection.query(
        "SELECT due, message, rank FROM delayed WHERE queue = ? AND due <= ? "
        "ORDER BY due, message LIMIT ?",
        queue, now, kMostPromoted);
    while (query.step()) {
      due.push_back({.queue = queue,
                     .rank = query.integer(2),
                     .message = query.integer(1),
                     .since = query.integer(0)});
    }
  }
  if (due.empty()) return;
  const auto moved = static_cast<std::int64_t>(due.size());
  auto position = count(connection, queue, {.ready = moved, .delayed = -moved, .positions = moved});
  for (auto& place : due) {
    place.position = position++;
    insert_ready(connection, place);
    connection.run("DELETE FROM delayed WHERE queue = ? AND due = ? AND message = ?", queue,
                   place.since, place.message);
  }
}

std::vector<Place> first_in_line(Connection& connection, std::span<const QueueId> queues,
                                 std::size_t most) {
  std::vector<Place> places;
  for (const auto queue : queues) {
    auto query = connection.query(
        "SELECT rank, position, message, since, redelivered FROM ready WHERE queue = ? "
        "ORDER BY rank, position LIMIT ?",
        queue, static_cast<std::int64_t>(most));
    while (query.step()) {
      places.push_back({.queue = queue,
                        .rank = query.integer(0),
                        .position = query.integer(1),
                        .message = query.integer(2),
                        .since = query.integer(3),
                        .redelivered = query.integer(4) != 0});
    }
  }
  if (queues.size() > 1) {
    std::ranges::stable_sort(places, {}, &Place::line);
    places.resize(std::min(places.size(), most));
  }
  return places;
}

Claimed hold(Connection& connection, ConsumerId consumer, const Place& place) {
  connection.run("DELETE FROM ready WHERE queue = ? AND rank = ? AND position = ?", place.queue,
                 place.rank, place.position);
  connection.run(
      "INSERT INTO held (consumer, message, queue, rank, position, since) "
      "VALUES (?, ?, ?, ?, ?, ?)",
      consumer, place.message, place.queue, place.rank, place.position, place.since);
  auto query = connection.query(
      "SELECT published, priority, expires, content_type, content_encoding, correlation_id, "
      "reply_to, headers, body FROM message WHERE id = ?",
      place.message);
  if (!query.step()) {
    throw SQLite::Exception{"message " + std::to_string(place.message) + " has no row"};
  }
  Claimed claimed{.id = place.message,
                  .queue = place.queue,
                  .redelivered = place.redelivered,
                  .published = query.integer(0),
                  .message = {.content_type = query.text(3),
                              .content_encoding = query.text(4),
                              .headers = query.text(7),
                              .body = query.text(8),
                              .correlation_id = query.text(5),
                              .reply_to = query.text(6),
                              .priority = static_cast<int>(query.integer(1)),
                              .expires = std::nullopt}};
  if (const auto expires = query.maybe_integer(2)) claimed.message.expires = from_micros(*expires);
  return claimed;
}

std::vector<QueueId> put_back(Connection& connection, std::span<const Place> places) {
  std::map<QueueId, Moved> moved;
  for (const auto& place : places) {
    insert_ready(connection, place);
    auto& counters = moved[place.queue];
    ++counters.ready;
    --counters.held;
  }
  std::vector<QueueId> queues;
  for (const auto& [queue, counters] : moved) {
    static_cast<void>(count(connection, queue, counters));
    queues.push_back(queue);
  }
  return queues;
}

// The first in line of each priority is the oldest of it, so a few looks find the oldest of all.
std::optional<std::int64_t> oldest_ready(Connection& connection, QueueId queue) {
  std::optional<std::int64_t> oldest;
  for (std::int64_t rank = -1;;) {
    auto query = connection.query(
        "SELECT rank, since FROM ready WHERE queue = ? AND rank > ? ORDER BY rank, position "
        "LIMIT 1",
        queue, rank);
    if (!query.step()) return oldest;
    rank = query.integer(0);
    const auto since = query.integer(1);
    oldest = std::min(oldest.value_or(since), since);
  }
}

}  // namespace

std::optional<QueueId> find_queue(Connection& connection, const QueueName& name) {
  auto query = connection.query("SELECT id FROM queue WHERE name = ?", name.str());
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

QueueId declare_queue(Connection& connection, const QueueName& name) {
  if (const auto found = find_queue(connection, name)) return *found;
  connection.run("INSERT INTO queue (name) VALUES (?)", name.str());
  return connection.database().getLastInsertRowid();
}

void insert_messages(Connection& connection, std::span<const NewMessage> messages,
                     std::int64_t now) {
  std::map<QueueId, Moved> moved;
  for (const auto& message : messages) {
    auto& counters = moved[message.queue];
    ++counters.published;
    ++(message.due > now ? counters.delayed : counters.ready);
  }
  std::map<QueueId, std::int64_t> position;
  for (auto& [queue, counters] : moved) {
    counters.positions = counters.ready;
    position[queue] = count(connection, queue, counters);
  }
  for (const auto& message : messages) {
    const auto id = insert_content(connection, *message.message, now);
    const std::int64_t rank = kLargestPriority - message.message->priority;
    if (message.due > now) {
      connection.run("INSERT INTO delayed (queue, due, message, rank) VALUES (?, ?, ?, ?)",
                     message.queue, message.due, id, rank);
    } else {
      insert_ready(connection, {.queue = message.queue,
                                .rank = rank,
                                .position = position[message.queue]++,
                                .message = id,
                                .since = now});
    }
  }
}

MessageId newest_message(Connection& connection) {
  auto query = connection.query("SELECT max(id) FROM message");
  query.step();
  return query.maybe_integer(0).value_or(0);
}

std::size_t purge(Connection& connection, QueueId queue, MessageId newest, std::size_t most,
                  std::int64_t now) {
  promote(connection, queue, now);
  std::vector<Place> places;
  {
    auto query = connection.query(
        "SELECT rank, position, message FROM ready WHERE queue = ? AND message <= ? LIMIT ?", queue,
        newest, static_cast<std::int64_t>(most));
    while (query.step()) {
      places.push_back({.queue = queue,
                        .rank = query.integer(0),
                        .position = query.integer(1),
                        .message = query.integer(2)});
    }
  }
  if (places.empty()) return 0;
  for (const auto& place : places) {
    connection.run("DELETE FROM ready WHERE queue = ? AND rank = ? AND position = ?", queue,
                   place.rank, place.position);
    connection.run("DELETE FROM message WHERE id = ?", place.message);
  }
  static_cast<void>(count(connection, queue, {.ready = -static_cast<std::int64_t>(places.size())}));
  return places.size();
}

Readiness readiness(Connection& connection, std::span<const QueueId> queues, std::int64_t now) {
  Readiness answer;
  for (const auto queue : queues) {
    auto query = connection.query(
        "SELECT EXISTS (SELECT 1 FROM ready WHERE queue = ?1), "
        "(SELECT due FROM delayed WHERE queue = ?1 ORDER BY due LIMIT 1)",
        queue);
    query.step();
    const auto due = query.maybe_integer(1);
    if (query.integer(0) != 0 || (due && *due <= now)) {
      answer.ready = true;
      return answer;
    }
    if (due) answer.next_due = std::min(answer.next_due.value_or(*due), *due);
  }
  return answer;
}

std::vector<Claimed> claim(Connection& connection, ConsumerId consumer,
                           std::span<const QueueId> queues, std::size_t most, std::int64_t now) {
  for (const auto queue : queues) promote(connection, queue, now);
  std::vector<Claimed> claimed;
  std::map<QueueId, Moved> moved;
  for (const auto& place : first_in_line(connection, queues, most)) {
    claimed.push_back(hold(connection, consumer, place));
    auto& counters = moved[place.queue];
    --counters.ready;
    ++counters.held;
  }
  for (const auto& [queue, counters] : moved) {
    static_cast<void>(count(connection, queue, counters));
  }
  return claimed;
}

std::vector<Acked> ack(Connection& connection, ConsumerId consumer,
                       std::span<const MessageId> messages) {
  std::vector<Acked> acked;
  std::map<QueueId, Moved> moved;
  for (const auto id : messages) {
    {
      auto query = connection.query(
          "DELETE FROM held WHERE consumer = ? AND message = ? RETURNING queue", consumer, id);
      if (!query.step()) continue;
      acked.push_back({query.integer(0), id});
    }
    connection.run("DELETE FROM message WHERE id = ?", id);
    auto& counters = moved[acked.back().queue];
    --counters.held;
    ++counters.acked;
  }
  for (const auto& [queue, counters] : moved) {
    static_cast<void>(count(connection, queue, counters));
  }
  return acked;
}

std::vector<QueueId> requeue(Connection& connection, ConsumerId consumer,
                             std::span<const MessageId> messages) {
  std::vector<Place> places;
  for (const auto id : messages) {
    auto query = connection.query(
        "DELETE FROM held WHERE consumer = ? AND message = ? "
        "RETURNING queue, rank, position, since",
        consumer, id);
    if (!query.step()) continue;
    places.push_back(
        {query.integer(0), query.integer(1), query.integer(2), id, query.integer(3), true});
  }
  return put_back(connection, places);
}

ConsumerId add_consumer(Connection& connection, const std::string& name, const std::string& wake,
                        std::span<const QueueId> queues, const std::string& boot,
                        std::int64_t expires) {
  connection.run("INSERT INTO consumer (name, wake, boot, expires) VALUES (?, ?, ?, ?)", name, wake,
                 boot, expires);
  const auto id = connection.database().getLastInsertRowid();
  for (const auto queue : queues) add_to_queue(connection, id, queue);
  return id;
}

void add_to_queue(Connection& connection, ConsumerId consumer, QueueId queue) {
  connection.run("INSERT OR IGNORE INTO consumer_queue (queue, consumer) VALUES (?, ?)", queue,
                 consumer);
}

void take_from_queue(Connection& connection, ConsumerId consumer, QueueId queue) {
  connection.run("DELETE FROM consumer_queue WHERE queue = ? AND consumer = ?", queue, consumer);
}

bool has_consumer(Connection& connection, ConsumerId consumer) {
  return connection.query("SELECT 1 FROM consumer WHERE id = ?", consumer).step();
}

std::vector<QueueId> remove_consumer(Connection& connection, ConsumerId consumer) {
  std::vector<Place> places;
  {
    auto query = connection.query(
        "DELETE FROM held WHERE consumer = ? RETURNING queue, rank, position, message, since",
        consumer);
    while (query.step()) {
      places.push_back({query.integer(0), query.integer(1), query.integer(2), query.integer(3),
                        query.integer(4), true});
    }
  }
  connection.run("DELETE FROM consumer_queue WHERE consumer = ?", consumer);
  connection.run("DELETE FROM consumer WHERE id = ?", consumer);
  return put_back(connection, places);
}

void renew_lease(Connection& connection, ConsumerId consumer, std::int64_t expires) {
  connection.run("UPDATE consumer SET expires = ? WHERE id = ?", expires, consumer);
}

std::vector<ConsumerId> expired_consumers(Connection& connection, const LeaseTime& time) {
  auto query = connection.query("SELECT id FROM consumer WHERE boot <> ? OR expires <= ?",
                                time.boot, time.now);
  std::vector<ConsumerId> expired;
  while (query.step()) expired.push_back(query.integer(0));
  return expired;
}

std::string wake_name(Connection& connection, ConsumerId consumer) {
  auto query = connection.query("SELECT wake FROM consumer WHERE id = ?", consumer);
  return query.step() ? query.text(0) : std::string{};
}

std::vector<std::string> wake_names(Connection& connection, std::span<const QueueId> queues) {
  std::vector<std::string> names;
  for (const auto queue : queues) {
    auto query = connection.query(
        "SELECT consumer.wake FROM consumer_queue JOIN consumer "
        "ON consumer.id = consumer_queue.consumer WHERE consumer_queue.queue = ?",
        queue);
    while (query.step()) names.push_back(query.text(0));
  }
  std::ranges::sort(names);
  const auto doubled = std::ranges::unique(names);
  names.erase(doubled.begin(), doubled.end());
  return names;
}

std::vector<QueueFigures> queue_figures(Connection& connection, std::int64_t now,
                                        const LeaseTime& time) {
  std::vector<QueueFigures> all;
  auto query = connection.query(
      "SELECT id, name, ready, delayed, held, published_total, acked_total, "
      "(SELECT count(*) FROM delayed WHERE delayed.queue = queue.id AND due <= ?1), "
      "(SELECT min(due) FROM delayed WHERE delayed.queue = queue.id), "
      "(SELECT count(*) FROM consumer_queue JOIN consumer ON consumer.id = consumer_queue.consumer "
      "WHERE consumer_queue.queue = queue.id AND boot = ?2 AND expires > ?3) "
      "FROM queue ORDER BY name",
      now, time.boot, time.now);
  const auto figure = [&query](int column) {
    return static_cast<std::uint64_t>(query.integer(column));
  };
  while (query.step()) {
    // Due but not yet moved into line by a claim: deliverable all the same.
    const auto due = figure(7);
    QueueFigures figures{.name = QueueName{query.text(1)},
                         .ready = figure(2) + due,
                         .delayed = figure(3) - due,
                         .unacked = figure(4),
                         .consumers = figure(9),
                         .oldest_ready = std::nullopt,
                         .published_total = figure(5),
                         .acked_total = figure(6)};
    auto oldest = oldest_ready(connection, query.integer(0));
    if (due > 0) {
      const auto first_due = query.maybe_integer(8);
      oldest = std::min(oldest.value_or(*first_due), *first_due);
    }
    if (oldest) figures.oldest_ready = from_micros(*oldest);
    all.push_back(std::move(figures));
  }
  return all;
}

}  // namespace umbel::broker_sqlite
