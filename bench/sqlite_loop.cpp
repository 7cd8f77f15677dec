#include "sqlite_loop.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "processes.hpp"

namespace umbel::bench {

double run_sqlite_loop(const std::string& path, std::size_t tasks, std::size_t batch) {
  SQLite::Database database{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = NORMAL");
  database.exec(
      "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, lease "
      "INTEGER)");
  database.exec("CREATE INDEX message_free ON message (id) WHERE lease IS NULL");
  database.exec("CREATE TABLE result (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID");
  const std::string body(400, 'x');  // headers and body of a task message
  SQLite::Statement publish{database, "INSERT INTO message (body) VALUES (?)"};
  SQLite::Statement claim{database,
                          "UPDATE message SET lease = 1 WHERE id IN (SELECT id FROM message WHERE "
                          "lease IS NULL ORDER BY id LIMIT ?) RETURNING id, body"};
  SQLite::Statement result{database, "INSERT INTO result (id, body) VALUES (?, 'null')"};
  SQLite::Statement ack{database, "DELETE FROM message WHERE id = ?"};
  const auto each = [&](SQLite::Statement& statement, const std::vector<std::int64_t>& ids,
                        const std::function<void(std::int64_t)>& bind) {
    SQLite::Transaction transaction{database, SQLite::TransactionBehavior::IMMEDIATE};
    for (const std::int64_t id : ids) {
      bind(id);
      statement.exec();
      statement.reset();
    }
    transaction.commit();
  };

  const auto begin = std::chrono::steady_clock::now();
  std::size_t done = 0;
  while (done < tasks) {
    const std::size_t size = std::min(batch, tasks - done);
    std::vector<std::int64_t> ids(size);
    each(publish, ids, [&](std::int64_t) { publish.bind(1, body); });
    ids.clear();
    {
      SQLite::Transaction transaction{database, SQLite::TransactionBehavior::IMMEDIATE};
      claim.bind(1, static_cast<std::int64_t>(size));
      while (claim.executeStep()) ids.push_back(claim.getColumn(0).getInt64());
      claim.reset();
      transaction.commit();
    }
    if (ids.size() != size) throw std::runtime_error{"a claim gave too few"};
    each(result, ids, [&](std::int64_t id) {
      result.bind(1, "6f53f8a2-5587-47a7-808f-" + std::to_string(100'000'000'000 + id));
    });
    each(ack, ids, [&](std::int64_t id) { ack.bind(1, id); });
    done += size;
  }
  return seconds_since(begin);
}

}  // namespace umbel::bench
