#include "intake.hpp"

#include <gtest/gtest.h>

#include "kept.hpp"
#include "test_engines.hpp"
#include "test_events.hpp"
#include "test_session.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/forwarding_broker.hpp"

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;
using testing::eventually;

class IntakeOverSqlite : public ::testing::Test {
 protected:
  WallTime now() { return engines.clock.wall(); }
  TestEngines engines;
};

TEST_F(IntakeOverSqlite, WritesTasksAndTheirTimelineToTheHistory) {
  Session run{engines};

  engines.publish({received("a", now()), started("a", now())});
  engines.publish({succeeded("a", now())});

  ASSERT_TRUE(eventually([&] { return kept_in_state(*engines.history, "a", TaskState::Success); }));
  const auto task = engines.history->find(TaskId{"a"});
  EXPECT_EQ(task->name, "add");
  EXPECT_EQ(task->runtime, 0.5);
  const auto timeline = engines.history->timeline(TaskId{"a"});
  ASSERT_EQ(timeline->size(), 3U);
  EXPECT_EQ(timeline->at(2).type, "succeeded");
  EXPECT_TRUE(run.intake.ready().has_value());
}

TEST_F(IntakeOverSqlite, ARestartNeitherForgetsNorCountsTwice) {
  {
    Session first{engines};
    engines.publish(
        {heartbeat("w1@host", now(), 7, 1), received("a", now()), succeeded("a", now())});
    engines.publish({received("b", now()), started("b", now())});
    ASSERT_TRUE(first.reaches([](const Totals& totals) { return totals.received == 2; }));
  }
  engines.publish({succeeded("b", now()), heartbeat("w1@host", now(), 7, 4)});

  Session second{engines};

  ASSERT_TRUE(second.reaches([](const Totals& totals) { return totals.succeeded == 2; }));
  EXPECT_EQ(second.totals(),
            (Totals{.succeeded = 2, .received = 2, .missed_events = 2}));  // numbers 2 and 3 of w1
  EXPECT_TRUE(second.knows("a"));
}

// A kill between the history's commit and the broker's: the broker tells everything again, the
// position says it is known.
TEST_F(IntakeOverSqlite, EventsThatTheBrokerTellsAgainAreKnown) {
  engines.publish({received("a", now())});
  engines.publish({succeeded("a", now())});
  {
    Session first{engines};
    ASSERT_TRUE(
        eventually([&] { return kept_in_state(*engines.history, "a", TaskState::Success); }));
  }
  HistoryPosition position = engines.history->position().value();
  ASSERT_EQ(position.event_offset, 2U);
  position.event_offset = 1;  // as if the second batch's commit had been lost: it comes again
  engines.history->append({}, {}, position).value();

  Session second{engines};
  engines.publish({received("b", now())});

  ASSERT_TRUE(second.reaches([](const Totals& totals) { return totals.received == 2; }));
  EXPECT_EQ(second.totals().succeeded, 1U);
}

TEST_F(IntakeOverSqlite, GoesOnLiveWhileTheHistoryFailsAndCatchesUpAfterwards) {
  Session run{engines};
  engines.history->broken = true;

  engines.publish({received("a", now()), succeeded("a", now())});

  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.succeeded == 1; }));
  ASSERT_TRUE(eventually([&] {  // it is not ready either before its first look at the stream
    const auto ready = run.intake.ready();
    return ready.has_error() && ready.error().what.find("disk full") != std::string::npos;
  }));
  EXPECT_TRUE(eventually([&] {
    return run.live.with([](LiveState& state) { return state.monitor().history_error; }) ==
           "disk full";
  }));
  EXPECT_TRUE(run.counts("umbel_history_errors_total 1"));

  engines.history->broken = false;

  EXPECT_TRUE(eventually([&] { return kept_in_state(*engines.history, "a", TaskState::Success); }));
  EXPECT_TRUE(eventually([&] { return run.intake.ready().has_value(); }));
}

TEST_F(IntakeOverSqlite, WhatIsTooMuchToHoldIsReadAgainFromTheStream) {
  IntakeOptions options = Session::quick();
  options.most_waiting = 5;
  Session run{engines, options};
  engines.publish({received("first", now())});
  ASSERT_TRUE(
      eventually([&] { return kept_in_state(*engines.history, "first", TaskState::Received); }));
  engines.history->broken = true;
  for (int i = 0; i < 20; ++i) {
    const std::string id = "t" + std::to_string(i);
    engines.publish({received(id, now()), succeeded(id, now())});
  }
  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.succeeded == 20; }));
  ASSERT_TRUE(eventually([&] { return run.intake.ready().has_error(); }));

  engines.history->broken = false;

  for (int i = 0; i < 20; ++i) {
    const std::string id = "t" + std::to_string(i);
    EXPECT_TRUE(eventually([&] { return kept_in_state(*engines.history, id, TaskState::Success); }))
        << id;
  }
  EXPECT_EQ(run.totals(), (Totals{.succeeded = 20, .received = 21}));
}

TEST_F(IntakeOverSqlite, ClosesATaskWhoseEndEventWasLost) {
  Session run{engines};
  engines.publish({received("a", now()), started("a", now())});

  engines.finish("a", "3");

  ASSERT_TRUE(eventually([&] { return kept_in_state(*engines.history, "a", TaskState::Success); }));
  EXPECT_EQ(engines.history->find(TaskId{"a"})->result, "3");
  EXPECT_EQ(run.totals().succeeded, 1U);
  EXPECT_TRUE(run.counts("umbel_tasks_closed_from_results_total 1"));
}

TEST_F(IntakeOverSqlite, HowLongAResultWaitsForItsEventIsNoMatterOfTheWallClock) {
  testing::FakeClock clock;
  IntakeOptions options = Session::quick();
  options.close_after = std::chrono::seconds{3};
  Session run{*engines.broker, *engines.store, *engines.history, clock, options};
  const auto goes_on = [&](const std::string& marker) {
    engines.publish({received(marker, clock.wall())});
    return eventually([&] {
      clock.advance(milliseconds{1});
      return kept_in_state(*engines.history, marker, TaskState::Received);
    });
  };
  engines.publish({received("a", clock.wall()), started("a", clock.wall())});
  engines.finish("a", "3");
  ASSERT_TRUE(goes_on("seen"));

  clock.set_wall(clock.wall() + std::chrono::hours{1});
  ASSERT_TRUE(goes_on("forward"));
  EXPECT_TRUE(kept_in_state(*engines.history, "a", TaskState::Started));
  clock.set_wall(clock.wall() - std::chrono::hours{2});
  ASSERT_TRUE(goes_on("back"));

  ASSERT_TRUE(eventually([&] {
    clock.advance(milliseconds{100});
    return kept_in_state(*engines.history, "a", TaskState::Success);
  }));
}

TEST_F(IntakeOverSqlite, AResultWhoseEventCameClosesNothing) {
  IntakeOptions options = Session::quick();
  options.close_after = milliseconds{500};
  Session run{engines, options};
  engines.finish("a", "3");
  engines.publish({received("a", now()), succeeded("a", now())});
  engines.finish("b", "4");  // its event never comes

  ASSERT_TRUE(eventually([&] { return kept_in_state(*engines.history, "b", TaskState::Success); }));
  EXPECT_TRUE(run.counts("umbel_tasks_closed_from_results_total 1"));
  EXPECT_TRUE(eventually([&] { return engines.history->position()->result_sequence == 2; }));
}

TEST_F(IntakeOverSqlite, ATaskThatLiveStateForgotIsReadBackBeforeItIsChanged) {
  IntakeOptions options = Session::quick();
  options.most_tasks = 2;
  Session run{engines, options};
  engines.publish({received("old", now(), "reddit.discover")});
  ASSERT_TRUE(
      eventually([&] { return kept_in_state(*engines.history, "old", TaskState::Received); }));
  engines.publish({received("x", now()), received("y", now()), received("z", now())});
  ASSERT_TRUE(eventually([&] { return run.knows("z") && !run.knows("old"); }));

  engines.publish({succeeded("old", now())});

  ASSERT_TRUE(
      eventually([&] { return kept_in_state(*engines.history, "old", TaskState::Success); }));
  EXPECT_EQ(engines.history->find(TaskId{"old"})->name, "reddit.discover");
  EXPECT_TRUE(run.counts("umbel_tasks_evicted_total 3"));
}

TEST_F(IntakeOverSqlite, TasksBeyondTheBoundAreCountedWhereTheyAre) {
  IntakeOptions options = Session::quick();
  options.most_tasks = 3;
  constexpr int kTasks = 20;
  const auto id = [](int i) { return "t" + std::to_string(i); };
  const auto in_state = [](Session& run, TaskState state) {
    return run.live.with([&](LiveState& live) { return live.in_state(state); });
  };
  {
    Session run{engines, options};
    engines.history->broken = true;  // the history knows nothing of them when they come back
    for (int i = 0; i < kTasks; ++i) engines.publish({received(id(i), now())});
    for (int i = 0; i < kTasks; ++i) engines.publish({started(id(i), now())});
    ASSERT_TRUE(
        eventually([&] { return in_state(run, TaskState::Started) == std::uint64_t{kTasks}; }));
    EXPECT_EQ(in_state(run, TaskState::Received), 0U);
    EXPECT_EQ(run.totals(), (Totals{.received = kTasks}));
    engines.history->broken = false;
    for (int i = 0; i < 5; ++i) engines.publish({succeeded(id(i), now())});
    ASSERT_TRUE(eventually([&] { return in_state(run, TaskState::Started) == 15; }));
    ASSERT_TRUE(
        eventually([&] { return kept_in_state(*engines.history, id(4), TaskState::Success); }));
  }

  Session next{engines, options};

  EXPECT_EQ(in_state(next, TaskState::Started), 15U) << "more than it can hold";
  for (int i = 5; i < kTasks; ++i) engines.publish({succeeded(id(i), now())});
  ASSERT_TRUE(eventually([&] { return in_state(next, TaskState::Started) == 0; }));
  EXPECT_EQ(next.totals(), (Totals{.succeeded = kTasks, .received = kTasks}));
}

// The three that are held are the last ones of the batch, and have to go before their turn comes.
TEST_F(IntakeOverSqlite, OneBatchMayBeOfMoreTasksThanAreHeld) {
  IntakeOptions options = Session::quick();
  options.most_tasks = 3;
  constexpr int kTasks = 20;
  Session run{engines, options};
  std::vector<Event> first, second, third;
  for (int i = 0; i < kTasks; ++i) {
    const std::string id = "t" + std::to_string(i);
    first.push_back(received(id, now()));
    second.push_back(started(id, now()));
    third.push_back(succeeded(id, now()));
  }
  const auto all_kept = [&](TaskState state) {
    return eventually([&] {
      for (int i = 0; i < kTasks; ++i) {
        if (!kept_in_state(*engines.history, "t" + std::to_string(i), state)) return false;
      }
      return true;
    });
  };

  engines.publish(first);
  ASSERT_TRUE(all_kept(TaskState::Received));
  engines.publish(second);
  ASSERT_TRUE(all_kept(TaskState::Started));
  EXPECT_EQ(run.totals(), (Totals{.received = kTasks}));
  EXPECT_EQ(run.live.with([](LiveState& state) { return state.in_state(TaskState::Started); }),
            std::uint64_t{kTasks});
  engines.publish(third);
  ASSERT_TRUE(all_kept(TaskState::Success));
  engines.publish(second);  // once more, late
  engines.publish({received("last", now())});
  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.received > kTasks; }));

  EXPECT_EQ(run.totals(), (Totals{.succeeded = kTasks, .received = kTasks + 1}));
  EXPECT_EQ(run.live.with([](LiveState& state) { return state.in_state(TaskState::Started); }), 0U);
}

TEST_F(IntakeOverSqlite, WhatIsNoEventIsCountedAndPassedOver) {
  Session run{engines};

  engines.broker->publish_events("not json", {}).value();
  engines.broker->publish_events(R"([{"type": "task-received"}, 7])", {}).value();
  engines.publish({received("a", now())});

  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.received == 1; }));
  EXPECT_TRUE(run.counts("umbel_events_undecodable_total{reason=\"body\"} 1"));
  EXPECT_TRUE(run.counts("umbel_events_undecodable_total{reason=\"event\"} 2"));
  EXPECT_TRUE(eventually(
      [&] { return run.counts("umbel_events_received_total{type=\"task-received\"} 1"); }));
}

TEST(IntakeOverABoundedStream, WhatWasCutOffIsCountedAndItsSecondsAreNotKnown) {
  TestEngines engines{20'000};
  {
    Session first{engines};
    engines.publish({received("a", engines.clock.wall())});
    ASSERT_TRUE(
        eventually([&] { return kept_in_state(*engines.history, "a", TaskState::Received); }));
  }
  for (int i = 0; i < 400; ++i) {
    engines.publish({received("t" + std::to_string(i), engines.clock.wall())});
  }

  Session second{engines};

  ASSERT_TRUE(second.reaches([](const Totals& totals) { return totals.cut_batches > 0; }));
  ASSERT_TRUE(eventually([&] { return second.knows("t399"); }));
  const Totals totals = second.totals();
  EXPECT_EQ(totals.received + totals.cut_batches, 401U);
}

// An engine that cannot tell what was cut off, and says so with every batch.
class Forgetful : public testing::ForwardingBroker {
 public:
  Forgetful(Broker& real, PerhapsCut place) : ForwardingBroker{real}, place_{place} {}
  Result<std::unique_ptr<EventSubscription>> subscribe(SubscribeOptions options) override {
    auto real = ForwardingBroker::subscribe(std::move(options));
    if (!real) return real;
    return std::unique_ptr<EventSubscription>{std::make_unique<Reading>(std::move(*real), place_)};
  }

 private:
  class Reading : public EventSubscription {
   public:
    Reading(std::unique_ptr<EventSubscription> real, PerhapsCut place)
        : real_{std::move(real)}, place_{place} {}
    Result<std::vector<EventBatch>> next(std::size_t max, milliseconds limit,
                                         std::stop_token stop) override {
      auto batches = real_->next(max, limit, stop);
      if (batches) {
        for (auto& batch : *batches) batch.perhaps_cut = place_;
      }
      return batches;
    }
    Result<void> commit(EventOffset offset) override { return real_->commit(offset); }
    Result<EventStreamFigures> figures() override { return real_->figures(); }

   private:
    const std::unique_ptr<EventSubscription> real_;
    const PerhapsCut place_;
  };
  const PerhapsCut place_;
};

TEST_F(IntakeOverSqlite, WhatMayHaveBeenCutOffIsASpanOfWhichNotEverythingIsKnown) {
  const auto to = now() - std::chrono::seconds{30};
  Forgetful broker{*engines.broker, {.from = to - std::chrono::seconds{5}, .to = to}};
  Session run{broker, *engines.store, *engines.history, engines.clock};
  engines.publish({received("a", now())});
  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.received == 1; }));
  EXPECT_TRUE(run.counts("umbel_event_stream_full_total 1"));
  EXPECT_TRUE(run.counts("umbel_event_batches_cut_total 0"));
  const auto at = std::chrono::floor<std::chrono::seconds>(to).time_since_epoch().count();
  const auto spans =
      run.live.with([&](LiveState& state) { return state.blind_spans().between(at - 9, at); });
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].reason, BlindReason::Cut);
  EXPECT_EQ(spans[0].lost, 0U);
  EXPECT_EQ(spans[0].from, at - 5);
  EXPECT_EQ(spans[0].to, at);
}

}  // namespace
}  // namespace umbel::collector
