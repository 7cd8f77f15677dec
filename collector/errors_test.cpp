#include "errors.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "umbel/model/fingerprint.hpp"

namespace umbel::collector {
namespace {

constexpr std::int64_t kNow = 1'795'348'800;  // a whole half hour
constexpr auto kHour = kErrorWindows[0];
constexpr auto kDay = kErrorWindows[1];
constexpr auto kWeek = kErrorWindows[2];

Task a_failure(const std::string& exception, const std::string& name = "add",
               const std::string& id = "t1") {
  Task task;
  task.uuid = TaskId{id};
  task.state = TaskState::Failure;
  task.name = name;
  task.worker = "w1@host";
  task.exception = exception;
  return task;
}

TEST(ErrorBook, CountsByKindTheLatestFirst) {
  ErrorBook book;
  book.note(a_failure("ValueError('no 17')"), kNow);
  book.note(a_failure("KeyError('x')", "other"), kNow + 10);
  book.note(a_failure("ValueError('no 18')", "more", "t3"), kNow + 20);

  const auto groups = book.groups(kHour, kNow + 30);

  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].type, "ValueError");
  EXPECT_EQ(groups[0].message, "no #");
  EXPECT_EQ(groups[0].sample_message, "ValueError('no 18')");
  EXPECT_EQ(groups[0].sample_task, TaskId{"t3"});
  EXPECT_EQ(groups[0].count, 2U);
  EXPECT_EQ(groups[0].first_seen, kNow);
  EXPECT_EQ(groups[0].last_seen, kNow + 20);
  EXPECT_EQ(groups[0].names, (std::map<std::string, std::uint64_t>{{"add", 1}, {"more", 1}}));
  EXPECT_EQ(groups[0].spark.size(), kErrorCells);
  EXPECT_EQ(groups[0].spark.back(), 2U);
  EXPECT_EQ(groups[1].type, "KeyError");
}

TEST(ErrorBook, AWindowHasWhatHappenedInIt) {
  ErrorBook book;
  book.note(a_failure("E('x')"), kNow - 6 * 86'400);
  book.note(a_failure("E('x')"), kNow - 7200);
  book.note(a_failure("E('x')"), kNow - 100);
  const auto count = [&](const ErrorWindow& window) {
    const auto groups = book.groups(window, kNow);
    if (groups.empty()) return std::uint64_t{0};
    EXPECT_EQ(std::accumulate(groups[0].spark.begin(), groups[0].spark.end(), std::uint64_t{0}),
              groups[0].count);
    return groups[0].count;
  };
  EXPECT_EQ(count(kHour), 1U);
  EXPECT_EQ(count(kDay), 2U);
  EXPECT_EQ(count(kWeek), 3U);
  EXPECT_TRUE(book.groups(kHour, kNow + 7200).empty());
  EXPECT_EQ(book.groups(kWeek, kNow).front().first_seen, kNow - 6 * 86'400);
}

TEST(ErrorBook, ComesBackFromItsRowsAndGoesOn) {
  ErrorBook before;
  for (int i = 0; i < 5; ++i) before.note(a_failure("E('x')"), kNow - 4000 + i * 1000);
  before.note(a_failure("F('x')", "other"), kNow);
  const auto rows = before.take_changed();
  EXPECT_TRUE(before.take_changed().empty());

  ErrorBook after;
  for (const auto& row : rows) after.restore(row);
  for (const auto& window : kErrorWindows) {
    const auto expected = before.groups(window, kNow);
    const auto groups = after.groups(window, kNow);
    ASSERT_EQ(groups.size(), expected.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      EXPECT_EQ(groups[i].fingerprint, expected[i].fingerprint);
      EXPECT_EQ(groups[i].spark, expected[i].spark);
      EXPECT_EQ(groups[i].names, expected[i].names);
      EXPECT_EQ(groups[i].first_seen, expected[i].first_seen);
      EXPECT_EQ(groups[i].sample_message, expected[i].sample_message);
    }
  }
  after.note(a_failure("E('x')"), kNow + 1);
  const auto changed = after.take_changed();
  ASSERT_EQ(changed.size(), 1U);
  ErrorBook again;
  for (const auto& row : rows) again.restore(row);
  again.restore(changed.front());
  EXPECT_EQ(again.find(fingerprint("E('x')", ""), kDay, kNow + 1)->count, 6U);
}

TEST(ErrorBook, WhatCouldNotBeWrittenIsGivenAgain) {
  ErrorBook book;
  book.note(a_failure("E('x')"), kNow);
  const auto rows = book.take_changed();
  book.note(a_failure("E('x')"), kNow + 1);
  book.changed_again(rows.front());
  const auto again = book.take_changed();
  ASSERT_EQ(again.size(), 1U);
  ErrorBook read;
  read.restore(again.front());
  EXPECT_EQ(read.groups(kHour, kNow + 1).front().count, 2U);
}

TEST(ErrorBook, IsBoundedAndSaysWhatItFolds) {
  ErrorBook book;
  for (std::size_t i = 0; i < ErrorBook::kMostGroups + 5; ++i) {
    std::string letters;
    for (std::size_t n = i; letters.size() < 4; n /= 26) letters += static_cast<char>('a' + n % 26);
    book.note(a_failure("E" + letters + "()"), kNow);
  }
  EXPECT_EQ(book.size(), ErrorBook::kMostGroups);
  EXPECT_EQ(book.folded(), 5U);
  book.note(a_failure("Later()"), kNow + 8 * 86'400);
  EXPECT_EQ(book.size(), 1U) << "what is long past makes room";
}

TEST(ErrorBook, PassesOverWhatItCannotUse) {
  ErrorBook book;
  Task task = a_failure("E('x')");
  task.exception.reset();
  book.note(task, kNow);
  for (const char* data : {"", "x", "[]", R"({"a": 1})", R"({"b": {"fine": "x", "names": 3}})"})
    book.restore({.kind = ErrorBook::kKind, .at = kNow, .data = data});
  EXPECT_TRUE(book.groups(kWeek, kNow).empty());
  EXPECT_FALSE(book.find("none", kWeek, kNow));
}

}  // namespace
}  // namespace umbel::collector
