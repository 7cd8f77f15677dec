#include "ticks.hpp"

namespace umbel::store_sqlite {
namespace {

TickRecord tick_record(const Query& row) {
  TickRecord record;
  record.schedule = row.text(0);
  record.due = row.time(1);
  record.outcome = row.text(2) == "missed" ? TickOutcome::Missed : TickOutcome::Enqueued;
  record.task = TaskId{row.text(3)};
  record.recorded = row.time(4);
  record.missed = row.number(5);
  return record;
}

ScheduleStanding take_up_one(Connection& connection, const ScheduleInForce& schedule,
                             WallTime now) {
  connection.run(
      "INSERT INTO schedules (name, definition, first_seen) VALUES (?1, ?2, ?3)"
      " ON CONFLICT (name) DO UPDATE SET definition = ?2, first_seen = ?3 WHERE definition <> ?2",
      schedule.name, schedule.definition, schedule.since);
  ScheduleStanding standing;
  auto since = connection.query("SELECT first_seen FROM schedules WHERE name = ?", schedule.name);
  if (since.next()) standing.since = since.time(0);
  auto latest = connection.query(
      "SELECT schedule, due, outcome, task, recorded, missed FROM ticks"
      " WHERE schedule = ? AND due <= ? ORDER BY due DESC LIMIT 1",
      schedule.name, now);
  if (latest.next()) standing.latest = tick_record(latest);
  return standing;
}

}  // namespace

bool insert_missed(Connection& connection, const std::string& schedule, const MissedTicks& missed,
                   WallTime up_to, WallTime now) {
  const bool known =
      connection
          .query("SELECT 1 FROM ticks WHERE schedule = ? AND due > ? AND due <= ? LIMIT 1",
                 schedule, missed.after, up_to)
          .next();
  if (known) return false;
  connection.run(
      "INSERT INTO ticks (schedule, due, outcome, task, recorded, missed)"
      " VALUES (?, ?, 'missed', '', ?, ?)",
      schedule, missed.latest, now, missed.count);
  return true;
}

Result<std::vector<ScheduleStanding>> SqliteTicks::take_up(
    std::span<const ScheduleInForce> schedules, WallTime now) {
  using Standings = std::vector<ScheduleStanding>;
  return file_.write("take up schedules", [&](Connection& connection) -> Result<Standings> {
    Standings standings;
    standings.reserve(schedules.size());
    for (const auto& schedule : schedules) {
      standings.push_back(take_up_one(connection, schedule, now));
    }
    return standings;
  });
}

Result<void> SqliteTicks::lay_down(std::span<const std::string> schedules) {
  return file_.write("lay down schedules", [&](Connection& connection) -> Result<void> {
    for (const auto& schedule : schedules) {
      connection.run("DELETE FROM schedules WHERE name = ?", schedule);
    }
    return {};
  });
}

Result<std::optional<TickRecord>> SqliteTicks::latest(const std::string& schedule) {
  return file_.read("read ticks", [&](Connection& connection) -> Result<std::optional<TickRecord>> {
    auto row = connection.query(
        "SELECT schedule, due, outcome, task, recorded, missed FROM ticks WHERE schedule = ?"
        " ORDER BY due DESC LIMIT 1",
        schedule);
    if (!row.next()) return std::optional<TickRecord>{};
    return std::optional{tick_record(row)};
  });
}

Result<bool> SqliteTicks::record_missed(const std::string& schedule, const MissedTicks& missed,
                                        WallTime now) {
  return file_.write("note missed ticks", [&](Connection& connection) -> Result<bool> {
    return Result<bool>{insert_missed(connection, schedule, missed, missed.latest, now)};
  });
}

Result<std::vector<TickFate>> SqliteTicks::fates(const std::string& schedule, std::size_t limit) {
  return file_.read("read ticks", [&](Connection& connection) -> Result<std::vector<TickFate>> {
    std::vector<TickFate> fates;
    auto row = connection.query(
        "SELECT schedule, due, outcome, task, recorded, missed, state, started IS run, runtime"
        " FROM ticks LEFT JOIN tasks ON tasks.id = ticks.task AND ticks.task <> ''"
        " WHERE schedule = ? ORDER BY due DESC LIMIT ?",
        schedule, limit);
    while (row.next()) {
      auto& fate = fates.emplace_back();
      fate.tick = tick_record(row);
      if (row.null(6)) continue;
      fate.state = task_state_from(row.text(6));
      fate.started = row.flag(7);
      fate.runtime = row.real_or_null(8);
    }
    return fates;
  });
}

Result<std::optional<TickRecord>> SqliteTicks::of_task(const TaskId& task, WallTime from,
                                                       WallTime to) {
  using Answer = std::optional<TickRecord>;
  return file_.read("read ticks", [&](Connection& connection) -> Result<Answer> {
    auto row = connection.query(
        "SELECT schedule, due, outcome, task, recorded, missed FROM ticks"
        " WHERE due >= ? AND due <= ? AND task = ? ORDER BY due DESC LIMIT 1",
        from, to, task);
    return row.next() ? Answer{tick_record(row)} : Answer{};
  });
}

// One range of the key, and one look at each task by its id.
Result<TickCounts> SqliteTicks::count(const std::string& schedule, WallTime from, WallTime to) {
  return file_.read("count ticks", [&](Connection& connection) -> Result<TickCounts> {
    TickCounts counts;
    auto row = connection.query(
        "SELECT count(*) FILTER (WHERE state = 'SUCCESS'),"
        " count(*) FILTER (WHERE state IN ('FAILURE', 'REVOKED')),"
        " count(*) FILTER (WHERE state IN ('PENDING', 'RETRY') AND started IS run),"
        " count(*) FILTER (WHERE state IN ('PENDING', 'RETRY') AND started IS NOT run),"
        " coalesce(sum(missed), 0), count(*) FILTER (WHERE outcome = 'enqueued' AND state IS NULL)"
        " FROM ticks LEFT JOIN tasks ON tasks.id = ticks.task AND ticks.task <> ''"
        " WHERE schedule = ? AND due >= ? AND due < ?",
        schedule, from, to);
    if (row.next()) {
      counts = {.succeeded = row.number(0),
                .failed = row.number(1),
                .running = row.number(2),
                .waiting = row.number(3),
                .missed = row.number(4),
                .unknown = row.number(5)};
    }
    return counts;
  });
}

Result<std::vector<TickRecord>> SqliteTicks::recent(std::size_t limit) {
  return file_.read("read ticks", [&](Connection& connection) -> Result<std::vector<TickRecord>> {
    std::vector<TickRecord> records;
    auto row = connection.query(
        "SELECT schedule, due, outcome, task, recorded, missed FROM ticks"
        " ORDER BY due DESC, schedule LIMIT ?",
        limit);
    while (row.next()) records.push_back(tick_record(row));
    return records;
  });
}

// From name to name through the key: however many ticks there are, a few steps for each schedule.
Result<std::vector<ScheduleTicks>> SqliteTicks::newest_of_each() {
  using Each = std::vector<ScheduleTicks>;
  return file_.read("read ticks", [&](Connection& connection) -> Result<Each> {
    Each each;
    auto row = connection.query(
        "WITH RECURSIVE names (name) AS (SELECT min(schedule) FROM ticks"
        " UNION ALL SELECT (SELECT min(schedule) FROM ticks WHERE schedule > name)"
        " FROM names WHERE name IS NOT NULL)"
        " SELECT schedule, due, outcome, task, recorded, missed,"
        " coalesce((SELECT task FROM ticks AS run WHERE run.schedule = name"
        "  AND run.outcome = 'enqueued' ORDER BY run.due DESC LIMIT 1), ''),"
        " (SELECT coalesce(sum(gone.missed), 0) FROM ticks AS gone"
        "  WHERE gone.schedule = name AND gone.missed > 0)"
        " FROM names JOIN ticks ON schedule = name"
        "  AND due = (SELECT max(due) FROM ticks AS newest WHERE newest.schedule = name)"
        " WHERE name IS NOT NULL ORDER BY name");
    while (row.next()) {
      each.push_back(
          {.newest = tick_record(row), .last_task = TaskId{row.text(6)}, .missed = row.number(7)});
    }
    return each;
  });
}

Result<std::size_t> SqliteTicks::forget(WallTime before, std::size_t limit) {
  return file_.write("forget ticks", [&](Connection& connection) -> Result<std::size_t> {
    const auto gone = connection.run(
        "DELETE FROM ticks WHERE (schedule, due) IN ("
        " SELECT old.schedule, old.due FROM ticks AS old WHERE old.due < ?1 AND EXISTS ("
        "  SELECT 1 FROM ticks AS newer WHERE newer.schedule = old.schedule"
        "  AND newer.due > old.due AND newer.due < ?1)"
        " ORDER BY old.due LIMIT ?2)",
        before, limit);
    return static_cast<std::size_t>(gone);
  });
}

}  // namespace umbel::store_sqlite
