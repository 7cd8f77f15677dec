// A broker that gives events again, under new numbers, after what took them in was killed before it
// could say so: nothing is counted twice, nothing is lost, and the history is as if they had come
// once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_events.hpp"
#include "test_session.hpp"

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;

class Redelivery : public ::testing::Test {
 protected:
  WallTime at(int ms) { return begin + milliseconds{ms}; }
  static Event from(Event event, std::int64_t pid, std::int64_t clock) {
    std::visit(
        [&](auto& each) {
          each.origin.pid = pid;
          each.origin.clock = clock;
        },
        event);
    return event;
  }
  static Event beat(WallTime when) {
    WorkerEvent event;
    event.type = WorkerEventType::Heartbeat;
    event.origin.hostname = "w1@host";
    event.origin.timestamp = when;
    event.freq = 2.0;
    return event;
  }
  // Two attempts of one task and the only one of another, as a Celery worker numbers them: by the
  // Lamport clock alone.
  std::vector<Event> story() {
    return {from(beat(at(0)), 7, 1),           from(received("a", at(1)), 7, 2),
            from(started("a", at(2)), 7, 3),   from(retried("a", at(3)), 7, 4),
            from(received("a", at(4)), 7, 5),  from(started("a", at(5)), 7, 6),
            from(succeeded("a", at(6)), 7, 7), from(received("b", at(7)), 7, 8),
            from(started("b", at(8)), 7, 9),   from(failed("b", at(9)), 7, 10),
            from(received("c", at(10)), 7, 11)};
  }
  static bool told(const Totals& totals) {
    return totals.received == 4 && totals.retried == 1 && totals.succeeded == 1 &&
           totals.failed == 1;
  }

  TestEngines engines;
  const WallTime begin = engines.clock.wall();
};

TEST_F(Redelivery, HowFarEachWorkerWasTakenInIsKeptWithTheCountsAndSoAreQueuesNames) {
  LiveState state{100, begin};
  state.apply(from(beat(at(0)), 7, 1), at(0));
  state.apply(from(received("a", at(1)), 7, 2), at(1));
  state.hear_of("w1@host", {.pid = 7, .slots = 2, .pool = "prefork", .queues = "mail,celery"},
                at(1));
  const auto kept = from_note(to_note(state, begin, {})).value();
  EXPECT_EQ(kept.queues, (std::vector<std::string>{"celery", "mail"}));
  ASSERT_EQ(kept.workers.size(), 1U);
  const TakenIn& tasks = kept.workers[0].tasks_taken;
  EXPECT_EQ(tasks.at, at(1));
  EXPECT_EQ(tasks.clock, 2);
  EXPECT_EQ(tasks.pid, 7);
  EXPECT_EQ(kept.workers[0].own_taken.clock, 1);
}

TEST_F(Redelivery, WhatComesAgainInTheSameRunCountsNothing) {
  Session run{engines};
  engines.publish(story());
  ASSERT_TRUE(run.reaches(told));
  engines.publish(story());
  engines.publish({from(succeeded("c", at(20)), 7, 12)});
  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.succeeded == 2; }));
  const Totals totals = run.totals();
  EXPECT_EQ(totals.received, 4U);
  EXPECT_EQ(totals.retried, 1U);
  EXPECT_EQ(totals.failed, 1U);
  const auto task = run.live.with([](LiveState& state) { return *state.find(TaskId{"a"}); });
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.starts, 2) << "a start that comes again is no third one";
}

TEST_F(Redelivery, WhatComesAgainAfterARestartCountsNothing) {
  {
    Session run{engines};
    engines.publish(story());
    ASSERT_TRUE(run.reaches(told));
    ASSERT_TRUE(testing::eventually(
        [&] { return kept_in_state(*engines.history, "c", TaskState::Received); }));
  }
  engines.publish(story());  // under new numbers
  engines.publish({from(started("c", at(20)), 7, 12), from(succeeded("c", at(21)), 7, 13)});
  Session run{engines};
  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.succeeded == 2; }));
  const Totals totals = run.totals();
  EXPECT_EQ(totals.received, 4U);
  EXPECT_EQ(totals.retried, 1U);
  EXPECT_EQ(totals.failed, 1U);
  EXPECT_TRUE(testing::eventually(
      [&] { return kept_in_state(*engines.history, "c", TaskState::Success); }));
  EXPECT_EQ(engines.history->find(TaskId{"a"})->starts, 2);
  EXPECT_TRUE(run.counts("umbel_history_events_reread_total 11"))
      << run.metrics.text().substr(run.metrics.text().find("umbel_history_events"), 400);
}

TEST_F(Redelivery, WhatCameOnlyInPartGoesOnWhereItEnded) {
  const auto all = story();
  {
    Session run{engines};
    engines.publish({all.begin(), all.begin() + 3});
    ASSERT_TRUE(testing::eventually(
        [&] { return kept_in_state(*engines.history, "a", TaskState::Started); }));
  }
  engines.publish(all);
  Session run{engines};
  ASSERT_TRUE(run.reaches(told));
  EXPECT_EQ(run.live.with([](LiveState& state) { return state.find(TaskId{"a"})->starts; }), 2);
}

// What only looks like it: two threads of one worker send out of order, another worker's clock is
// behind, a worker started anew counts from one.
TEST_F(Redelivery, WhatIsNewIsCountedHoweverOldItLooks) {
  Session run{engines};
  engines.publish(story());
  ASSERT_TRUE(run.reaches(told));
  engines.publish({from(received("d", at(9)), 7, 10)});
  Event elsewhere = from(retried("c", at(-5'000)), 9, 1);
  std::get<TaskEvent>(elsewhere).origin.hostname = "w2@host";
  engines.publish({elsewhere});
  engines.publish({from(received("e", at(5)), 8, 1)});
  ASSERT_TRUE(run.reaches([](const Totals& totals) {
    return totals.received == 6 && totals.retried == 2;
  })) << run.totals().received
      << " received, " << run.totals().retried << " retried";
}

TEST_F(Redelivery, AGoodbyeThatComesAgainDoesNotEndAWorkerThatIsBack) {
  Session run{engines};
  Event goodbye = beat(at(1));
  std::get<WorkerEvent>(goodbye).type = WorkerEventType::Offline;
  const std::vector<Event> before{from(beat(at(0)), 7, 1), from(goodbye, 7, 2)};
  engines.publish(before);
  engines.publish({from(beat(at(10)), 8, 1)});
  engines.publish({from(received("x", at(11)), 8, 2)});
  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.received == 1; }));
  engines.publish({from(beat(at(10)), 8, 1)});
  engines.publish({from(received("y", at(12)), 8, 3)});
  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.received == 2; }));
  EXPECT_FALSE(run.live.with(
      [](LiveState& state) { return state.workers().at("w1@host").state.said_goodbye; }));
}

}  // namespace
}  // namespace umbel::collector
