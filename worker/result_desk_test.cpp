#include "result_desk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fake_callers.hpp"
#include "stand.hpp"

namespace umbel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;
using umbel::testing::eventually;

Settled settled(const std::string& id, TaskState state = TaskState::Success) {
  Settled made;
  made.held.task.id = TaskId{id};
  made.task.id = TaskId{id};
  made.result.id = TaskId{id};
  made.result.state = state;
  return made;
}

Settled part(const std::string& id, const std::string& group = "g") {
  auto made = settled(id);
  made.queue = QueueName{"q"};
  made.task.group = group;
  made.task.embed["chord"] = boost::json::object{{"task", "body"}};
  made.task.extra_headers["group_index"] = 7;
  return made;
}

class Desk : public ::testing::Test {
 protected:
  ResultDesk& desk() {
    if (!desk_) {
      desk_ = std::make_unique<ResultDesk>(
          ResultDesk::Parts{callers, stand.store.results(), instruments, stand.clock}, limits,
          [this](std::vector<Released> jobs) {
            const std::lock_guard lock{mutex_};
            for (const auto& one : jobs) released_.push_back(one.job.task.id.str());
          },
          [this](const celery::TaskMessage& task, const QueueName& queue,
                 const ChordReturn& chord) -> Result<void> {
            if (body_out) {
              ++body_refused;
              return unavailable("out, says the test");
            }
            const std::lock_guard lock{mutex_};
            bodies_.push_back(
                task.id.str() + " " + queue.str() + " " +
                (chord.is == ChordReturn::Is::Complete ? chord.results : chord.reason));
            return {};
          },
          stand.log);
    }
    return *desk_;
  }
  std::vector<std::string> push(Settled one) {
    std::vector<Settled> all;
    all.push_back(std::move(one));
    std::vector<std::string> free;
    for (const auto& released : desk().push(std::move(all))) {
      free.push_back(released.job.task.id.str());
    }
    return free;
  }
  bool idle() { return desk().wait_idle(Steady::now() + 15s); }
  std::vector<std::string> released() {
    const std::lock_guard lock{mutex_};
    return released_;
  }
  std::vector<std::string> bodies() {
    const std::lock_guard lock{mutex_};
    return bodies_;
  }
  double count(const metrics::Family& family, const std::string& value) {
    return stand.metrics.counter(family, {value}).Value();
  }

  umbel::testing::Stand stand;
  umbel::testing::FakeCallers callers;
  Instruments instruments{stand.metrics, {}};
  ResultDesk::Limits limits;
  std::atomic<bool> body_out{false};
  std::atomic<int> body_refused{0};

 private:
  std::mutex mutex_;
  std::vector<std::string> released_, bodies_;
  std::unique_ptr<ResultDesk> desk_;
};

TEST_F(Desk, TellsAndThenLetsGo) {
  push(settled("a"));
  push(settled("b", TaskState::Failure));
  ASSERT_TRUE(idle());
  EXPECT_THAT(callers.names(), ElementsAre("a SUCCESS", "b FAILURE"));
  EXPECT_THAT(released(), ElementsAre("a", "b"));
  EXPECT_EQ(count(metrics::kCallerResults, "told"), 2);
}

TEST_F(Desk, HoldsMessagesWhileNothingCanBeTold) {
  callers.out = true;
  push(settled("a"));
  push(settled("b"));
  ASSERT_TRUE(eventually([&] { return callers.refused >= 3; }));
  EXPECT_THAT(released(), IsEmpty());
  EXPECT_EQ(desk().waiting(), 2U);
  EXPECT_TRUE(desk().outage());
  callers.out = false;
  ASSERT_TRUE(idle());
  EXPECT_THAT(callers.names(), ElementsAre("a SUCCESS", "b SUCCESS"));
  EXPECT_THAT(released(), ElementsAre("a", "b"));
  EXPECT_GE(count(metrics::kCallerResultErrors, "tell"), 3);
}

TEST_F(Desk, ALongOutageDoesNotHoldThem) {
  limits.hold = 100ms;
  callers.out = true;
  EXPECT_THAT(push(settled("a")), IsEmpty());
  ASSERT_TRUE(eventually([&] { return released() == std::vector<std::string>{"a"}; }));
  EXPECT_THAT(push(settled("b")), ElementsAre("b"));
  callers.out = false;
  ASSERT_TRUE(idle());
  EXPECT_THAT(callers.names(), ElementsAre("a SUCCESS", "b SUCCESS"));
  EXPECT_THAT(released(), ElementsAre("a"));  // once each
  // Over: the next one is held again.
  callers.out = true;
  EXPECT_THAT(push(settled("c")), IsEmpty());
  callers.out = false;
  ASSERT_TRUE(idle());
}

TEST_F(Desk, ADroppedOneIsTheOldestAndIsCounted) {
  limits.hold = 0ms;
  limits.most = 3;
  callers.out = true;
  push(settled("a"));
  ASSERT_TRUE(eventually([&] { return callers.refused >= 1; }));
  for (const auto* id : {"b", "c", "d", "e"}) push(settled(id));
  ASSERT_TRUE(eventually([&] { return count(metrics::kCallerResults, "dropped") == 2; }));
  callers.out = false;
  ASSERT_TRUE(idle());
  EXPECT_THAT(callers.names(), ElementsAre("c SUCCESS", "d SUCCESS", "e SUCCESS"));
  EXPECT_THAT(stand.lines("results dropped untold"), SizeIs(1));
}

TEST_F(Desk, WhatWaitsIsBoundedInBytesToo) {
  limits.hold = 0ms;
  limits.bytes = 3000;
  callers.out = true;
  for (const auto* id : {"a", "b", "c", "d"}) {
    auto large = settled(id);
    large.result.result = "\"" + std::string(1000, 'x') + "\"";
    push(std::move(large));
  }
  ASSERT_TRUE(eventually([&] { return count(metrics::kCallerResults, "dropped") >= 2; }));
  callers.out = false;
  ASSERT_TRUE(idle());
  EXPECT_LE(callers.told().size(), 2U);
  EXPECT_EQ(callers.names().back(), "d SUCCESS");
}

TEST_F(Desk, AStateOnTheWayIsToldInTimeOrNotAtAll) {
  auto started = settled("a", TaskState::Started).result;
  desk().tell(started);
  ASSERT_TRUE(eventually([&] { return callers.names() == std::vector<std::string>{"a STARTED"}; }));
  callers.out = true;
  desk().tell(started);
  push(settled("a", TaskState::Retry));  // its message is let go of
  ASSERT_TRUE(eventually([&] { return released() == std::vector<std::string>{"a"}; }));
  callers.out = false;
  push(settled("a"));
  ASSERT_TRUE(idle());
  EXPECT_THAT(callers.names(), ElementsAre("a STARTED", "a SUCCESS"));
  EXPECT_GE(count(metrics::kCallerResults, "skipped"), 1);
}

TEST_F(Desk, OneThatIsNeverTakenHoldsUpNobody) {
  callers.never = "b";
  for (const auto* id : {"a", "b", "c"}) push(settled(id));
  ASSERT_TRUE(idle());
  auto names = callers.names();
  std::erase(names, "a SUCCESS");
  EXPECT_THAT(names, ElementsAre("c SUCCESS"));
  EXPECT_THAT(released(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(count(metrics::kCallerResults, "refused"), 1);
}

TEST_F(Desk, ReadsFromTheStoreWhatItWasNotTold) {
  FinishedRun run;
  run.id = TaskId{"a"};
  run.name = "add";
  run.queue = QueueName{"umbel"};
  run.result = "42";
  run.done = stand.clock.wall();
  ASSERT_TRUE(stand.store.results().finish({&run, 1}));
  auto known = settled("a");
  known.from_store = true;
  auto unknown = part("never heard of");
  unknown.from_store = true;
  push(std::move(known));
  push(std::move(unknown));
  ASSERT_TRUE(idle());
  ASSERT_THAT(callers.names(), ElementsAre("a SUCCESS"));
  EXPECT_EQ(callers.told()[0].result, "42");
  EXPECT_TRUE(callers.told()[0].done);
  EXPECT_THAT(callers.parts(), IsEmpty());
  EXPECT_THAT(released(), ElementsAre("a", "never heard of"));
}

TEST_F(Desk, ConcernsWhatSomebodyWants) {
  auto ignored = settled("a");
  ignored.ignored = true;
  auto ignored_success = settled("b");
  ignored_success.ignored_success = true;
  auto failure = settled("c", TaskState::Failure);
  failure.ignored_success = true;
  auto in_chord = part("d");
  in_chord.ignored = true;
  EXPECT_FALSE(desk().concerns(ignored));
  EXPECT_FALSE(desk().concerns(ignored_success));
  EXPECT_TRUE(desk().concerns(failure));
  EXPECT_TRUE(desk().concerns(in_chord));
  push(std::move(failure));
  push(std::move(in_chord));
  ASSERT_TRUE(idle());
  EXPECT_THAT(callers.names(), ElementsAre("c FAILURE"));
  EXPECT_THAT(callers.parts(), SizeIs(1));
}

TEST_F(Desk, WhatFallsWithATaskIsToldLikeIt) {
  auto failure = settled("a", TaskState::Failure);
  failure.result.result = R"({"exc_type": "ValueError"})";
  failure.fallen.push_back(settled("b").task);
  failure.fallen.push_back(part("c").task);
  push(std::move(failure));
  ASSERT_TRUE(idle());
  EXPECT_THAT(callers.names(), ElementsAre("a FAILURE", "b FAILURE", "c FAILURE"));
  EXPECT_EQ(callers.told()[2].result, R"({"exc_type": "ValueError"})");
  ASSERT_THAT(callers.parts(), SizeIs(1));
  EXPECT_EQ(callers.parts()[0],
            (ChordPart{"g", 7, TaskId{"c"}, TaskState::Failure, R"({"exc_type": "ValueError"})"}));
}

TEST_F(Desk, ACompleteChordSendsItsBodyAndIsForgotten) {
  callers.chord = [](const ChordPart& one) -> Result<ChordReturn> {
    if (one.id.str() == "a") return ChordReturn{};
    if (one.id.str() == "b") return ChordReturn{ChordReturn::Is::Complete, "[1, 2]", {}};
    return ChordReturn{ChordReturn::Is::Failed, {}, "Dependency x raised"};
  };
  push(part("a"));
  push(part("b"));
  push(part("c", "other"));
  ASSERT_TRUE(idle());
  EXPECT_THAT(bodies(), ElementsAre("b q [1, 2]", "c q Dependency x raised"));
  EXPECT_THAT(callers.ended(), ElementsAre("g"));
  EXPECT_THAT(released(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(count(metrics::kChordParts, "waiting"), 1);
  EXPECT_EQ(count(metrics::kChordParts, "complete"), 1);
  EXPECT_EQ(count(metrics::kChordParts, "failed"), 1);
}

TEST_F(Desk, ABodyThatCannotBeSentIsTriedAgainAndItsMessageHeld) {
  callers.chord = [](const ChordPart&) -> Result<ChordReturn> {
    return ChordReturn{ChordReturn::Is::Complete, "[1]", {}};
  };
  body_out = true;
  push(part("a"));
  ASSERT_TRUE(eventually([&] { return body_refused >= 2; }));
  EXPECT_THAT(released(), IsEmpty());
  EXPECT_THAT(callers.ended(), IsEmpty());
  body_out = false;
  ASSERT_TRUE(idle());
  EXPECT_THAT(bodies(), ElementsAre("a q [1]"));
  EXPECT_THAT(callers.names(), ElementsAre("a SUCCESS"));  // told once
  EXPECT_THAT(released(), ElementsAre("a"));
}

TEST_F(Desk, APartThatIsRefusedIsGivenUp) {
  callers.chord = [](const ChordPart&) -> Result<ChordReturn> { return invalid("no chord"); };
  push(part("a"));
  ASSERT_TRUE(idle());
  EXPECT_THAT(released(), ElementsAre("a"));
  EXPECT_EQ(count(metrics::kChordParts, "refused"), 1);
  EXPECT_THAT(stand.lines("a chord will not go on"), SizeIs(1));
}

TEST_F(Desk, AtItsEndItAnswersWhatIsStillHeld) {
  callers.out = true;
  push(settled("a"));
  ASSERT_TRUE(eventually([&] { return callers.refused >= 1; }));
  push(settled("b"));
  EXPECT_FALSE(desk().wait_idle(Steady::now() + 20ms));
  std::vector<std::string> left;
  for (const auto& job : desk().close()) left.push_back(job.task.id.str());
  EXPECT_THAT(left, ElementsAre("a", "b"));
  EXPECT_THAT(released(), IsEmpty());
}

TEST_F(Desk, AtItsEndItSaysWhatItLoses) {
  limits.hold = 0ms;
  callers.out = true;
  push(settled("a"));
  ASSERT_TRUE(eventually([&] { return !released().empty(); }));
  EXPECT_THAT(desk().close(), IsEmpty());
  EXPECT_THAT(stand.lines("not told to their callers"), SizeIs(1));
  EXPECT_EQ(count(metrics::kCallerResults, "dropped"), 1);
}

}  // namespace
}  // namespace umbel
