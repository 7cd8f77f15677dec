#include "schedule_book.hpp"

namespace umbel::store_sqlite {
namespace {

std::vector<SchedulePause> all_pauses(Connection& connection) {
  std::vector<SchedulePause> pauses;
  auto row = connection.query("SELECT name, since, reason FROM schedule_pauses ORDER BY name");
  while (row.next()) pauses.push_back({row.text(0), row.time(1), row.text(2)});
  return pauses;
}

void forget(Connection& connection, const std::string& scheduler) {
  connection.run("DELETE FROM schedule_cards WHERE scheduler = ?", scheduler);
  connection.run("DELETE FROM schedulers WHERE name = ?", scheduler);
}

// Of the schedulers that live, or, if none does, of the one seen last, each name once: as it was
// laid down last.
std::vector<ScheduleCard> cards(Connection& connection, WallTime now) {
  std::vector<ScheduleCard> found;
  auto row = connection.query(
      "WITH living AS (SELECT name, published FROM schedulers WHERE left = 0 AND last_seen > ?1),"
      " told AS (SELECT name, published FROM living UNION ALL SELECT * FROM"
      "  (SELECT name, published FROM schedulers WHERE NOT EXISTS (SELECT 1 FROM living)"
      "   ORDER BY last_seen DESC, name LIMIT 1))"
      " SELECT c.name, c.task, c.args, c.kwargs, c.queue, c.expression, c.zone, c.definition,"
      " c.description, c.enabled FROM told JOIN schedule_cards AS c ON c.scheduler = told.name"
      " ORDER BY c.name, told.published DESC, told.name",
      now - kSchedulerLives);
  while (row.next()) {
    auto name = row.text(0);
    if (!found.empty() && found.back().name == name) continue;
    found.push_back({.name = std::move(name),
                     .task = row.text(1),
                     .args = row.text(2),
                     .kwargs = row.text(3),
                     .queue = row.text(4),
                     .expression = row.text(5),
                     .zone = row.text(6),
                     .definition = row.text(7),
                     .description = row.text(8),
                     .enabled = row.flag(9)});
  }
  return found;
}

}  // namespace

Result<void> SqliteScheduleBook::publish(const std::string& scheduler,
                                         std::span<const ScheduleCard> entries, WallTime now) {
  return file_.write("lay down a schedule", [&](Connection& connection) -> Result<void> {
    std::vector<std::string> gone{scheduler};
    {
      auto row = connection.query("SELECT name FROM schedulers WHERE left = 1 OR last_seen <= ?",
                                  now - kSchedulerLives);
      while (row.next()) gone.push_back(row.text(0));
    }
    for (const auto& name : gone) forget(connection, name);
    connection.run(
        "INSERT INTO schedulers (name, published, last_seen, left) VALUES (?, ?2, ?2, 0)",
        scheduler, now);
    for (const auto& entry : entries) {
      connection.run(
          "INSERT INTO schedule_cards (scheduler, name, task, args, kwargs, queue, expression,"
          " zone, definition, description, enabled) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          scheduler, entry.name, entry.task, entry.args, entry.kwargs, entry.queue,
          entry.expression, entry.zone, entry.definition, entry.description, entry.enabled);
    }
    return {};
  });
}

Result<bool> SqliteScheduleBook::still_alive(const std::string& scheduler, WallTime now) {
  return file_.write("say that a scheduler lives", [&](Connection& connection) {
    return Result<bool>{
        connection.run("UPDATE schedulers SET last_seen = ?, left = 0 WHERE name = ?", now,
                       scheduler) > 0};
  });
}

Result<void> SqliteScheduleBook::leave(const std::string& scheduler) {
  return file_.write("say that a scheduler ends", [&](Connection& connection) -> Result<void> {
    connection.run("UPDATE schedulers SET left = 1 WHERE name = ?", scheduler);
    return {};
  });
}

Result<ScheduleBookPage> SqliteScheduleBook::read(WallTime now) {
  return file_.read("read the schedule", [&](Connection& connection) -> Result<ScheduleBookPage> {
    ScheduleBookPage page;
    page.entries = cards(connection, now);
    page.pauses = all_pauses(connection);
    auto seen = connection.query("SELECT max(last_seen) FROM schedulers");
    if (seen.next()) page.last_seen = seen.time_or_null(0);
    return page;
  });
}

Result<bool> SqliteScheduleBook::pause(const std::string& name, const std::string& reason,
                                       WallTime now) {
  return file_.write("pause a schedule", [&](Connection& connection) {
    const bool fresh = connection.run(
                           "INSERT INTO schedule_pauses (name, since, reason) VALUES (?, ?, ?)"
                           " ON CONFLICT (name) DO NOTHING",
                           name, now, reason) > 0;
    if (!fresh) {
      connection.run("UPDATE schedule_pauses SET reason = ?2 WHERE name = ?1", name, reason);
    }
    return Result<bool>{fresh};
  });
}

// The ledger learns that the schedule is in force from here on, also for a scheduler that did not
// run meanwhile.
Result<bool> SqliteScheduleBook::resume(const std::string& name, WallTime now) {
  return file_.write("resume a schedule", [&](Connection& connection) {
    const bool paused = connection.run("DELETE FROM schedule_pauses WHERE name = ?", name) > 0;
    if (paused) {
      connection.run("UPDATE schedules SET first_seen = max(first_seen, ?2) WHERE name = ?1", name,
                     now);
    }
    return Result<bool>{paused};
  });
}

Result<std::vector<SchedulePause>> SqliteScheduleBook::pauses() {
  return file_.read("read pauses", [](Connection& connection) {
    return Result<std::vector<SchedulePause>>{all_pauses(connection)};
  });
}

}  // namespace umbel::store_sqlite
