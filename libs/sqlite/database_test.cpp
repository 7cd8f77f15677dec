#include "umbel/sqlite/database.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "umbel/testing/temp_dir.hpp"

namespace umbel::sqlite {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

constexpr std::int32_t kId = 0x556d'0001;
constexpr std::array<Migration, 1> kFirst{
    "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT UNIQUE)"};
constexpr std::array<Migration, 2> kSecond{
    kFirst[0],
    "ALTER TABLE note ADD COLUMN size INTEGER; INSERT INTO note (text, size) VALUES ('x', 1)"};

int count(SQLite::Database& database) {
  return database.execAndGet("SELECT count(*) FROM note").getInt();
}

TEST(Database, IsCreatedWithItsFolderInWalMode) {
  const TempDir dir;
  const auto path = dir.file("a/b/notes.db");
  const auto opened = open(path, kId, kFirst, {});
  ASSERT_TRUE(opened) << opened.error().what;
  auto& database = **opened;
  EXPECT_EQ(database.execAndGet("PRAGMA journal_mode").getString(), "wal");
  EXPECT_EQ(database.execAndGet("PRAGMA synchronous").getInt(), 1);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 1);
  EXPECT_EQ(database.execAndGet("PRAGMA application_id").getInt(), kId);
}

TEST(Database, SyncsFullyWhenAsked) {
  const TempDir dir;
  const auto opened = open(dir.file("n.db"), kId, kFirst, {.full_sync = true});
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->execAndGet("PRAGMA synchronous").getInt(), 2);
}

TEST(Database, IsBroughtToTheNewestVersionAndKeepsItsRows) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  {
    const auto old = open(path, kId, kFirst, {});
    ASSERT_TRUE(old);
    (*old)->exec("INSERT INTO note (text) VALUES ('kept')");
  }
  for (int round = 0; round < 2; ++round) {  // the second time there is nothing to do
    const auto now = open(path, kId, kSecond, {});
    ASSERT_TRUE(now) << now.error().what;
    EXPECT_EQ(count(**now), 2);
  }
}

TEST(Database, RefusesANewerVersionByName) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  ASSERT_TRUE(open(path, kId, kSecond, {}));
  const auto opened = open(path, kId, kFirst, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::Invalid);
  EXPECT_THAT(opened.error().what, HasSubstr(path));
  EXPECT_THAT(opened.error().what, HasSubstr("newer version"));
}

TEST(Database, RefusesAnotherProgramsFileAndLeavesItAlone) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  {
    SQLite::Database foreign{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
    foreign.exec("CREATE TABLE theirs (id INTEGER)");
  }
  const auto opened = open(path, kId, kFirst, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::Invalid);
  EXPECT_THAT(opened.error().what, HasSubstr("another program"));
  SQLite::Database foreign{path};
  EXPECT_EQ(foreign.execAndGet("PRAGMA journal_mode").getString(), "delete");
  EXPECT_EQ(foreign.execAndGet("PRAGMA application_id").getInt(), 0);
}

TEST(Database, RefusesAFileThatIsNoDatabase) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  std::ofstream{path} << std::string(4096, 'x');
  const auto opened = open(path, kId, kFirst, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::Corrupt);
  EXPECT_THAT(opened.error().what, HasSubstr("not an SQLite file"));
  EXPECT_THAT(opened.error().what, HasSubstr(path));
}

TEST(Database, NamesAFolderThatCannotBeMadeAndAPathThatIsAFolder) {
  const TempDir dir;
  std::ofstream{dir.file("file")} << "x";
  const auto below_a_file = open(dir.file("file/n.db"), kId, kFirst, {});
  ASSERT_FALSE(below_a_file);
  EXPECT_EQ(below_a_file.error().code, Errc::Unavailable);
  EXPECT_THAT(below_a_file.error().what, HasSubstr("folder"));

  const auto folder = open(dir.path().string(), kId, kFirst, {});
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, Errc::Unavailable);
  EXPECT_THAT(folder.error().what, HasSubstr(dir.path().string()));
}

TEST(Database, AFailingMigrationChangesNothing) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  constexpr std::array<Migration, 2> kBroken{kFirst[0], "CREATE TABLE broken (("};
  ASSERT_FALSE(open(path, kId, kBroken, {}));
  const auto opened = open(path, kId, kFirst, {});
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ(count(**opened), 0);
}

TEST(Database, IsMigratedOnceByManyThreadsAtATime) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const auto opened = open(path, kId, kSecond, {});
        EXPECT_TRUE(opened) << opened.error().what;
        if (!opened || count(**opened) != 1) ++failed;
      });
    }
  }
  EXPECT_EQ(failed, 0);
}

// Forked while this process has one thread: each child does more than a child of a process with
// threads may.
TEST(Database, IsMigratedOnceByManyProcessesAtATime) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const auto child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto opened = open(path, kId, kSecond, {});
      _exit(opened && count(**opened) == 1 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const auto child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
}

TEST(Database, SaysWhichFileIsLockedForTooLong) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  const auto holder = open(path, kId, kFirst, {});
  const auto waiter = open(path, kId, kFirst, {.busy_timeout = std::chrono::milliseconds{30}});
  ASSERT_TRUE(holder && waiter);
  const WriteTransaction held{**holder};
  try {
    const WriteTransaction second{**waiter};
    FAIL() << "two writers at a time";
  } catch (const SQLite::Exception& failure) {
    const auto error = to_error(failure, "write into " + path);
    EXPECT_EQ(error.code, Errc::Unavailable);
    EXPECT_THAT(error.what, HasSubstr("write into " + path + ": locked"));
  }
}

TEST(Database, AWriterWaitsForTheOneAhead) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  const auto first = open(path, kId, kFirst, {});
  ASSERT_TRUE(first);
  std::atomic<bool> about_to_wait = false;
  std::jthread other;
  {
    WriteTransaction held{**first};
    other = std::jthread{[&about_to_wait, &path] {
      const auto second = open(path, kId, kFirst, {});
      about_to_wait = true;
      about_to_wait.notify_one();
      WriteTransaction mine{**second};
      (*second)->exec("INSERT INTO note (text) VALUES ('second')");
      mine.commit();
    }};
    about_to_wait.wait(false);
    (*first)->exec("INSERT INTO note (text) VALUES ('first')");
    held.commit();
  }
  other.join();
  EXPECT_EQ(count(**first), 2);
}

TEST(WriteTransaction, IsRolledBackUnlessCommitted) {
  const TempDir dir;
  const auto opened = open(dir.file("n.db"), kId, kFirst, {});
  ASSERT_TRUE(opened);
  {
    const WriteTransaction transaction{**opened};
    (*opened)->exec("INSERT INTO note (text) VALUES ('x')");
  }
  EXPECT_EQ(count(**opened), 0);
  {
    WriteTransaction transaction{**opened};
    (*opened)->exec("INSERT INTO note (text) VALUES ('x')");
    transaction.commit();
  }
  EXPECT_EQ(count(**opened), 1);
}

TEST(SqliteError, AViolatedConstraintIsAConflictAndAFullDiskIsUnavailable) {
  const TempDir dir;
  const auto opened = open(dir.file("n.db"), kId, kFirst, {});
  ASSERT_TRUE(opened);
  auto& database = **opened;
  database.exec("INSERT INTO note (text) VALUES ('x')");
  try {
    database.exec("INSERT INTO note (text) VALUES ('x')");
    FAIL() << "the same text twice";
  } catch (const SQLite::Exception& failure) {
    EXPECT_EQ(to_error(failure, "note").code, Errc::Conflict);
  }
  database.exec("PRAGMA max_page_count = 8");
  try {
    database.exec("INSERT INTO note (text) VALUES (zeroblob(1000000))");
    FAIL() << "more than fits";
  } catch (const SQLite::Exception& failure) {
    const auto error = to_error(failure, "note");
    EXPECT_EQ(error.code, Errc::Unavailable);
    EXPECT_THAT(error.what, HasSubstr("disk is full"));
  }
}

}  // namespace
}  // namespace umbel::sqlite
