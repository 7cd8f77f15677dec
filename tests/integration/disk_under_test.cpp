#include "disk_under_test.hpp"

#include <array>
#include <chrono>
#include <ctime>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"

namespace umbel::testing {
namespace {

const SystemClock kClock;

class KeepsInBroker final : public Keeps {
 public:
  explicit KeepsInBroker(std::unique_ptr<Broker> broker) : broker_{std::move(broker)} {}
  Result<void> add(const std::string& id, std::size_t bytes) override {
    OutgoingMessage message{.queue = QueueName{"q"}, .message = {}, .not_before = {}};
    message.message.correlation_id = id;
    message.message.body = std::string(bytes, 'b');
    return broker_->publish({&message, 1});
  }
  Result<Ids> ids() override {
    const auto consumer =
        broker_->consume({.queues = {QueueName{"q"}}, .prefetch = 100'000, .consumer = "c"});
    if (!consumer) return consumer.error();
    const auto taken = (*consumer)->next(100'000, std::chrono::milliseconds{0}, {});
    if (!taken) return taken.error();
    Ids found;
    for (const auto& delivery : *taken) found.insert(delivery.message.correlation_id);
    return found;
  }
  Result<void> ping() override { return broker_->ping(); }

 private:
  std::unique_ptr<Broker> broker_;
};

class KeepsInStore final : public Keeps {
 public:
  explicit KeepsInStore(std::unique_ptr<Store> store) : store_{std::move(store)} {}
  Result<void> add(const std::string& id, std::size_t bytes) override {
    Acceptance acceptance;
    acceptance.at = kClock.wall();
    acceptance.tasks.push_back({TaskId{id}, "t", QueueName{"q"}, {}, {}});
    acceptance.tasks.back().message.body = std::string(bytes, 'b');
    const auto done = store_->outbox().accept(acceptance);
    if (!done) return done.error();
    return {};
  }
  Result<Ids> ids() override {
    const auto rows = store_->outbox().unpublished(kClock.wall() + std::chrono::hours{1}, 100'000);
    if (!rows) return rows.error();
    Ids found;
    for (const auto& row : *rows) {
      const auto status = store_->results().find(row.task);
      if (!status) return status.error();
      found.insert(row.task.str());
    }
    return found;
  }
  Result<void> ping() override { return store_->ping(); }

 private:
  std::unique_ptr<Store> store_;
};

class KeepsInHistory final : public Keeps {
 public:
  explicit KeepsInHistory(std::unique_ptr<History> history) : history_{std::move(history)} {}
  Result<void> add(const std::string& id, std::size_t bytes) override {
    Task task;
    task.uuid = TaskId{id};
    task.received = kClock.wall();
    task.args = std::string(bytes, 'b');
    return history_->append({&task, 1}, {}, {});
  }
  Result<Ids> ids() override {
    const auto page = history_->latest(100'000, std::nullopt);
    if (!page) return page.error();
    Ids found;
    for (const auto& task : page->tasks) found.insert(task.uuid.str());
    return found;
  }
  Result<void> ping() override {
    const auto read = history_->position();
    if (!read) return read.error();
    return {};
  }

 private:
  std::unique_ptr<History> history_;
};

std::string today() {
  std::array<char, 32> date{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::strftime(date.data(), date.size(), "%Y-%m-%d", &parts);
  return date.data();
}

}  // namespace

std::vector<DiskEngine> disk_engines() {
  return {{"broker",
           [](const std::string& folder) -> Result<std::unique_ptr<Keeps>> {
             auto opened = open_sqlite_broker(
                 {.path = folder + "/broker.db", .lease = std::chrono::milliseconds{400}}, kClock,
                 Log::none());
             if (!opened) return opened.error();
             return std::unique_ptr<Keeps>{std::make_unique<KeepsInBroker>(std::move(*opened))};
           },
           [] { return "broker.db"; }},
          {"store",
           [](const std::string& folder) -> Result<std::unique_ptr<Keeps>> {
             auto opened = open_sqlite_store({.path = folder + "/store.db"}, kClock, Log::none());
             if (!opened) return opened.error();
             return std::unique_ptr<Keeps>{std::make_unique<KeepsInStore>(std::move(*opened))};
           },
           [] { return "store.db"; }},
          {"history",
           [](const std::string& folder) -> Result<std::unique_ptr<Keeps>> {
             SqliteHistoryOptions options;
             options.folder = folder;
             auto opened = open_sqlite_history(options, kClock, Log::none());
             if (!opened) return opened.error();
             return std::unique_ptr<Keeps>{std::make_unique<KeepsInHistory>(std::move(*opened))};
           },
           [] { return today() + ".db"; }, false}};
}

std::pair<Ids, Error> Disk::add_until_it_fails(Keeps& keeps, std::size_t bytes) {
  Ids kept;
  for (int i = 0; i < 20'000; ++i) {
    const auto id = "t" + std::to_string(i);
    const auto added = keeps.add(id, bytes);
    if (!added) return {kept, added.error()};
    kept.insert(id);
  }
  return {kept, {Errc::NotFound, "it never failed"}};
}

std::unique_ptr<Keeps> Disk::open(const std::string& folder) const {
  auto opened = GetParam().open(folder);
  EXPECT_TRUE(opened) << opened.error().what;
  return opened ? std::move(*opened) : nullptr;
}

std::string Disk::path(const std::string& folder) const { return folder + "/" + GetParam().file(); }

std::optional<Error> Disk::open_or_use(const std::string& folder) const {
  auto opened = GetParam().open(folder);
  if (!opened) return opened.error();
  if (auto added = (*opened)->add("new", 10); !added) return added.error();
  if (auto read = (*opened)->ids(); !read) return read.error();
  return std::nullopt;
}

}  // namespace umbel::testing
