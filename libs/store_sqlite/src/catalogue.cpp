#include "catalogue.hpp"

namespace umbel::store_sqlite {
namespace {

void write_entry(Connection& connection, const CatalogueEntry& entry, WallTime now) {
  connection.run(
      "INSERT INTO catalogue (name, queue, max_retries, soft_time_limit, ignore_result, "
      "description,"
      " updated) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
      " queue = excluded.queue, max_retries = excluded.max_retries,"
      " soft_time_limit = excluded.soft_time_limit, ignore_result = excluded.ignore_result,"
      " description = excluded.description, updated = excluded.updated",
      entry.name, entry.queue, entry.max_retries, entry.soft_time_limit, entry.ignore_result,
      entry.description, now);
  connection.run("DELETE FROM catalogue_parameters WHERE task = ?", entry.name);
  int position = 0;
  for (const auto& parameter : entry.parameters) {
    connection.run(
        "INSERT INTO catalogue_parameters (task, position, name, type, required, default_value)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        entry.name, position++, parameter.name, parameter.type, parameter.required,
        parameter.default_value);
  }
}

CatalogueEntry read_entry(Connection& connection, const Query& row) {
  CatalogueEntry entry;
  entry.name = row.text(0);
  entry.queue = QueueName{row.text(1)};
  entry.max_retries = static_cast<int>(row.integer(2));
  entry.soft_time_limit = row.real_or_null(3);
  entry.ignore_result = row.flag(4);
  entry.description = row.text(5);
  auto parameter = connection.query(
      "SELECT name, type, required, default_value FROM catalogue_parameters WHERE task = ?"
      " ORDER BY position",
      entry.name);
  while (parameter.next()) {
    entry.parameters.push_back({.name = parameter.text(0),
                                .type = parameter.text(1),
                                .required = parameter.flag(2),
                                .default_value = parameter.text(3)});
  }
  return entry;
}

}  // namespace

Result<void> SqliteCatalogue::upsert(std::span<const CatalogueEntry> entries, WallTime now) {
  if (entries.empty()) return {};
  return file_.write("write the task catalogue", [&](Connection& connection) -> Result<void> {
    for (const auto& entry : entries) write_entry(connection, entry, now);
    return {};
  });
}

Result<CatalogueEntry> SqliteCatalogue::find(const std::string& name) {
  return file_.read("read the task catalogue",
                    [&](Connection& connection) -> Result<CatalogueEntry> {
                      auto row = connection.query(
                          "SELECT name, queue, max_retries, soft_time_limit, ignore_result, "
                          "description FROM catalogue"
                          " WHERE name = ?",
                          name);
                      if (!row.next())
                        return not_found("no worker has registered a task named " + name);
                      return read_entry(connection, row);
                    });
}

Result<std::vector<CatalogueEntry>> SqliteCatalogue::all() {
  return file_.read("read the task catalogue",
                    [&](Connection& connection) -> Result<std::vector<CatalogueEntry>> {
                      std::vector<CatalogueEntry> entries;
                      auto row = connection.query(
                          "SELECT name, queue, max_retries, soft_time_limit, ignore_result,"
                          " description FROM catalogue ORDER BY name");
                      while (row.next()) entries.push_back(read_entry(connection, row));
                      return entries;
                    });
}

}  // namespace umbel::store_sqlite
