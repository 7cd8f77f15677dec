#include "umbel/history/task_query.hpp"

#include <gtest/gtest.h>

#include "umbel/model/fingerprint.hpp"

namespace umbel {
namespace {

Task a_task() {
  Task task;
  task.uuid = TaskId{"5e0f-1"};
  task.state = TaskState::Failure;
  task.name = "demo.add";
  task.args = "(1, 2)";
  task.exception = "ValueError('Boom 17')";
  task.worker = "w1@host";
  task.received = from_micros(1'000'000);
  task.started = from_micros(3'500'000);
  task.runtime = 4.5;
  task.retries = 2;
  return task;
}

bool holds(QueryTerm term, const Task& task = a_task()) {
  return terms_hold(task, TaskQuery{.terms = {std::move(term)}});
}

QueryTerm texts(TaskField field, std::vector<std::string> any, bool negated = false) {
  return {.field = field, .negated = negated, .texts = std::move(any)};
}

QueryTerm range(TaskField field, NumberRange range, bool negated = false) {
  return {.field = field, .negated = negated, .ranges = {range}};
}

TEST(Glob, StandsForAnyCharacters) {
  EXPECT_TRUE(glob_matches("demo.*", "demo.add"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("*a*b*", "xaxxbx"));
  EXPECT_TRUE(glob_matches("*aab", "aaab"));
  EXPECT_TRUE(glob_matches("a", "a"));
  EXPECT_FALSE(glob_matches("a", "ab"));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_FALSE(glob_matches("demo.*", "Demo.add"));
  EXPECT_FALSE(glob_matches("a?c", "abc")) << "a question mark is itself";
}

TEST(TaskQuery, ATermHoldsIfAnyValueDoes) {
  EXPECT_TRUE(holds(texts(TaskField::Name, {"x", "demo.*"})));
  EXPECT_FALSE(holds(texts(TaskField::Name, {"x", "demo"})));
  EXPECT_FALSE(holds(texts(TaskField::Name, {"demo.*"}, true)));
  EXPECT_TRUE(holds({.field = TaskField::State, .states = {TaskState::Failure}}));
  EXPECT_TRUE(holds({.field = TaskField::State, .negated = true, .states = {TaskState::Success}}));
}

TEST(TaskQuery, TextIsContainedInAnyOfSixFieldsWhateverItsCase) {
  EXPECT_TRUE(holds(texts(TaskField::Text, {"BOOM"})));
  EXPECT_TRUE(holds(texts(TaskField::Text, {"add"})));
  EXPECT_TRUE(holds(texts(TaskField::Text, {"1, 2"})));
  EXPECT_TRUE(holds(texts(TaskField::Text, {"5E0F"})));
  EXPECT_FALSE(holds(texts(TaskField::Text, {"w1@host"}))) << "the worker is not among them";
}

TEST(TaskQuery, AFieldThatIsNotThereMatchesNothing) {
  EXPECT_FALSE(holds(texts(TaskField::Queue, {"*"})));
  EXPECT_TRUE(holds(texts(TaskField::Queue, {"*"}, true)));
  Task task = a_task();
  task.runtime.reset();
  EXPECT_FALSE(holds(range(TaskField::Runtime, {.least = 0}), task));
  EXPECT_TRUE(holds(range(TaskField::Runtime, {.least = 0}, true), task));
}

TEST(TaskQuery, RangesHaveTheirEndsOrNot) {
  EXPECT_TRUE(holds(range(TaskField::Runtime, {.least = 4.5})));
  EXPECT_FALSE(holds(range(TaskField::Runtime, {.least = 4.5, .above = true})));
  EXPECT_TRUE(holds(range(TaskField::Wait, {.least = 2.5, .most = 2.5})));
  EXPECT_FALSE(holds(range(TaskField::Wait, {.most = 2.5, .below = true})));
  EXPECT_TRUE(holds(range(TaskField::Retries, {.least = 2, .most = 2})));
}

TEST(TaskQuery, ARootIsItsOwnRoot) {
  EXPECT_TRUE(holds(texts(TaskField::Root, {"5e0f-1"})));
  EXPECT_FALSE(holds(texts(TaskField::Parent, {"5e0f-1"})));
}

TEST(TaskQuery, AnErrorIsItsFingerprint) {
  EXPECT_TRUE(holds(texts(TaskField::Error, {fingerprint("ValueError('Boom 18')", "")})));
  EXPECT_FALSE(holds(texts(TaskField::Error, {"0123456789abcdef"})));
}

TEST(TaskQuery, FindsWithinItsTimeWhatHasTheNumber) {
  const auto at = from_micros(1'000'000);
  EXPECT_TRUE(finds({.after = at}, a_task(), at));
  EXPECT_FALSE(finds({.before = at}, a_task(), at));
  Task task = a_task();
  task.retries = 0;
  EXPECT_FALSE(finds({.order = TaskOrder::MostRetries}, task, at));
  EXPECT_TRUE(finds({.order = TaskOrder::Slowest}, task, at));
  task.runtime.reset();
  EXPECT_FALSE(finds({.order = TaskOrder::Quickest}, task, at));
}

TEST(FirstSight, IsTheReceivingElseTheSendingElseTheLastChange) {
  Task task;
  task.sent = from_micros(1);
  task.received = from_micros(2);
  task.timestamp = from_micros(3);
  EXPECT_EQ(first_sight(task), from_micros(2));
  task.received.reset();
  EXPECT_EQ(first_sight(task), from_micros(1));
  task.sent.reset();
  EXPECT_EQ(first_sight(task), from_micros(3));
}

}  // namespace
}  // namespace umbel
