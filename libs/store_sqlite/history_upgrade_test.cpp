// A day's file as an earlier version of this program left it: it opens, is searched at once, and
// gets its indexes while it is written to.
#include <gtest/gtest.h>

#include <algorithm>

#include "history_schema.hpp"
#include "umbel/model/fingerprint.hpp"
#include "umbel/sqlite/database.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::store_sqlite {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::size_t kBeforeSearches = 2;  // steps of the schema
constexpr int kTasks = 60;
constexpr std::size_t kSearchIndexes = 9;

class HistoryUpgrade : public ::testing::Test {
 protected:
  std::string path(int day) { return folder.file("2026-11-" + std::to_string(day) + ".db"); }

  // Every tenth task failed, every other one is `a.odd`; task 7 is the child of task 6.
  void write_old(int day, WallTime noon) {
    auto database = sqlite::open(path(day), kHistoryApplicationId,
                                 history_migrations().first(kBeforeSearches), {})
                        .value();
    for (int i = 0; i < kTasks; ++i) {
      const bool failed = i % 10 == 5;
      const auto at = to_micros(noon + seconds{i});
      SQLite::Statement row{
          *database,
          "INSERT INTO tasks (uuid, first_seen, final, state, custom_state, name, received, "
          "started, exception, runtime, timestamp, worker, retries, parent_id, starts)"
          " VALUES (?, ?, 1, ?, '', ?, ?, ?, ?, ?, ?, 'w1@host', ?, ?, 1)"};
      row.bind(1, "old-" + std::to_string(day) + "-" + std::to_string(i));
      row.bind(2, at);
      row.bind(3, failed ? "FAILURE" : "SUCCESS");
      row.bind(4, i % 2 == 1 ? "a.odd" : "a.even");
      row.bind(5, at);
      row.bind(6, at + 1000 * i);
      if (failed) row.bind(7, "ValueError('no thing " + std::to_string(i) + "')");
      row.bind(8, 0.25 * i);
      row.bind(9, at);
      row.bind(10, i == 9 ? 2 : 0);
      if (i == 7) row.bind(11, "old-" + std::to_string(day) + "-6");
      row.exec();
    }
  }
  std::unique_ptr<History> open() {
    return open_sqlite_history({.folder = folder.path().string()}, clock, Log::none()).value();
  }
  static TaskQuery query(TaskField field, const std::string& text) {
    QueryTerm term;
    term.field = field;
    term.texts.push_back(text);
    TaskQuery query;
    query.terms.push_back(std::move(term));
    return query;
  }
  static TaskQuery failures() {
    QueryTerm term;
    term.field = TaskField::State;
    term.states = {TaskState::Failure};
    TaskQuery query;
    query.terms.push_back(std::move(term));
    return query;
  }
  static TaskQuery sorted(TaskOrder order) {
    TaskQuery query;
    query.order = order;
    return query;
  }
  static std::vector<std::string> found(History& history, const TaskQuery& query) {
    std::vector<std::string> ids;
    SearchOptions options;
    options.limit = 7;
    options.budget = seconds{30};
    do {
      const auto page = history.search(query, options).value();
      for (const auto& task : page.tasks) ids.push_back(task.uuid.str());
      options.from = page.next;
    } while (options.from);
    return ids;
  }
  std::size_t indexes(int day) {
    SQLite::Database database{path(day), SQLite::OPEN_READONLY};
    return static_cast<std::size_t>(
        database
            .execAndGet("SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name IN "
                        "('tasks_by_name', 'tasks_by_worker', 'tasks_ended_badly', "
                        "'tasks_by_error', 'tasks_by_runtime', 'tasks_by_wait', "
                        "'tasks_by_retries', 'tasks_by_root', 'tasks_by_parent')")
            .getInt());
  }
  void expect_searches(History& history) {
    EXPECT_EQ(found(history, {}).size(), 2U * kTasks);
    EXPECT_EQ(found(history, query(TaskField::Name, "a.odd")).size(), 1U * kTasks);
    EXPECT_EQ(found(history, query(TaskField::Name, "a.*")).size(), 2U * kTasks);
    EXPECT_EQ(found(history, query(TaskField::Worker, "w1@host")).size(), 2U * kTasks);
    EXPECT_EQ(found(history, query(TaskField::Parent, "old-21-6")),
              std::vector<std::string>{"old-21-7"});
    EXPECT_EQ(found(history, query(TaskField::Id, "old-20-")).size(), 1U * kTasks);
    EXPECT_EQ(found(history, failures()).size(), 12U);
    const auto slowest = found(history, sorted(TaskOrder::Slowest));
    ASSERT_EQ(slowest.size(), 2U * kTasks);
    EXPECT_EQ(slowest.front(), "old-21-59");
    EXPECT_EQ(slowest.back(), "old-20-0");
    EXPECT_EQ(found(history, sorted(TaskOrder::LongestWait)).front(), "old-21-59");
    EXPECT_EQ(found(history, sorted(TaskOrder::MostRetries)),
              (std::vector<std::string>{"old-21-9", "old-20-9"}));
  }

  testing::TempDir folder;
  // 2026-11-22 12:00 UTC
  testing::FakeClock clock{from_micros(1'795'348'800'000'000)};
};

TEST_F(HistoryUpgrade, IsSearchedAtOnceAndIndexedAsItIsWritten) {
  write_old(20, clock.wall() - hours{48});
  write_old(21, clock.wall() - hours{24});
  const auto history = open();

  expect_searches(*history);
  EXPECT_EQ(indexes(20) + indexes(21), 0U) << "who reads makes none";

  Task task;
  task.uuid = TaskId{"new-task"};
  task.state = TaskState::Received;
  task.received = task.timestamp = clock.wall() - hours{24};
  HistoryPosition position;
  for (std::size_t i = 1; i <= 2 * kSearchIndexes + 1; ++i) {
    const auto before = indexes(20) + indexes(21);
    position.event_offset = i;
    ASSERT_TRUE(history->append(std::vector{task}, {}, position).has_value());
    EXPECT_LE(indexes(20) + indexes(21), before + 1) << "one at a time, so that nobody waits long";
  }
  EXPECT_EQ(indexes(20), kSearchIndexes);
  EXPECT_EQ(indexes(21), kSearchIndexes);

  EXPECT_EQ(found(*history, query(TaskField::Id, "new-task")).size(), 1U);
  EXPECT_EQ(found(*history, query(TaskField::Name, "a.odd")).size(), 1U * kTasks);
  EXPECT_EQ(found(*history, sorted(TaskOrder::Slowest)).size(), 2U * kTasks);
  const auto error = fingerprint("ValueError('no thing 5')", "");
  EXPECT_EQ(found(*history, query(TaskField::Error, error)).size(), 12U)
      << "failures of before have their kind";
}

TEST_F(HistoryUpgrade, AFileThatIsMadeHasItsIndexesAtOnce) {
  const auto history = open();
  Task task;
  task.uuid = TaskId{"new-task"};
  task.received = task.timestamp = clock.wall();
  ASSERT_TRUE(history->append(std::vector{task}, {}, {}).has_value());
  EXPECT_EQ(indexes(22), kSearchIndexes);
}

}  // namespace
}  // namespace umbel::store_sqlite
