// What only the history in files does; what every engine does is in tests/conformance.
#include "umbel/store_sqlite/sqlite_history.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using std::chrono::days;

class SqliteHistoryFolder : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    const Log log{"test", LogLevel::Error,
                  [this](LogLevel, std::string_view, std::string_view text) {
                    const std::scoped_lock lock{mutex};
                    errors.emplace_back(text);
                  }};
    auto opened = open_sqlite_history({.folder = folder.path().string()}, clock, log);
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    history = std::move(*opened);
  }

  Task a_task(const std::string& id, WallTime received) {
    Task task;
    task.uuid = TaskId{id};
    task.state = TaskState::Received;
    task.received = task.timestamp = received;
    return task;
  }

  void append(const std::vector<Task>& tasks, std::uint64_t offset) {
    HistoryPosition position;
    position.event_offset = offset;
    const auto appended = history->append(tasks, {}, position);
    ASSERT_TRUE(appended.has_value()) << appended.error().what;
  }

  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{folder.path()}) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  testing::TempDir folder;
  // 2026-11-22 12:00 UTC
  testing::FakeClock clock{from_micros(1'795'348'800'000'000)};
  std::mutex mutex;
  std::vector<std::string> errors;
  std::unique_ptr<History> history;
};

TEST_F(SqliteHistoryFolder, TellsWhatEachDayTakes) {
  EXPECT_TRUE(history->day_sizes().value().empty());
  append({a_task("yesterday", clock.wall() - days{1})}, 1);
  append({a_task("today", clock.wall())}, 2);

  const auto sizes = history->day_sizes().value();

  ASSERT_EQ(sizes.size(), 2U);
  EXPECT_EQ(sizes[0].day, "2026-11-21");
  EXPECT_EQ(sizes[1].day, "2026-11-22");
  for (const HistoryDay& each : sizes)
    EXPECT_GE(each.bytes, std::filesystem::file_size(folder.file(each.day + ".db"))) << each.day;
}

TEST_F(SqliteHistoryFolder, HasOneFileForEachDayInUtc) {
  append({a_task("a", clock.wall() - days{1}), a_task("b", clock.wall())}, 1);
  history.reset();

  EXPECT_EQ(files(), (std::vector<std::string>{"2026-11-21.db", "2026-11-22.db"}));
}

// A kill after the commit in the newest file and before the older day's: what the commit said must
// be found, or a reader of the position would be told less than the position promises.
TEST_F(SqliteHistoryFolder, BringsABatchThatWasCutOffBetweenDaysToItsEnd) {
  append({a_task("a", clock.wall() - days{1}), a_task("b", clock.wall())}, 1);
  history.reset();
  const auto yesterday = folder.file("2026-11-21.db");
  const auto aside = folder.file("aside");
  std::filesystem::rename(yesterday, aside);
  std::ofstream{yesterday} << "these are no tables, but a text of more than a hundred bytes, which "
                              "is how long the head of a database file is at least";
  reopen();
  Task done = a_task("a", clock.wall() - days{1});
  done.state = TaskState::Success;
  done.succeeded = clock.wall();
  HistoryPosition position;
  position.event_offset = 2;
  const std::vector<Moment> moments{{done.uuid, clock.wall(), "succeeded", "w1", ""}};
  const auto cut = history->append(std::vector{done}, moments, position);
  ASSERT_TRUE(cut.has_error());
  EXPECT_EQ(cut.error().code, Errc::OutcomeUnknown);
  history.reset();
  std::filesystem::rename(aside, yesterday);

  reopen();

  EXPECT_EQ(history->position()->event_offset, 2U);
  EXPECT_EQ(history->find(TaskId{"a"})->state, TaskState::Success);
  EXPECT_EQ(history->timeline(TaskId{"a"})->size(), 1U);
  EXPECT_TRUE(history->unfinished(10)->size() == 1U) << "only b";
}

TEST_F(SqliteHistoryFolder, LosesADayAndItsLeftoversWhenItIsForgotten) {
  append({a_task("a", clock.wall() - days{2}), a_task("b", clock.wall())}, 1);
  std::ofstream{folder.file("2026-11-01.db-wal")} << "left behind";
  std::ofstream{folder.file("2026-11-01.txt")} << "not ours";
  EXPECT_GT(files().size(), 4U) << "open files have companions";

  EXPECT_EQ(history->forget(clock.wall()).value(), 1U);

  history.reset();
  EXPECT_EQ(files(), (std::vector<std::string>{"2026-11-01.txt", "2026-11-22.db"}));
}

TEST_F(SqliteHistoryFolder, MayLoseAFileBeneathUs) {
  append({a_task("a", clock.wall() - days{1}), a_task("b", clock.wall())}, 1);
  ASSERT_EQ(history->latest(10, std::nullopt)->tasks.size(), 2U);

  for (const auto* end : {"", "-wal", "-shm"}) {
    std::filesystem::remove(folder.file("2026-11-22.db") + end);
  }

  EXPECT_EQ(history->find(TaskId{"b"}).error().code, Errc::NotFound);
  EXPECT_EQ(history->latest(10, std::nullopt)->tasks.size(), 1U);
  append({a_task("c", clock.wall())}, 2);
  EXPECT_TRUE(history->find(TaskId{"c"}).has_value());
  reopen();
  EXPECT_TRUE(history->find(TaskId{"c"}).has_value())
      << "written to the new file, not the removed one";
  EXPECT_EQ(history->position()->event_offset, 2U);
}

TEST_F(SqliteHistoryFolder, IsReadOnBesideADamagedDayWhichIsToldOnce) {
  append({a_task("a", clock.wall() - days{1})}, 7);
  std::ofstream{folder.file("2026-11-22.db")} << "these are no tables, but a text of more than a "
                                                 "hundred bytes, which is how long the head of "
                                                 "a database file is at least";

  EXPECT_TRUE(history->find(TaskId{"a"}).has_value());
  EXPECT_EQ(history->latest(10, std::nullopt)->tasks.size(), 1U);
  EXPECT_EQ(history->position()->event_offset, 7U);

  ASSERT_EQ(errors.size(), 1U);
  EXPECT_NE(errors.front().find("2026-11-22"), std::string::npos) << errors.front();
}

TEST_F(SqliteHistoryFolder, RefusesToWriteIntoAFileThatIsNotItsOwn) {
  std::ofstream{folder.file("2026-11-22.db")} << "these are no tables, but a text of more than a "
                                                 "hundred bytes, which is how long the head of "
                                                 "a database file is at least";

  const auto appended = history->append(std::vector{a_task("a", clock.wall())}, {}, {});

  ASSERT_TRUE(appended.has_error());
  EXPECT_EQ(appended.error().code, Errc::Corrupt);
  EXPECT_NE(appended.error().what.find("2026-11-22.db"), std::string::npos)
      << appended.error().what;
}

TEST_F(SqliteHistoryFolder, ThatCannotBeMadeIsNamed) {
  std::ofstream{folder.file("file")} << "in the way";

  const auto opened =
      open_sqlite_history({.folder = folder.file("file/history")}, clock, Log::none());

  ASSERT_TRUE(opened.has_error());
  EXPECT_EQ(opened.error().code, Errc::Unavailable);
  EXPECT_NE(opened.error().what.find("file/history"), std::string::npos) << opened.error().what;
}

}  // namespace
}  // namespace umbel
