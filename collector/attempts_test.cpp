#include "attempts.hpp"

#include <gtest/gtest.h>

#include "python_text.hpp"
#include "task_actions.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

constexpr WallTime kStart{seconds{1'795'348'800}};

WallTime at(int second) { return kStart + seconds{second}; }

Moment moment(int second, const std::string& type, const std::string& worker = "w1",
              const std::string& detail = "") {
  return {.task = TaskId{"t"}, .at = at(second), .type = type, .worker = worker, .detail = detail};
}

Task in_state(TaskState state) {
  Task task;
  task.uuid = TaskId{"t"};
  task.name = "add";
  task.state = state;
  return task;
}

std::vector<AttemptOutcome> outcomes(const std::vector<Moment>& moments, TaskState state) {
  std::vector<AttemptOutcome> all;
  for (const auto& attempt : attempts_of(moments, in_state(state))) all.push_back(attempt.outcome);
  return all;
}

using enum AttemptOutcome;

TEST(Attempts, OneThatSucceeds) {
  const auto attempts = attempts_of(std::vector{moment(0, "sent", "gen"), moment(1, "received"),
                                                moment(2, "started"), moment(3, "succeeded")},
                                    in_state(TaskState::Success));
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0], (Attempt{.worker = "w1",
                                  .received = at(1),
                                  .started = at(2),
                                  .ended = at(3),
                                  .outcome = Succeeded}));
}

TEST(Attempts, ARetryThatIsTakenBeforeItIsToldIsTwo) {  // as Celery's workers tell it
  const std::vector told{moment(1, "received"), moment(2, "started"), moment(3, "received"),
                         moment(4, "retried", "w1", "ValueError('x')")};
  Task waits = in_state(TaskState::Retry);
  waits.received = at(3);
  waits.started = at(2);
  waits.retried = at(4);
  const auto before = attempts_of(told, waits);
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(before[0], (Attempt{.worker = "w1",
                                .received = at(1),
                                .started = at(2),
                                .ended = at(4),
                                .outcome = Retried,
                                .detail = "ValueError('x')"}));
  EXPECT_EQ(before[1], (Attempt{.worker = "w1", .received = at(3)}));

  auto more = told;
  more.push_back(moment(6, "started"));
  more.push_back(moment(7, "succeeded"));
  const auto after = attempts_of(more, in_state(TaskState::Success));
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].outcome, Retried);
  EXPECT_EQ(after[1], (Attempt{.worker = "w1",
                               .received = at(3),
                               .started = at(6),
                               .ended = at(7),
                               .outcome = Succeeded}));
}

TEST(Attempts, WhatIsTakenAnewWhileItRunsIsLostUnlessItsEndIsTold) {
  EXPECT_EQ(outcomes({moment(1, "received"), moment(2, "started"), moment(3, "received", "w2"),
                      moment(4, "started", "w2"), moment(5, "succeeded", "w2")},
                     TaskState::Success),
            (std::vector{Lost, Succeeded}));
  EXPECT_EQ(outcomes({moment(1, "received"), moment(2, "started"), moment(3, "received", "w2")},
                     TaskState::Received),
            (std::vector{Lost, Waiting}));
}

TEST(Attempts, ARetryIsTwo) {
  const auto attempts =
      attempts_of(std::vector{moment(1, "received"), moment(2, "started"),
                              moment(3, "retried", "w1", "ValueError('x')"),
                              moment(4, "received", "w2"), moment(5, "started", "w2")},
                  in_state(TaskState::Started));
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].outcome, Retried);
  EXPECT_EQ(attempts[0].detail, "ValueError('x')");
  EXPECT_EQ(attempts[1].outcome, Running);
  EXPECT_EQ(attempts[1].worker, "w2");
}

TEST(Attempts, ALostWorkersIsLostAndGoesToAnother) {
  const auto attempts = attempts_of(
      std::vector{moment(1, "received"), moment(2, "started"), moment(9, "received", "w2"),
                  moment(10, "started", "w2"), moment(11, "succeeded", "w2")},
      in_state(TaskState::Success));
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].outcome, Lost);
  EXPECT_FALSE(attempts[0].ended);
  EXPECT_NE(attempts[0].detail.find("w1"), std::string::npos);
  EXPECT_EQ(attempts[1].outcome, Succeeded);
}

TEST(Attempts, ALostOneWithoutAReceivingIsToldByTheNextStart) {
  EXPECT_EQ(outcomes({moment(1, "started"), moment(5, "started", "w2"), moment(6, "failed", "w2")},
                     TaskState::Failure),
            (std::vector{Lost, Failed}));
}

TEST(Attempts, WhatWasTakenAndNotStartedIsHandedBack) {
  EXPECT_EQ(outcomes({moment(1, "received"), moment(4, "received", "w2"),
                      moment(5, "started", "w2"), moment(6, "succeeded", "w2")},
                     TaskState::Success),
            (std::vector{HandedBack, Succeeded}));
}

TEST(Attempts, ARevokedOneEndsByThat) {
  EXPECT_EQ(outcomes({moment(1, "received"), moment(2, "revoked")}, TaskState::Revoked),
            std::vector{Revoked});
  EXPECT_EQ(outcomes({moment(2, "revoked")}, TaskState::Revoked), std::vector{Revoked});
}

TEST(Attempts, AnEndToldTwiceIsOne) {
  EXPECT_EQ(outcomes({moment(1, "received"), moment(2, "started"), moment(3, "succeeded"),
                      moment(4, "succeeded", "w2")},
                     TaskState::Success),
            std::vector{Succeeded});
}

TEST(Attempts, WhereEventsWereMissedTheTaskKnows) {
  Task task = in_state(TaskState::Failure);
  task.failed = at(9);
  task.exception = "E('x')";
  const auto attempts = attempts_of(std::vector{moment(1, "received"), moment(2, "started")}, task);
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(attempts[0].outcome, Failed);
  EXPECT_EQ(attempts[0].ended, at(9));
  EXPECT_EQ(attempts[0].detail, "E('x')");
  EXPECT_TRUE(attempts_of({}, in_state(TaskState::Pending)).empty());
  EXPECT_EQ(attempts_of({}, task).size(), 1U);
  EXPECT_EQ(outcomes({moment(1, "received")}, TaskState::Received), std::vector{Waiting});
}

TEST(TaskActions, AreAllowedWhereTheyMakeSense) {
  EXPECT_TRUE(may_retry(in_state(TaskState::Failure), true).allowed);
  EXPECT_TRUE(may_retry(in_state(TaskState::Success), true).allowed);
  EXPECT_FALSE(may_retry(in_state(TaskState::Failure), false).allowed);
  EXPECT_NE(may_retry(in_state(TaskState::Failure), false, 70'000).why.find("70000 bytes"),
            std::string::npos);
  EXPECT_FALSE(may_retry(in_state(TaskState::Started), true).allowed);
  Task nameless = in_state(TaskState::Failure);
  nameless.name.reset();
  EXPECT_FALSE(may_retry(nameless, true).allowed);
  for (const auto state : {TaskState::Pending, TaskState::Received, TaskState::Retry})
    EXPECT_TRUE(may_revoke(in_state(state)).allowed);
  for (const auto state : {TaskState::Started, TaskState::Success, TaskState::Failure,
                           TaskState::Revoked, TaskState::Rejected}) {
    const auto permission = may_revoke(in_state(state));
    EXPECT_FALSE(permission.allowed);
    EXPECT_FALSE(permission.why.empty());
  }
}

TEST(PythonText, IsReadAsTheValueThatItWas) {
  const auto is = [](const char* text, const char* expected) {
    const auto read = from_python_text(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, json::parse(expected)) << text << " is " << json::serialize(*read);
  };
  is("(1, 'a', None)", R"([1, "a", null])");
  is("(1,)", "[1]");
  is("()", "[]");
  is("[True, False, -2.5, 1e3]", "[true, false, -2.5, 1000.0]");
  is("{'x': {'y': [1]}, \"it's\": 2}", R"({"x": {"y": [1]}, "it's": 2})");
  is("{}", "{}");
  is(R"('a\n\'b\'\x41ä\\')", R"("a\n'b'Aä\\")");
  is("3", "3");
}

TEST(PythonText, ThatIsNoPlainValueIsNotRead) {
  for (const char* text : {"", "(1, 2", "('abc...", "<Thing at 0x7f>", "{1, 2}", "{1: 2}", "(1)",
                           "(1 2)", "[1, ...]", "nan", "Nonesuch", "'open", "1 2",
                           "123456789012345678901234567890", "b'x'", "[,]", "'\\ud800'"}) {
    EXPECT_FALSE(from_python_text(text)) << text;
  }
  EXPECT_FALSE(from_python_text(std::string(100, '[')));
}

}  // namespace
}  // namespace umbel::collector
