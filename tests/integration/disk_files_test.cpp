// Files that are damaged, somebody else's, too new, deleted, or that cannot be made: named in the
// error, left as they are, and never taken for empty ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "disk_under_test.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

using ::testing::HasSubstr;

class DiskFiles : public Disk {};

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

TEST_P(DiskFiles, ADamagedOrForeignFileIsNamedAndLeftAlone) {
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

TEST_P(DiskFiles, DamageWhileOpenIsSaidByReadinessToo) {
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

TEST_P(DiskFiles, DeletedWhileOpenIsRefusedUntilThereIsAnother) {
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

TEST_P(DiskFiles, AMissingFolderIsMadeAndOneThatCannotBeIsNamed) {
  const TempDir dir;
  EXPECT_TRUE(GetParam().open(dir.file("a/b/c")));

  std::ofstream{dir.file("file")} << "x";
  const auto refused = GetParam().open(dir.file("file/var"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  EXPECT_THAT(refused.error().what, HasSubstr("folder"));
  EXPECT_THAT(refused.error().what, HasSubstr(dir.file("file/var")));
}

UMBEL_INSTANTIATE_DISK_SUITE(DiskFiles);

}  // namespace
}  // namespace umbel::testing
