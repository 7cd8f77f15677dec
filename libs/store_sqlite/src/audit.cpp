#include "audit.hpp"

#include <limits>

namespace umbel::store_sqlite {

Result<void> SqliteAudit::add(const std::vector<AuditEntry>& entries) {
  if (entries.empty()) return {};
  return file_.write("note what was done", [&](Connection& connection) -> Result<void> {
    for (const auto& entry : entries) {
      connection.run(
          "INSERT INTO audit (at, who, action, object, detail, outcome) VALUES (?, ?, ?, ?, ?, ?)",
          entry.at, entry.who, entry.action, entry.object, entry.detail, entry.outcome);
    }
    connection.run("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", kKept);
    return {};
  });
}

Result<std::vector<AuditEntry>> SqliteAudit::latest(std::size_t limit, std::uint64_t before,
                                                    const std::string& object) {
  using Entries = std::vector<AuditEntry>;
  return file_.read("read what was done", [&](Connection& connection) -> Result<Entries> {
    Entries entries;
    const auto below =
        before == 0 ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(before);
    auto row = object.empty() ? connection.query(
                                    "SELECT id, at, who, action, object, detail, outcome FROM audit"
                                    " WHERE id < ? ORDER BY id DESC LIMIT ?",
                                    below, limit)
                              : connection.query(
                                    "SELECT id, at, who, action, object, detail, outcome FROM audit"
                                    " WHERE id < ? AND object = ?3 ORDER BY id DESC LIMIT ?2",
                                    below, limit, object);
    while (row.next()) {
      entries.push_back({.id = row.number(0),
                         .at = row.time(1),
                         .who = row.text(2),
                         .action = row.text(3),
                         .object = row.text(4),
                         .detail = row.text(5),
                         .outcome = row.text(6)});
    }
    return entries;
  });
}

}  // namespace umbel::store_sqlite
