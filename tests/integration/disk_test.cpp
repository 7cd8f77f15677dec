// Broker, store and history on disks that are full, read-only, slow, locked, damaged or gone: what
// was told to be kept is kept, errors name the file and the remedy, and work goes on afterwards.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include "disk.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using Ids = std::set<std::string>;

const SystemClock kClock;

// What keeps things by their id, in one file.
class Keeps {
 public:
  virtual ~Keeps() = default;
  virtual Result<void> add(const std::string& id, std::size_t bytes) = 0;
  virtual Result<Ids> ids() = 0;
  virtual Result<void> ping() = 0;
};

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

struct Engine {
  std::string name;
  std::function<Result<std::unique_ptr<Keeps>>(const std::string& folder)> open;
  std::function<std::string()> file;  // within the folder
  bool pings_by_writing = true;
  friend std::ostream& operator<<(std::ostream& out, const Engine& engine) {
    return out << engine.name;
  }
};

std::vector<Engine> engines() {
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

class Disk : public ::testing::TestWithParam<Engine> {
 protected:
  // Adds ids until one fails; answers what was told to be kept, and the error.
  static std::pair<Ids, Error> add_until_it_fails(Keeps& keeps, std::size_t bytes = 3000) {
    Ids kept;
    for (int i = 0; i < 20'000; ++i) {
      const auto id = "t" + std::to_string(i);
      const auto added = keeps.add(id, bytes);
      if (!added) return {kept, added.error()};
      kept.insert(id);
    }
    return {kept, {Errc::NotFound, "it never failed"}};
  }
  [[nodiscard]] std::unique_ptr<Keeps> open(const std::string& folder) const {
    auto opened = GetParam().open(folder);
    EXPECT_TRUE(opened) << opened.error().what;
    return opened ? std::move(*opened) : nullptr;
  }
  [[nodiscard]] std::string path(const std::string& folder) const {
    return folder + "/" + GetParam().file();
  }
  // Opens it, or if that works uses it; the error of either.
  [[nodiscard]] std::optional<Error> open_or_use(const std::string& folder) const {
    auto opened = GetParam().open(folder);
    if (!opened) return opened.error();
    if (auto added = (*opened)->add("new", 10); !added) return added.error();
    if (auto read = (*opened)->ids(); !read) return read.error();
    return std::nullopt;
  }
};

TEST_P(Disk, FullAndThenNot) {
  SmallDisk disk{"6m"};
  FaultyDisk simulated;  // where nobody may mount
  const auto folder = disk.file("var");
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps);
  ASSERT_TRUE(keeps->add("first", 10));
  if (disk.mounted()) {
    disk.fill();
  } else {
    simulated.fail_all(SQLITE_FULL);
  }

  auto [kept, full] = add_until_it_fails(*keeps);
  kept.insert("first");

  EXPECT_EQ(full.code, Errc::Unavailable);
  EXPECT_THAT(full.what, HasSubstr(GetParam().file()));
  EXPECT_THAT(full.what, AnyOf(HasSubstr("disk is full"), HasSubstr("-shm")));
  if (GetParam().pings_by_writing) {
    EXPECT_FALSE(keeps->ping()) << "not ready";
  }

  if (disk.mounted()) disk.make_room();
  simulated.fail_all(SQLITE_OK);
  EXPECT_TRUE(keeps->ping());
  ASSERT_TRUE(keeps->add("after", 10));
  kept.insert("after");
  EXPECT_EQ(keeps->ids().value(), kept);
}

TEST_P(Disk, OpeningOnAFullDiskSaysSoAndWorksLater) {
  SmallDisk disk{"2m"};
  FaultyDisk simulated;
  if (disk.mounted()) {
    disk.fill();
  } else {
    simulated.fail_all(SQLITE_FULL);
  }

  const auto failed = open_or_use(disk.file("var"));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Errc::Unavailable);
  EXPECT_THAT(failed->what, HasSubstr(disk.file("var")));

  if (disk.mounted()) disk.make_room();
  simulated.fail_all(SQLITE_OK);
  EXPECT_EQ(open_or_use(disk.file("var")).value_or(Error{}).what, "");
}

// A limit on the size of files (ulimit -f) in a process of its own, where the write is refused by
// the kernel for everybody.
TEST_P(Disk, ALimitOnTheSizeOfFilesIsLikeAFullDisk) {
  const TempDir dir;
  const auto child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    auto keeps = GetParam().open(dir.file("var"));
    if (!keeps) _exit(2);
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit small{.rlim_cur = 400'000, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    auto [kept, full] = add_until_it_fails(**keeps);
    if (full.code != Errc::Unavailable) _exit(3);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!(*keeps)->add("after", 10)) _exit(4);
    kept.insert("after");
    const auto ids = (*keeps)->ids();
    if (!ids) _exit(5);
    _exit(*ids == kept && kept.size() > 10 ? 0 : 6);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(WIFEXITED(status));
}

TEST_P(Disk, EveryWriteToTheDiskFailsOnce) {
  const SmallDisk memory{"64m"};  // where it may be mounted, syncing costs nothing
  FaultyDisk disk;
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE("write " + std::to_string(nth) + ", code " + std::to_string(code));
      ASSERT_LT(nth, 500);
      const auto folder = memory.file("var" + std::to_string(nth));
      std::filesystem::remove_all(folder);
      disk.fail(nth, code);
      Ids asked;
      const auto try_twice = [&](const std::function<Result<void>()>& call) {
        const auto done = call();
        return done ? done : call();
      };
      std::unique_ptr<Keeps> keeps;
      const auto opened = try_twice([&]() -> Result<void> {
        auto made = GetParam().open(folder);
        if (!made) return made.error();
        keeps = std::move(*made);
        return {};
      });
      ASSERT_TRUE(opened) << opened.error().what;
      for (int i = 0; i < 4; ++i) {
        const auto id = "t" + std::to_string(i);
        asked.insert(id);
        // A broker's second publish is a second copy of the same id, which is harmless.
        const auto added = try_twice([&] { return keeps->add(id, 5000); });
        ASSERT_TRUE(added) << added.error().what;
      }
      // What a consumer held that could not say goodbye comes back when its lease ends.
      const auto holds_all = [&asked](Keeps& some) {
        return eventually([&] {
          const auto held = some.ids();
          return held && *held == asked;
        });
      };
      EXPECT_TRUE(holds_all(*keeps));
      keeps.reset();
      const auto again = open(folder);
      ASSERT_TRUE(again);
      EXPECT_TRUE(holds_all(*again));
      if (!disk.fired()) {
        EXPECT_GT(nth, 20) << "the disk was hardly met";
        break;
      }
    }
  }
}

TEST_P(Disk, ReadOnlyAndThenNot) {
  SmallDisk disk{"6m"};
  FaultyDisk simulated;
  const auto folder = disk.file("var");
  {
    const auto keeps = open(folder);
    ASSERT_TRUE(keeps->add("first", 10));
    simulated.fail_all(SQLITE_READONLY);
    const auto refused = keeps->add("second", 10);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Unavailable);
    EXPECT_THAT(refused.error().what, HasSubstr("not writable"));
    if (GetParam().pings_by_writing) {
      EXPECT_FALSE(keeps->ping());
    }
    simulated.fail_all(SQLITE_OK);
    EXPECT_TRUE(keeps->add("second", 10));
  }
  if (!disk.mounted()) return;  // the simulated one was tried; a real one needs a mount

  ASSERT_TRUE(disk.read_only(true));
  const auto refused = open_or_use(folder);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Errc::Unavailable);
  EXPECT_THAT(refused->what, HasSubstr(folder));
  ASSERT_TRUE(disk.read_only(false));
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps->add("third", 10));
  EXPECT_EQ(keeps->ids().value(), (Ids{"first", "second", "third"}));
}

TEST_P(Disk, SlowIsNoFailure) {
  const TempDir dir;
  FaultyDisk disk;
  const auto keeps = open(dir.file("var"));
  disk.slow(std::chrono::milliseconds{20});

  Ids asked;
  for (int i = 0; i < 5; ++i) {
    asked.insert("t" + std::to_string(i));
    EXPECT_TRUE(keeps->add("t" + std::to_string(i), 100));
  }
  EXPECT_TRUE(keeps->ping());
  disk.slow(std::chrono::milliseconds{0});
  EXPECT_EQ(keeps->ids().value(), asked);
}

// Another process that holds the write lock of a file until told to let go.
class LockHolder {
 public:
  explicit LockHolder(const std::string& file) {
    std::array<int, 2> up{}, down{};
    if (pipe(up.data()) != 0 || pipe(down.data()) != 0) throw std::runtime_error{"pipe"};
    child_ = fork();
    if (child_ == 0) {
      close(down[1]);
      sqlite3* database = nullptr;
      const bool held =
          sqlite3_open(file.c_str(), &database) == SQLITE_OK &&
          sqlite3_exec(database, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr) == SQLITE_OK;
      char byte = held ? 'y' : 'n';
      if (write(up[1], &byte, 1) != 1) _exit(1);
      (void)!read(down[0], &byte, 1);  // until the parent closes its end
      sqlite3_exec(database, "ROLLBACK", nullptr, nullptr, nullptr);
      _exit(0);
    }
    close(up[1]);
    close(down[0]);
    leash_ = down[1];
    char byte = 0;
    held_ = read(up[0], &byte, 1) == 1 && byte == 'y';
    close(up[0]);
  }
  ~LockHolder() { let_go(); }
  [[nodiscard]] bool held() const { return held_; }
  void let_go() {
    if (leash_ < 0) return;
    close(leash_);
    leash_ = -1;
    waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_ = 0;
  int leash_ = -1;
  bool held_ = false;
};

TEST_P(Disk, LockedByAnotherProcessForLongerThanTheTimeout) {
  const TempDir dir;
  const auto folder = dir.file("var");
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps->add("first", 10));
  LockHolder holder{path(folder)};
  ASSERT_TRUE(holder.held());

  const auto before = std::chrono::steady_clock::now();
  const auto ready = keeps->ping();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds{3})
      << "readiness does not wait as long as work does";
  if (GetParam().pings_by_writing) {
    ASSERT_FALSE(ready);
    EXPECT_THAT(ready.error().what, HasSubstr("locked"));
  }
  const auto refused = keeps->add("second", 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  EXPECT_THAT(refused.error().what, HasSubstr("locked by others"));
  EXPECT_THAT(refused.error().what, HasSubstr(GetParam().file()));

  holder.let_go();
  EXPECT_TRUE(keeps->ping());
  EXPECT_TRUE(keeps->add("second", 10));
  EXPECT_EQ(keeps->ids().value(), (Ids{"first", "second"}));
}

struct Harm {
  std::string name;
  std::function<void(const std::string& file)> do_it;
  bool noticed = true;  // otherwise the file counts as new
};

void overwrite(const std::string& file, std::uintmax_t from, std::uintmax_t to) {
  std::mt19937 random{7};
  std::fstream bytes{file, std::ios::in | std::ios::out | std::ios::binary};
  bytes.seekp(static_cast<std::streamoff>(from));
  for (auto i = from; i < to; ++i) bytes.put(static_cast<char>(random()));
}

std::vector<Harm> harms() {
  using std::filesystem::file_size;
  return {{"random_pages", [](const auto& file) { overwrite(file, 4096, file_size(file)); }},
          {"damaged_header", [](const auto& file) { overwrite(file, 0, 100); }},
          {"all_random", [](const auto& file) { overwrite(file, 0, file_size(file)); }},
          {"truncated",
           [](const auto& file) { std::filesystem::resize_file(file, file_size(file) / 2 + 100); }},
          {"zero_length", [](const auto& file) { std::filesystem::resize_file(file, 0); }, false},
          {"a_text",
           [](const auto& file) {
             std::ofstream{file, std::ios::trunc} << std::string(3000, 'x');
           }},
          {"another_programs",
           [](const auto& file) {
             std::filesystem::remove(file);
             sqlite3* database = nullptr;
             sqlite3_open(file.c_str(), &database);
             sqlite3_exec(database, "CREATE TABLE theirs (x)", nullptr, nullptr, nullptr);
             sqlite3_close(database);
           }},
          {"a_newer_version", [](const auto& file) {
             sqlite3* database = nullptr;
             sqlite3_open(file.c_str(), &database);
             sqlite3_exec(database, "PRAGMA user_version = 999", nullptr, nullptr, nullptr);
             sqlite3_close(database);
           }}};
}

TEST_P(Disk, ADamagedOrForeignFileIsNamedAndLeftAlone) {
  for (const auto& harm : harms()) {
    SCOPED_TRACE(harm.name);
    const TempDir dir;
    const auto folder = dir.file("var");
    {
      const auto keeps = open(folder);
      for (int i = 0; i < 40; ++i) ASSERT_TRUE(keeps->add("t" + std::to_string(i), 3000));
    }
    ASSERT_FALSE(std::filesystem::exists(path(folder) + "-wal"));
    harm.do_it(path(folder));
    const auto size = std::filesystem::file_size(path(folder));

    const auto error = open_or_use(folder);

    if (!harm.noticed) {
      EXPECT_FALSE(error) << error->what;
      continue;
    }
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->code == Errc::Corrupt || error->code == Errc::Invalid) << error->what;
    EXPECT_THAT(error->what, HasSubstr(GetParam().file()));
    EXPECT_EQ(std::filesystem::file_size(path(folder)), size) << "left as it was, for repair";
  }
}

TEST_P(Disk, DamageWhileOpenIsSaidByReadinessToo) {
  if (!GetParam().pings_by_writing) return;  // a bad day of the history hides no other: see there
  const TempDir dir;
  const auto folder = dir.file("var");
  {
    const auto keeps = open(folder);
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(keeps->add("t" + std::to_string(i), 3000));
  }
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps->ping());
  overwrite(path(folder), 8192, std::filesystem::file_size(path(folder)));

  std::optional<Error> error;
  for (int i = 0; i < 50 && !error; ++i) {
    if (const auto read = keeps->ids(); !read) error = read.error();
    if (const auto added = keeps->add("x" + std::to_string(i), 10); !added) error = added.error();
  }

  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::Corrupt) << error->what;
  EXPECT_THAT(error->what, HasSubstr("damaged"));
  EXPECT_EQ(keeps->ping().error().code, Errc::Corrupt);
}

TEST_P(Disk, DeletedWhileOpenIsRefusedUntilThereIsAnother) {
  const TempDir dir;
  const auto folder = dir.file("var");
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps->add("first", 10));
  for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path(folder) + suffix);

  if (GetParam().pings_by_writing) {
    const auto refused = keeps->add("lost", 10);
    ASSERT_FALSE(refused) << "written to where nobody will find it";
    EXPECT_EQ(refused.error().code, Errc::Unavailable);
    EXPECT_THAT(refused.error().what, HasSubstr("deleted or replaced"));
    EXPECT_THAT(refused.error().what, HasSubstr(GetParam().file()));
    EXPECT_FALSE(keeps->ping());
  }

  const auto another = open(folder);  // a program that is started makes a new one
  ASSERT_TRUE(another->ping());
  EXPECT_TRUE(keeps->add("second", 10));
  EXPECT_TRUE(keeps->ping());
  EXPECT_EQ(another->ids().value(), (Ids{"second"}));
}

TEST_P(Disk, AMissingFolderIsMadeAndOneThatCannotBeIsNamed) {
  const TempDir dir;
  EXPECT_TRUE(GetParam().open(dir.file("a/b/c")));

  std::ofstream{dir.file("file")} << "x";
  const auto refused = GetParam().open(dir.file("file/var"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  EXPECT_THAT(refused.error().what, HasSubstr("folder"));
  EXPECT_THAT(refused.error().what, HasSubstr(dir.file("file/var")));
}

INSTANTIATE_TEST_SUITE_P(Engines, Disk, ::testing::ValuesIn(engines()),
                         [](const auto& engine) { return engine.param.name; });

// A live consumer keeps its messages though nobody could renew a lease while the file was locked.
TEST(DiskLeases, ALockedFileCostsNobodyHisLease) {
  const TempDir dir;
  const SqliteBrokerOptions options{.path = dir.file("broker.db"),
                                    .lease = std::chrono::milliseconds{1000}};
  const auto workers = open_sqlite_broker(options, kClock, Log::none()).value();
  const auto others = open_sqlite_broker(options, kClock, Log::none()).value();
  const OutgoingMessage message{.queue = QueueName{"q"}, .message = {}, .not_before = {}};
  ASSERT_TRUE(workers->publish({&message, 1}));
  const auto consumer =
      workers->consume({.queues = {QueueName{"q"}}, .prefetch = 1, .consumer = "w"}).value();
  const auto taken = consumer->next(1, std::chrono::seconds{5}, {}).value();
  ASSERT_EQ(taken.size(), 1U);

  const bool long_form = std::getenv("UMBEL_LONG_TESTS") != nullptr;
  {
    LockHolder holder{options.path};
    ASSERT_TRUE(holder.held());
    // The lock's length is what is tried, three leases of it: nothing happens that could be waited
    // for.
    std::this_thread::sleep_for(std::chrono::seconds{long_form ? 30 : 3});
  }
  std::this_thread::sleep_for(options.lease);  // time for whoever would take it back

  EXPECT_THAT(consumer->ack({&taken.front().tag, 1}).value(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace umbel::testing
