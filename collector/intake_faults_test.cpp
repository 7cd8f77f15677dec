// What breaks between the events and the history: each call once, the process at each write, the
// disk for a while, the clocks. Whatever it is, counts and history come out as without it.
#include <gtest/gtest.h>

#include "test_events.hpp"
#include "test_session.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/faulty_history.hpp"
#include "umbel/testing/faulty_store.hpp"
#include "umbel/testing/forwarding_history.hpp"

namespace umbel::collector {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::eventually;
using testing::FaultPlan;
using testing::When;

// Some tasks in every way in which one can end, with events told twice, late, or never.
struct Story {
  static constexpr int kTasks = 12;
  static std::string id(int i) { return "task-" + std::to_string(i); }

  static std::vector<std::vector<Event>> batches(WallTime now) {
    std::vector<std::vector<Event>> all;
    for (int i = 0; i < kTasks; ++i) {
      const WallTime at = now + milliseconds{i};
      const std::string task = id(i);
      switch (i % 6) {
        case 0:  // as it should be
          all.push_back({received(task, at), started(task, at + milliseconds{1})});
          all.push_back({succeeded(task, at + milliseconds{2})});
          break;
        case 1:  // told twice
          all.push_back({received(task, at), received(task, at)});
          all.push_back({started(task, at + milliseconds{1}), failed(task, at + milliseconds{2})});
          all.push_back({failed(task, at + milliseconds{2})});
          break;
        case 2:  // tried again
          all.push_back({received(task, at), retried(task, at + milliseconds{1})});
          all.push_back(
              {received(task, at + milliseconds{2}), succeeded(task, at + milliseconds{3})});
          break;
        case 3:  // the end comes first
          all.push_back({succeeded(task, at + milliseconds{2})});
          all.push_back({started(task, at + milliseconds{1}), received(task, at)});
          break;
        case 4:  // the beginning is lost
          all.push_back({started(task, at + milliseconds{1})});
          all.push_back({succeeded(task, at + milliseconds{2})});
          break;
        default:  // the end is lost: the store has it
          all.push_back({received(task, at), started(task, at + milliseconds{1})});
          break;
      }
    }
    return all;
  }
  static constexpr Totals kTotals{.succeeded = 10, .failed = 2, .retried = 2, .received = 14};

  static void finish_what_was_lost(TestEngines& engines) {
    for (int i = 5; i < kTasks; i += 6) engines.finish(id(i), "3");
  }
  static TaskState end_of(int i) { return i % 6 == 1 ? TaskState::Failure : TaskState::Success; }
  static bool all_kept(History& history) {
    for (int i = 0; i < kTasks; ++i) {
      if (!kept_in_state(history, id(i), end_of(i))) return false;
    }
    return true;
  }
  static void expect_whole(TestEngines& engines, Session& run) {
    EXPECT_TRUE(run.reaches([](const Totals& totals) { return totals == kTotals; }));
    EXPECT_EQ(run.totals(), kTotals);
    EXPECT_TRUE(eventually([&] { return all_kept(*engines.history); }));
    for (int i = 0; i < kTasks; ++i) {
      const auto state = run.live.with([&](LiveState& live) {
        const Task* const task = live.find(TaskId{id(i)});
        return task == nullptr ? std::nullopt : std::optional{task->state};
      });
      EXPECT_EQ(state, end_of(i)) << id(i);
      EXPECT_EQ(engines.history->find(TaskId{id(i)})->state, end_of(i)) << id(i);
    }
  }
};

TEST(IntakeFaults, WhicheverCallFailsOnceEverythingIsCountedOnceAndKept) {
  testing::fail_each_call([](FaultPlan& plan) {
    TestEngines engines;
    testing::FaultyBroker broker{*engines.broker, plan};
    testing::FaultyStore store{*engines.store, plan};
    testing::FaultyHistory history{*engines.history, plan};
    const auto batches = Story::batches(engines.clock.wall());
    const std::size_t half = batches.size() / 2;
    for (std::size_t i = 0; i < half; ++i) engines.publish(batches[i]);
    IntakeOptions options = Session::quick();
    options.close_after = milliseconds{20};
    Session run{broker, store, history, engines.clock, options};
    for (std::size_t i = half; i < batches.size(); ++i) engines.publish(batches[i]);
    Story::finish_what_was_lost(engines);

    Story::expect_whole(engines, run);
  });
}

// Dies at an append, before it took effect or after it: nothing reaches the disk any more, as after
// a kill.
class DyingHistory final : public testing::ForwardingHistory {
 public:
  DyingHistory(History& real, int appends, When when)
      : ForwardingHistory{real}, lives_{appends}, when_{when} {}
  [[nodiscard]] bool dead() const { return dead_; }

  Result<void> become_writer() override {
    if (dead_) return unavailable("killed");
    return ForwardingHistory::become_writer();
  }
  Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                      const HistoryPosition& position) override {
    if (!dead_ && lives_-- > 0) return ForwardingHistory::append(tasks, moments, position);
    if (!dead_ && when_ == When::After) (void)ForwardingHistory::append(tasks, moments, position);
    dead_ = true;
    return unavailable("killed");
  }

 private:
  std::atomic<int> lives_;
  const When when_;
  std::atomic<bool> dead_{false};
};

// Too much waits during an outage, so that all of it is given up and read again; then the collector
// is killed at the nth write, wherever in the reading again that is, and another one takes over.
TEST(IntakeFaults, KilledAtAnyWriteAfterAnOutageNothingIsCountedTwice) {
  for (const When when : {When::Before, When::After}) {
    bool outlived = false;
    for (int appends = 0; !outlived && appends < 40; ++appends) {
      SCOPED_TRACE(std::to_string(appends) + " writes, then killed " + testing::to_text(when));
      TestEngines engines;
      DyingHistory mortal{*engines.history, appends, when};
      IntakeOptions options = Session::quick();
      options.most_waiting = 3;  // each read is of a few batches only: several steps
      {
        Session run{*engines.broker, *engines.store, mortal, engines.clock, options};
        const auto batches = Story::batches(engines.clock.wall());
        engines.history->broken = true;
        for (const auto& batch : batches) engines.publish(batch);
        Story::finish_what_was_lost(engines);
        ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals == Story::kTotals; }));
        engines.history->broken = false;
        ASSERT_TRUE(eventually([&] { return mortal.dead() || Story::all_kept(*engines.history); }));
        outlived = !mortal.dead();
        EXPECT_EQ(run.totals(), Story::kTotals);
      }
      Session next{engines};
      Story::expect_whole(engines, next);
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_TRUE(outlived);
  }
}

// Writes down where the history stood, so that a step back shows.
class WatchedHistory final : public testing::ForwardingHistory {
 public:
  using ForwardingHistory::ForwardingHistory;
  [[nodiscard]] bool went_back() const { return went_back_; }

  Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                      const HistoryPosition& position) override {
    const auto before = ForwardingHistory::position();
    auto done = ForwardingHistory::append(tasks, moments, position);
    if (done && before && before->event_offset > position.event_offset) went_back_ = true;
    return done;
  }

 private:
  std::atomic<bool> went_back_{false};
};

std::uint64_t charted(Session& run, Count what) {
  return run.live.with([&](LiveState& state) {
    std::uint64_t total = 0;
    for (const auto& [from, bucket] : state.rollup().between(0, 0, 1LL << 40))
      total += bucket.counts[static_cast<std::size_t>(what)];
    return total;
  });
}

// One collector writes, another one stands by; the first is killed at its nth write, and the second
// takes over: with all that it read meanwhile still waiting, or long given up.
TEST(IntakeFaults, WhoTakesTheHistoryOverGoesOnFromWhereItStands) {
  for (const std::size_t most_waiting : {std::size_t{1000}, std::size_t{3}}) {
    for (const When when : {When::Before, When::After}) {
      bool outlived = false;
      for (int appends = 1; !outlived && appends < 60; appends += 3) {
        SCOPED_TRACE(std::to_string(appends) + " writes, then killed " + testing::to_text(when) +
                     "; " + std::to_string(most_waiting) + " may wait");
        TestEngines engines;
        auto first_history =
            open_history("sqlite:" + engines.dir.file("umbel.db"), engines.clock, Log::none())
                .value();
        auto mortal = std::make_unique<DyingHistory>(*first_history, appends, when);
        auto first = std::make_unique<Session>(*engines.broker, *engines.store, *mortal,
                                               engines.clock, Session::quick());
        ASSERT_TRUE(first_history->become_writer().has_value());
        WatchedHistory watched{*engines.history};
        IntakeOptions options = Session::quick();
        options.most_waiting = most_waiting;
        options.subscriber = "stand-by";  // the stream keeps for it what the first is done with
        Session second{*engines.broker, *engines.store, watched, engines.clock, options};
        const auto batches = Story::batches(engines.clock.wall());
        const std::size_t most = batches.size() / 2;
        for (std::size_t i = 0; i < most; ++i) {
          engines.publish(batches[i]);
          ASSERT_TRUE(eventually(
              [&] { return mortal->dead() || engines.history->position()->event_offset > i; }));
        }
        ASSERT_TRUE(second.reaches([&](const Totals& totals) { return totals.received >= 6; }));
        outlived = !mortal->dead();
        first.reset();
        mortal.reset();
        first_history.reset();  // the lock is free

        for (std::size_t i = most; i < batches.size(); ++i) engines.publish(batches[i]);
        Story::finish_what_was_lost(engines);

        Story::expect_whole(engines, second);
        EXPECT_FALSE(watched.went_back());
        EXPECT_EQ(charted(second, Count::Received), Story::kTotals.received);
        EXPECT_EQ(charted(second, Count::Succeeded), Story::kTotals.succeeded);
        if (::testing::Test::HasFailure()) return;
      }
      EXPECT_TRUE(outlived);
    }
  }
}

// What the one that stood by did not read the first one had counted: cut off meanwhile, it is not
// lost.
TEST(IntakeFaults, WhoStoodByWithoutReadingTakesOverTheCountsOfTheFirst) {
  TestEngines engines{20'000};
  auto first_history =
      open_history("sqlite:" + engines.dir.file("umbel.db"), engines.clock, Log::none()).value();
  auto first = std::make_unique<Session>(*engines.broker, *engines.store, *first_history,
                                         engines.clock, Session::quick());
  engines.publish({received("early", engines.clock.wall())});
  ASSERT_TRUE(
      eventually([&] { return kept_in_state(*engines.history, "early", TaskState::Received); }));
  metrics::Metrics metrics{"collector"};
  Live live{100, engines.clock.wall(), &engines.clock};
  Intake second{*engines.broker,
                engines.store->results(),
                *engines.history,
                live,
                engines.clock,
                metrics,
                Log::none(),
                Session::quick(),
                [] { return std::uint64_t{1}; }};
  ASSERT_TRUE(second.load().has_value());  // and is held up before it reads anything
  for (std::uint64_t i = 0; i < 400; ++i) {
    engines.publish({received("t" + std::to_string(i), engines.clock.wall())});
    if (i % 50 == 49) {
      ASSERT_TRUE(first->reaches([&](const Totals& totals) { return totals.received >= i + 2; }));
    }
  }
  first.reset();
  first_history.reset();
  const auto stood = engines.history->position().value().event_offset;

  second.start();
  engines.publish({received("late", engines.clock.wall())});

  ASSERT_TRUE(
      eventually([&] { return kept_in_state(*engines.history, "late", TaskState::Received); }));
  const Totals totals = live.with([](LiveState& state) { return state.totals(); });
  EXPECT_EQ(totals, (Totals{.received = 402}));
  EXPECT_EQ(engines.history->position()->event_offset, stood + 1);
  second.stop();
}

TEST(IntakeFaults, AHistoryThatHangsHoldsUpNothingThatIsShown) {
  TestEngines engines;
  std::mutex gate;
  std::unique_lock shut{gate};
  class Hanging final : public testing::ForwardingHistory {
   public:
    Hanging(History& real, std::mutex& gate) : ForwardingHistory{real}, gate_{gate} {}
    Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                        const HistoryPosition& position) override {
      const std::lock_guard wait{gate_};
      return ForwardingHistory::append(tasks, moments, position);
    }

   private:
    std::mutex& gate_;
  } history{*engines.history, gate};
  IntakeOptions options = Session::quick();
  options.shed_from = 20;
  options.most_waiting = 60;
  Session run{*engines.broker, *engines.store, history, engines.clock, options};
  ASSERT_TRUE(eventually([&] {
    return run.live.with([](LiveState& state) { return state.monitor().events_read; }).has_value();
  }));

  for (int i = 0; i < 50; ++i) {
    engines.publish({received("t" + std::to_string(i), engines.clock.wall())});
  }

  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.received == 50; }));
  shut.unlock();
  ASSERT_TRUE(
      eventually([&] { return kept_in_state(*engines.history, "t49", TaskState::Received); }));
  EXPECT_TRUE(
      eventually([&] { return run.counts("umbel_history_shed_total{what=\"moments\"} "); }));
  EXPECT_FALSE(run.counts("umbel_history_shed_total{what=\"moments\"} 0"));
  EXPECT_TRUE(eventually([&] { return run.intake.ready().has_error(); }));
  EXPECT_NE(run.intake.ready().error().what.find("without detail"), std::string::npos);
}

TEST(IntakeFaults, ATaskThatOnlyTheStoreKnowsIsCountedOnceAndItsLateEventsNotAgain) {
  TestEngines engines;
  Session run{engines};
  engines.finish("a", "3");
  ASSERT_TRUE(eventually([&] { return kept_in_state(*engines.history, "a", TaskState::Success); }));
  const WallTime now = engines.clock.wall();

  engines.publish({started("a", now), received("a", now), succeeded("a", now)});
  engines.publish({received("b", now)});

  ASSERT_TRUE(run.reaches([](const Totals& totals) { return totals.received == 2; }));
  EXPECT_EQ(run.totals(), (Totals{.succeeded = 1, .received = 2}));
}

TEST(IntakeFaults, TheChartComesBackAfterARestart) {
  TestEngines engines;
  const WallTime begin = engines.clock.wall();
  {
    Session first{engines};
    engines.publish({received("a", begin), succeeded("a", begin)});
    ASSERT_TRUE(first.reaches([](const Totals& totals) { return totals.succeeded == 1; }));
    first.live.with([&](LiveState& state) { state.tick(engines.clock.wall()); });
  }

  Session second{engines};

  const auto [sum, seen, minutes_known] = second.live.with([&](LiveState& state) {
    const WallTime now = engines.clock.wall() + seconds{1};
    return std::tuple{state.series().sum(Count::Succeeded, now, 60), state.series().seen(now, 60),
                      state.rollup().between(1, 0, unix_second(now)).size()};
  });
  EXPECT_EQ(sum, 1U);
  EXPECT_GE(seen, 1);
  EXPECT_EQ(minutes_known, 1U);
}

TEST(IntakeFaults, AGapInAWorkersNumbersIsASpanThatARestartStillKnows) {
  TestEngines engines;
  {
    Session first{engines};
    engines.publish({heartbeat("w1@host", engines.clock.wall(), 7, 1)});
    engines.publish({heartbeat("w1@host", engines.clock.wall(), 7, 9)});
    ASSERT_TRUE(first.reaches([](const Totals& totals) { return totals.missed_events == 7; }));
  }

  Session second{engines};

  const auto spans = second.live.with([&](LiveState& state) {
    const std::int64_t now = unix_second(engines.clock.wall());
    return state.blind_spans().between(now - 60, now);
  });
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].reason, BlindReason::Gap);
  EXPECT_EQ(spans[0].lost, 7U);
  EXPECT_EQ(spans[0].who, "w1@host");
}

TEST(LiveStateClocks, AClockThatIsSetMakesNobodyLost) {
  testing::FakeClock clock;
  Live live{1000, clock.wall(), &clock};
  const auto beat = [&] {
    live.with([&](LiveState& state) {
      state.apply(heartbeat("w1@host", clock.wall()), clock.wall());
      state.caught_up(clock.wall());
    });
  };
  const auto status = [&] {
    return live.with([&](LiveState& state) {
      state.tick(clock.wall());
      const auto found = state.workers().find("w1@host");
      return found == state.workers().end() ? WorkerStatus::Left
                                            : found->second.state.status(clock.wall());
    });
  };
  beat();
  for (const auto step : {hours{5}, -hours{9}, hours{48}}) {
    clock.set_wall(clock.wall() + step);
    EXPECT_EQ(status(), WorkerStatus::Online);
    EXPECT_LT(live.with([&](LiveState& state) { return state.lag(clock.wall()); }), seconds{2});
    clock.advance(seconds{1});
    beat();
  }
  clock.set_wall(clock.wall() - hours{1});
  clock.advance(seconds{10});
  EXPECT_EQ(status(), WorkerStatus::Lost) << "it is silent by the time that passes";
}

TEST(LiveStateClocks, WorkersWithWrongClocksAreOnlineAndTheirTasksAreCountedNow) {
  constexpr WallTime kNow = from_micros(1'795'350'738'000'000);
  for (const auto wrong : {hours{7}, -hours{7}}) {
    LiveState state{1000, kNow};
    const WallTime theirs = kNow + wrong;
    state.apply(heartbeat("w1@host", theirs), kNow, kNow);
    state.apply(received("a", theirs), kNow, kNow);
    state.apply(started("a", theirs + milliseconds{40}), kNow, kNow);
    state.apply(succeeded("a", theirs + milliseconds{80}), kNow, kNow);

    EXPECT_EQ(state.workers().at("w1@host").state.status(kNow), WorkerStatus::Online);
    EXPECT_EQ(state.series().sum(Count::Succeeded, kNow + seconds{1}, 5), 1U);
    const auto minute = state.rollup().between(0, unix_second(kNow) - 60, unix_second(kNow) + 1);
    ASSERT_EQ(minute.size(), 1U);
    EXPECT_NEAR(static_cast<double>(minute[0].second.wait.quantile(0.5)->count()), 40'000, 800);
  }
}

TEST(LiveStateClocks, AStartStampedBeforeTheReceivingIsNoNegativeWait) {
  constexpr WallTime kNow = from_micros(1'795'350'738'000'000);
  LiveState state{1000, kNow};
  state.apply(received("a", kNow), kNow);
  state.apply(started("a", kNow - minutes{3}), kNow);

  const auto minutes_seen = state.rollup().between(0, 0, unix_second(kNow) + 1);
  std::uint64_t waits = 0;
  for (const auto& [t, bucket] : minutes_seen) {
    waits += bucket.wait.count();
    if (bucket.wait.count() > 0) {
      EXPECT_LE(bucket.wait.quantile(1)->count(), 1);
    }
  }
  EXPECT_EQ(waits, 1U);
}

TEST(LiveStateTotals, EachOrderOfATasksEventsCountsItOnce) {
  constexpr WallTime kNow = from_micros(1'795'350'738'000'000);
  std::vector<int> order{0, 1, 2};
  do {
    LiveState state{1000, kNow};
    const std::vector<Event> events{received("a", kNow), started("a", kNow + seconds{1}),
                                    succeeded("a", kNow + seconds{2})};
    for (const int i : order) {
      state.apply(events[static_cast<std::size_t>(i)], kNow + seconds{3});
      state.apply(events[static_cast<std::size_t>(i)], kNow + seconds{3});
    }
    EXPECT_EQ(state.totals(), (Totals{.succeeded = 1, .received = 1}))
        << order[0] << order[1] << order[2];
    EXPECT_EQ(state.in_state(TaskState::Success), 1U);
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace
}  // namespace umbel::collector
