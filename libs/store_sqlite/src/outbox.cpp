#include "outbox.hpp"

#include "ticks.hpp"
#include "umbel/base/text.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel::store_sqlite {
namespace {

// A row that only begin_again() made belongs to a message that is out already: it becomes accepted,
// but gets no second message.
constexpr const char* kInsertTask =
    "INSERT INTO tasks (id, name, queue, state, accepted, run, lost_starts, body, body_bytes)"
    " VALUES (?, ?, ?, 'PENDING', ?, 0, 0, ?, ?) ON CONFLICT (id) DO NOTHING";
constexpr const char* kAdoptTask =
    "UPDATE tasks SET accepted = ?2, body = ?3, body_bytes = ?4"
    " WHERE id = ?1 AND accepted IS NULL";

std::optional<Blob> kept_body(const std::string& body) {
  return body.size() <= kKeptBody ? std::optional{Blob{body}} : std::nullopt;
}

// Changes nothing when it answers false.
bool take_tick(Connection& connection, const Acceptance& acceptance) {
  const auto& tick = *acceptance.tick;
  if (connection.query("SELECT 1 FROM schedule_pauses WHERE name = ?", tick.schedule).next()) {
    return false;
  }
  if (tick.missed &&
      !insert_missed(connection, tick.schedule, *tick.missed, tick.due, acceptance.at)) {
    return false;
  }
  const TaskId task = acceptance.tasks.empty() ? TaskId{} : acceptance.tasks.front().id;
  return connection.run(
             "INSERT INTO ticks (schedule, due, outcome, task, recorded, missed)"
             " VALUES (?, ?, 'enqueued', ?, ?, 0) ON CONFLICT (schedule, due) DO NOTHING",
             tick.schedule, tick.due, task, acceptance.at) > 0;
}

void note_listing(Connection& connection, const Acceptance& acceptance) {
  for (const auto& sighting : acceptance.sightings) {
    connection.run(
        "INSERT INTO sightings (fullname, subreddit, created, sighted) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (fullname) DO NOTHING",
        sighting.fullname, sighting.subreddit, sighting.created, acceptance.at);
  }
  if (acceptance.watermark) {
    connection.run(
        "INSERT INTO watermarks (subreddit, newest) VALUES (?, ?) ON CONFLICT (subreddit)"
        " DO UPDATE SET newest = max(newest, excluded.newest)",
        acceptance.watermark->subreddit, acceptance.watermark->newest);
  }
}

// A Conflict changes nothing, so that the transaction around it may go on.
Result<AcceptedRows> accept_in(Connection& connection, const Acceptance& acceptance,
                               RowNumbers& numbers) {
  if (acceptance.tick && !take_tick(connection, acceptance)) {
    return Error{Errc::Conflict,
                 fmt::format("the tick of schedule `{}` at {} was taken already",
                             acceptance.tick->schedule, iso8601(acceptance.tick->due))};
  }
  AcceptedRows rows;
  rows.reserve(acceptance.tasks.size());
  for (const auto& task : acceptance.tasks) {
    rows.push_back(accept_task(connection, task, acceptance.at, numbers));
  }
  note_listing(connection, acceptance);
  return rows;
}

}  // namespace

OutboxId RowNumbers::next() {
  if (next_ == 0) next_ = take_numbers(connection_, "outbox", most_);
  return next_++;
}

std::optional<OutboxId> accept_task(Connection& connection, const AcceptedTask& task, WallTime at,
                                    RowNumbers& numbers) {
  const auto& body = task.message.body;
  const auto fresh = connection.run(kInsertTask, task.id, task.name, task.queue, at,
                                    kept_body(body), body.size()) > 0;
  if (!fresh) {
    connection.run(kAdoptTask, task.id, at, kept_body(body), body.size());
    return std::nullopt;
  }
  const OutboxId number = numbers.next();
  insert_into_outbox(connection, number, task, at);
  return number;
}

void insert_into_outbox(Connection& connection, OutboxId id, const AcceptedTask& task,
                        WallTime at) {
  const auto& message = task.message;
  connection.run(
      "INSERT INTO outbox (id, task, queue, content_type, content_encoding, headers, body,"
      " correlation_id, reply_to, priority, expires, not_before, written)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id, task.id, task.queue, message.content_type, message.content_encoding, message.headers,
      Blob{message.body}, message.correlation_id, message.reply_to, message.priority,
      message.expires, task.not_before, at);
}

Result<AcceptedRows> SqliteOutbox::accept(const Acceptance& acceptance) {
  return file_.write("accept tasks", [&](Connection& connection) {
    RowNumbers numbers{connection, acceptance.tasks.size()};
    return accept_in(connection, acceptance, numbers);
  });
}

Result<std::vector<Result<AcceptedRows>>> SqliteOutbox::accept_each(
    std::span<const Acceptance> acceptances) {
  using Each = std::vector<Result<AcceptedRows>>;
  return file_.write("accept tasks", [&](Connection& connection) -> Result<Each> {
    Each each;
    each.reserve(acceptances.size());
    std::size_t tasks = 0;
    for (const auto& acceptance : acceptances) tasks += acceptance.tasks.size();
    RowNumbers numbers{connection, tasks};
    for (const auto& acceptance : acceptances) {
      each.push_back(accept_in(connection, acceptance, numbers));
    }
    return Result<Each>{std::move(each)};
  });
}

Result<std::vector<OutboxRow>> SqliteOutbox::unpublished(WallTime before, std::size_t limit,
                                                         std::optional<WallTime> after) {
  return file_.read(
      "read the outbox", [&](Connection& connection) -> Result<std::vector<OutboxRow>> {
        std::vector<OutboxRow> rows;
        auto found = connection.query(
            "SELECT id, task, queue, content_type, content_encoding, headers, body, correlation_id,"
            " reply_to, priority, expires, not_before FROM outbox WHERE written < ? OR written > ?"
            " ORDER BY id LIMIT ?",
            before, after.value_or(WallTime::max()), limit);
        while (found.next()) {
          auto& row = rows.emplace_back();
          row.id = found.number(0);
          row.task = TaskId{found.text(1)};
          row.queue = QueueName{found.text(2)};
          row.message.content_type = found.text(3);
          row.message.content_encoding = found.text(4);
          row.message.headers = found.text(5);
          row.message.body = found.text(6);
          row.message.correlation_id = found.text(7);
          row.message.reply_to = found.text(8);
          row.message.priority = static_cast<int>(found.integer(9));
          row.message.expires = found.time_or_null(10);
          row.not_before = found.time_or_null(11);
        }
        return rows;
      });
}

Result<void> SqliteOutbox::clear(std::span<const OutboxId> rows) {
  if (rows.empty()) return {};
  return file_.write("clear the outbox", [&](Connection& connection) -> Result<void> {
    for (std::size_t first = 0; first < rows.size();) {
      std::size_t end = first + 1;
      while (end < rows.size() && rows[end] == rows[end - 1] + 1) ++end;
      connection.run("DELETE FROM outbox WHERE id BETWEEN ? AND ?", rows[first], rows[end - 1]);
      first = end;
    }
    return {};
  });
}

}  // namespace umbel::store_sqlite
