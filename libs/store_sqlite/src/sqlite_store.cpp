#include "umbel/store_sqlite/sqlite_store.hpp"

#include <filesystem>

#include "catalogue.hpp"
#include "leases.hpp"
#include "outbox.hpp"
#include "results.hpp"
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
  SqliteStore(const std::string& path, std::unique_ptr<SQLite::Database> database,
              const Clock& clock)
      : file_{path, std::move(database)},
        outbox_{file_},
        results_{file_},
        submissions_{file_},
        catalogue_{file_},
        ticks_{file_},
        leases_{file_},
        shared_{file_, clock} {}

  Outbox& outbox() override { return outbox_; }
  ResultStore& results() override { return results_; }
  SubmissionStore& submissions() override { return submissions_; }
  TaskCatalogue& catalogue() override { return catalogue_; }
  TickLedger& ticks() override { return ticks_; }
  Leases& leases() override { return leases_; }
  SharedValues& shared() override { return shared_; }

  [[nodiscard]] Result<void> ping() override {
    std::error_code ignored;
    if (!std::filesystem::exists(file_.path, ignored)) {
      return unavailable("the store's file " + file_.path + " is gone");
    }
    auto readable = file_.read("read", [](Connection& connection) -> Result<void> {
      connection.run("SELECT value FROM counters WHERE name = 'probe'");
      return {};
    });
    if (!readable) return readable;
    return file_.write("write", [](Connection& connection) -> Result<void> {
      (void)take_numbers(connection, "probe", 1);
      return {};
    });
  }

 private:
  StoreFile file_;
  SqliteOutbox outbox_;
  SqliteResults results_;
  SqliteSubmissions submissions_;
  SqliteCatalogue catalogue_;
  SqliteTicks ticks_;
  SqliteLeases leases_;
  SqliteSharedValues shared_;
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
      std::make_unique<store_sqlite::SqliteStore>(options.path, std::move(*database), clock)};
}

}  // namespace umbel
