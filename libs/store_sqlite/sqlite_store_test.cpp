// What only the embedded store does; what every engine does is in tests/conformance.
#include "umbel/store_sqlite/sqlite_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

class SqliteStoreFile : public ::testing::Test {
 protected:
  testing::TempDir folder;
  testing::FakeClock clock;
};

TEST_F(SqliteStoreFile, IsMadeWithItsFolder) {
  const auto path = folder.file("var/umbel.db");

  const auto store = open_sqlite_store({.path = path, .full_sync = true}, clock, Log::none());

  ASSERT_TRUE(store.has_value()) << store.error().what;
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE((*store)->ping().has_value());
}

TEST_F(SqliteStoreFile, ThatIsNoDatabaseIsRefusedByName) {
  const auto path = folder.file("notes.txt");
  std::ofstream{path}
      << "these are no tables, but a text of more than a hundred bytes, which is how "
         "long the head of a database file is at least";

  const auto store = open_sqlite_store({.path = path}, clock, Log::none());

  ASSERT_TRUE(store.has_error());
  EXPECT_EQ(store.error().code, Errc::Corrupt);
  EXPECT_NE(store.error().what.find("notes.txt"), std::string::npos) << store.error().what;
}

TEST_F(SqliteStoreFile, ThatWasRemovedIsNotReady) {
  const auto path = folder.file("umbel.db");
  const auto store = open_sqlite_store({.path = path}, clock, Log::none());
  ASSERT_TRUE(store.has_value());

  std::filesystem::remove(path);
  const auto answer = (*store)->ping();

  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, Errc::Unavailable);
  EXPECT_NE(answer.error().what.find("umbel.db"), std::string::npos) << answer.error().what;
}

}  // namespace
}  // namespace umbel
