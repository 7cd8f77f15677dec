#include "umbel/sqlite/checkpointer.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>
#include <filesystem>
#include <thread>

#include "umbel/sqlite/database.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::sqlite {
namespace {

using testing::TempDir;

constexpr std::int32_t kId = 0x556d'0002;
constexpr std::array<Migration, 1> kSchema{"CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB)"};
constexpr std::uintmax_t kPage = 4096;

void insert(SQLite::Database& database, int rows) {
  for (int i = 0; i < rows; ++i) {
    WriteTransaction transaction{database};
    database.exec("INSERT INTO note (text) VALUES (randomblob(3000))");
    transaction.commit();
  }
}

std::uintmax_t size(const std::string& path) { return std::filesystem::file_size(path); }

TEST(Checkpointer, CarriesOverWhatIsEnoughAndNothingBefore) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  const auto opened = open(path, kId, kSchema, {});
  ASSERT_TRUE(opened) << opened.error().what;
  auto& database = **opened;
  {
    Checkpointer checkpointer{path, {.enough = 50}};
    checkpointer.watch(database);
    const auto before = size(path);
    insert(database, 5);
    EXPECT_EQ(size(path), before);
    insert(database, 100);
    EXPECT_TRUE(testing::eventually([&] { return size(path) > before + 20 * kPage; }));
    sqlite3_wal_hook(database.getHandle(), nullptr, nullptr);
  }
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM note").getInt(), 105);
}

// Two writers leave no moment at which all is carried over; the log begins anew all the same.
TEST(Checkpointer, EndsALogThatWritersNeverLetRest) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  Checkpointer checkpointer{path, {.enough = 20, .too_long = 100}};
  std::uintmax_t written = 0;
  std::uintmax_t longest = 0;
  {
    std::jthread other{[&](const std::stop_token& stop) {
      const auto opened = open(path, kId, kSchema, {});
      ASSERT_TRUE(opened) << opened.error().what;
      checkpointer.watch(**opened);
      while (!stop.stop_requested()) insert(**opened, 1);
    }};
    const auto opened = open(path, kId, kSchema, {});
    ASSERT_TRUE(opened) << opened.error().what;
    checkpointer.watch(**opened);
    // The log's file keeps its length when it begins anew: so it must stop growing.
    const auto done = [&] {
      insert(**opened, 50);
      written += 50;
      longest = size(path + "-wal");
      return written > 2000 && size(path) > 4 * longest;
    };
    EXPECT_TRUE(testing::eventually(done, std::chrono::seconds{30}))
        << "database " << size(path) << ", log " << longest;
  }
}

TEST(Checkpointer, FollowsAFileThatTookTheOthersPlace) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  Checkpointer checkpointer{path, {.enough = 20}};
  {
    const auto first = open(path, kId, kSchema, {});
    ASSERT_TRUE(first);
    checkpointer.watch(**first);
    insert(**first, 40);
    const auto before = 4 * kPage;
    EXPECT_TRUE(testing::eventually([&] { return size(path) > before; }));
    for (const auto* end : {"", "-wal", "-shm"}) std::filesystem::remove(path + end);
  }
  const auto second = open(path, kId, kSchema, {});
  ASSERT_TRUE(second) << second.error().what;
  checkpointer.watch(**second);
  insert(**second, 40);
  EXPECT_TRUE(
      testing::eventually([&] { return size(path) > 20 * kPage; }, std::chrono::seconds{10}));
  EXPECT_EQ((*second)->execAndGet("SELECT count(*) FROM note").getInt(), 40);
  EXPECT_EQ((*second)->execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST(Checkpointer, AReaderInTheWayHoldsNoWriterUp) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  const auto writer = open(path, kId, kSchema, {});
  const auto reader = open(path, kId, kSchema, {});
  ASSERT_TRUE(writer && reader);
  Checkpointer checkpointer{path, {.enough = 20, .too_long = 40}};
  checkpointer.watch(**writer);
  insert(**writer, 1);
  {
    const SQLite::Transaction snapshot{**reader};
    EXPECT_EQ((*reader)->execAndGet("SELECT count(*) FROM note").getInt(), 1);
    insert(**writer, 200);  // would fail as busy after 5 s
    EXPECT_EQ((*reader)->execAndGet("SELECT count(*) FROM note").getInt(), 1);
  }
  EXPECT_TRUE(testing::eventually(
      [&] {
        insert(**writer, 1);
        return size(path) > 150 * kPage;
      },
      std::chrono::seconds{10}));
  sqlite3_wal_hook((*writer)->getHandle(), nullptr, nullptr);
}

}  // namespace
}  // namespace umbel::sqlite
