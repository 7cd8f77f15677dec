#include "umbel/store_sqlite/sqlite_store.hpp"

#include <filesystem>

#include "audit.hpp"
#include "catalogue.hpp"
#include "leases.hpp"
#include "outbox.hpp"
#include "results.hpp"
#include "retention.hpp"
#include "schedule_book.hpp"
#include "shared_values.hpp"
#include "store_file.hpp"
#include "store_schema.hpp"
#include "submissions.hpp"
#include "ticks.hpp"

namespace umbel {
namespace store_sqlite {

std::uint64_t take_numbers(Connection& connection, const char* series, std::size_t count) {
  auto row = connection.query(
      "UPDATE counters SET value = value + ?2 WHERE name = ?1 RETURNING value", series, count);
  if (!row.next()) throw std::logic_error{std::string{"no counter named "} + series};
  return row.number(0) - count + 1;
}

namespace {

class SqliteStore final : public Store {
 public:
  SqliteStore(const SqliteStoreOptions& options, std::unique_ptr<SQLite::Database> database,
              const Clock& clock, Log log)
      : file_{options.path, options.full_sync, std::move(database),
              [this, options, log = std::move(log)] { return open_again(options, log); }},
        outbox_{file_},
        results_{file_},
        submissions_{file_},
        catalogue_{file_},
        ticks_{file_},
        schedules_{file_},
        audit_{file_},
        leases_{file_},
        shared_{file_, clock},
        retention_{file_} {}

  Outbox& outbox() override { return outbox_; }
  ResultStore& results() override { return results_; }
  SubmissionStore& submissions() override { return submissions_; }
  TaskCatalogue& catalogue() override { return catalogue_; }
  TickLedger& ticks() override { return ticks_; }
  ScheduleBook& schedules() override { return schedules_; }
  AuditLog& audit() override { return audit_; }
  Leases& leases() override { return leases_; }
  SharedValues& shared() override { return shared_; }
  StoreRetention& retention() override { return retention_; }

  [[nodiscard]] Result<void> ping() override {
    auto answers = sqlite::probe(file_.path, kStoreApplicationId);
    if (!answers) return answers;
    return file_.damage.check();
  }

 private:
  // After the file was replaced. One that is gone is not made anew here: whoever deleted it shall
  // see that, and may start a program to begin an empty one.
  [[nodiscard]] Result<std::unique_ptr<SQLite::Database>> open_again(
      const SqliteStoreOptions& options, const Log& log) {
    std::error_code ignored;
    if (!std::filesystem::exists(options.path, ignored)) {
      return sqlite::to_error(SQLite::Exception{"nothing is at its path", SQLITE_READONLY_DBMOVED},
                              "write into " + options.path);
    }
    auto database = sqlite::open(options.path, kStoreApplicationId, store_migrations(),
                                 {.full_sync = options.full_sync, .create = false});
    if (!database) return database;
    file_.checkpointer.watch(**database);
    file_.damage.forget();
    log.warn("the store's file was replaced and is opened anew", {{"path", options.path}});
    return database;
  }

  StoreFile file_;
  SqliteOutbox outbox_;
  SqliteResults results_;
  SqliteSubmissions submissions_;
  SqliteCatalogue catalogue_;
  SqliteTicks ticks_;
  SqliteScheduleBook schedules_;
  SqliteAudit audit_;
  SqliteLeases leases_;
  SqliteSharedValues shared_;
  SqliteRetention retention_;
};

}  // namespace
}  // namespace store_sqlite

Result<std::unique_ptr<Store>> open_sqlite_store(SqliteStoreOptions options, const Clock& clock,
                                                 Log log) {
  auto database = sqlite::open(options.path, store_sqlite::kStoreApplicationId,
                               store_sqlite::store_migrations(), {.full_sync = options.full_sync});
  if (!database) return database.error();
  log.debug("store opened", {{"path", options.path}});
  return std::unique_ptr<Store>{
      std::make_unique<store_sqlite::SqliteStore>(options, std::move(*database), clock, log)};
}

}  // namespace umbel
