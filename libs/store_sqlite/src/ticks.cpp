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

}  // namespace

Result<WallTime> SqliteTicks::first_seen(const std::string& schedule, WallTime now) {
  const auto look = [&](Connection& connection) -> Result<std::optional<WallTime>> {
    auto row = connection.query("SELECT first_seen FROM schedules WHERE name = ?", schedule);
    if (!row.next()) return std::optional<WallTime>{};
    return std::optional{row.time(0)};
  };
  auto known = file_.read("read a schedule", look);
  if (!known) return known.error();
  if (*known) return **known;
  return file_.write("note a schedule", [&](Connection& connection) -> Result<WallTime> {
    connection.run(
        "INSERT INTO schedules (name, first_seen) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        schedule, now);
    return look(connection).value().value();  // another scheduler may have been first
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

Result<bool> SqliteTicks::record_missed(const std::string& schedule, WallTime due,
                                        std::uint64_t count, WallTime now) {
  return file_.write("note missed ticks", [&](Connection& connection) -> Result<bool> {
    const bool first =
        connection.run(
            "INSERT INTO ticks (schedule, due, outcome, task, recorded, missed)"
            " VALUES (?, ?, 'missed', '', ?, ?) ON CONFLICT (schedule, due) DO NOTHING",
            schedule, due, now, count) > 0;
    return Result<bool>{first};
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

}  // namespace umbel::store_sqlite
