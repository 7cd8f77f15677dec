#include "live_state.hpp"

#include <gtest/gtest.h>

#include "closing.hpp"
#include "delta.hpp"
#include "discovery.hpp"
#include "figures.hpp"
#include "gauges.hpp"
#include "kept.hpp"
#include "sections.hpp"
#include "test_events.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kNow = from_micros(1'795'350'738'000'000);

LiveState a_state(std::size_t most = 1000) { return LiveState{most, kNow}; }

TEST(LiveState, CountsWhatHappenedOnceHoweverOftenItIsTold) {
  LiveState state = a_state();
  const std::vector<Event> events{received("a", kNow), started("a", kNow + seconds{1}),
                                  succeeded("a", kNow + seconds{2})};

  for (int twice = 0; twice < 2; ++twice) {
    for (const Event& event : events) state.apply(event, kNow + seconds{3});
  }

  EXPECT_EQ(state.totals().received, 1U);
  EXPECT_EQ(state.totals().succeeded, 1U);
  EXPECT_EQ(state.in_state(TaskState::Success), 1U);
  EXPECT_EQ(state.in_state(TaskState::Started), 0U);
}

TEST(LiveState, ARetriedTaskIsReceivedTwiceAndRetriedOnce) {
  LiveState state = a_state();

  state.apply(received("a", kNow), kNow);
  state.apply(retried("a", kNow + seconds{1}), kNow);
  state.apply(received("a", kNow + seconds{2}), kNow);
  state.apply(failed("a", kNow + seconds{3}), kNow);

  EXPECT_EQ(state.totals(), (Totals{.succeeded = 0, .failed = 1, .retried = 1, .received = 2}));
}

TEST(LiveState, ARetryThatIsTakenBeforeItIsToldIsReceivedOnce) {  // as Celery's workers tell it
  LiveState state = a_state();

  state.apply(received("a", kNow), kNow);
  state.apply(started("a", kNow + seconds{1}), kNow);
  state.apply(received("a", kNow + seconds{2}), kNow);
  state.apply(retried("a", kNow + seconds{3}), kNow);
  state.apply(started("a", kNow + seconds{4}), kNow);
  state.apply(succeeded("a", kNow + seconds{5}), kNow);

  EXPECT_EQ(state.totals(), (Totals{.succeeded = 1, .failed = 0, .retried = 1, .received = 2}));
}

WorkerEvent celery_beat(WallTime stamped, std::int64_t processed, std::int64_t pid = 7) {
  WorkerEvent beat;
  beat.type = WorkerEventType::Heartbeat;
  beat.origin.hostname = "celery@host";
  beat.origin.timestamp = stamped;
  beat.origin.pid = pid;
  beat.sw_ident = "py-celery";
  beat.processed = processed;
  return beat;
}

Event by_celery(Event event) {
  auto& task = std::get<TaskEvent>(event);
  task.origin.hostname = "celery@host";
  task.origin.pid = 7;
  return event;
}

TEST(LiveState, TasksOfACeleryWorkerThatNoEventToldOfAreCounted) {
  LiveState state = a_state();
  const auto at = [](int second) { return kNow + seconds{second}; };
  const auto untold = [&] { return state.workers().at("celery@host").runs.untold(); };
  state.apply(celery_beat(at(0), 40), at(0));
  state.apply(by_celery(succeeded("before", at(1))), at(1));  // it began before it was seen
  state.apply(by_celery(received("a", at(1))), at(1));
  state.apply(by_celery(started("a", at(1))), at(1));
  state.apply(by_celery(succeeded("a", at(2))), at(2));
  for (int second = 2; second < 12; second += 2) {
    state.apply(celery_beat(at(second), 41), at(second));
    EXPECT_EQ(untold(), 0);
  }
  for (int second = 12; second < 20; second += 2)  // the events of five were dropped
    state.apply(celery_beat(at(second), 46), at(second));
  EXPECT_EQ(untold(), 4) << "an end without a start counts for one";

  const auto kept = from_note(to_note(state, kNow, {})).value();
  ASSERT_EQ(kept.workers.size(), 1U);
  EXPECT_EQ(kept.workers.front().runs.state(), state.workers().at("celery@host").runs.state());
}

TEST(LiveState, AWorkerWhoseClockIsBehindIsCountedNow) {
  LiveState state = a_state();
  constexpr auto kBehind = std::chrono::hours{1};
  for (int second = 0; second < 10; ++second) {
    const WallTime now = kNow + seconds{second};
    const WallTime stamped = now - kBehind;
    // The broker knows of its batches no other time than their sender's.
    state.apply(celery_beat(stamped, 0), now, stamped);
    state.apply(by_celery(succeeded("t" + std::to_string(second), stamped)), now, stamped);
    state.caught_up(now);
  }
  EXPECT_NEAR(
      std::chrono::duration<double>(state.workers().at("celery@host").clock.behind()).count(), 3600,
      2);
  EXPECT_GE(state.series().sum(Count::Succeeded, kNow + seconds{9}, 60), 8U);
}

TEST(LiveState, NobodyIsLostWhileNothingCanBeHeard) {
  LiveState state = a_state();
  state.apply(celery_beat(kNow, 0), kNow);
  state.caught_up(kNow + seconds{1});
  const auto status = [&](int second) {
    const WallTime now = kNow + seconds{second};
    return state.workers().at("celery@host").state.status(state.heard_until(now));
  };
  EXPECT_EQ(status(60), WorkerStatus::Online) << "the stream cannot be read";
  state.caught_up(kNow + seconds{60});
  EXPECT_EQ(status(61), WorkerStatus::Lost);
}

TEST(LiveState, TwoProcessesOfOneNameAreTold) {
  LiveState state = a_state();
  const auto twins = [&](WallTime now) {
    return state.workers().at("celery@host").twins.seen(now);
  };
  WallTime now = kNow;
  for (const std::int64_t pid : {1, 2, 2, 3}) {  // begun anew, twice
    state.apply(celery_beat(now += seconds{2}, 0, pid), now);
    EXPECT_FALSE(twins(now));
  }
  for (const std::int64_t pid : {4, 3, 4, 3})
    state.apply(celery_beat(now += seconds{1}, 0, pid), now);
  EXPECT_TRUE(twins(now));
  EXPECT_FALSE(twins(now + minutes{2}));
}

TEST(LiveState, KeepsTheNewestTasksAndLetsFinishedOnesGoFirst) {
  LiveState state = a_state(3);
  state.apply(started("running", kNow), kNow);
  state.apply(succeeded("done", kNow), kNow);
  state.apply(received("b", kNow), kNow);

  state.apply(received("c", kNow), kNow);

  EXPECT_EQ(state.task_count(), 3U);
  EXPECT_EQ(state.evicted(), 1U);
  EXPECT_TRUE(state.knows(TaskId{"running"}));
  EXPECT_FALSE(state.knows(TaskId{"done"}));
  EXPECT_EQ(state.in_state(TaskState::Success), 0U);
}

struct Numbered {
  std::int64_t pid;
  std::uint64_t sequence;
};
struct GapCase {
  const char* what;
  std::vector<Numbered> events;
  std::uint64_t missed;
};

TEST(LiveState, CountsHolesInAWorkersNumbers) {
  const std::vector<GapCase> cases{
      {"no hole", {{7, 1}, {7, 2}, {7, 3}}, 0},
      {"two missing", {{7, 1}, {7, 4}}, 2},
      {"joined in the middle", {{7, 40}, {7, 41}}, 0},
      {"told again", {{7, 1}, {7, 2}, {7, 1}, {7, 2}, {7, 3}}, 0},
      {"restarted", {{7, 1}, {7, 2}, {8, 1}, {8, 2}}, 0},
      {"restarted, first one missing", {{7, 1}, {8, 2}}, 1},
  };
  for (const GapCase& each : cases) {
    SCOPED_TRACE(each.what);
    LiveState state = a_state();
    for (const Numbered& event : each.events)
      state.apply(heartbeat("w1@host", kNow, event.pid, event.sequence), kNow);

    EXPECT_EQ(state.totals().missed_events, each.missed);
  }
}

TEST(LiveState, NumbersOfTaskEventsCountToo) {
  LiveState state = a_state();
  state.apply(heartbeat("w1@host", kNow, 7, 1), kNow);
  TaskEvent event = std::get<TaskEvent>(received("a", kNow));
  event.origin.pid = 7;
  event.origin.sequence = 5;

  state.apply(event, kNow);

  EXPECT_EQ(state.totals().missed_events, 3U);
}

TEST(LiveState, AWorkerThatIsLongGoneIsForgotten) {
  LiveState state = a_state();
  state.apply(heartbeat("lost@host", kNow), kNow);
  state.apply(offline("left@host", kNow), kNow);

  state.tick(kNow + minutes{5});
  EXPECT_EQ(state.workers().size(), 2U);
  state.tick(kNow + minutes{11});
  EXPECT_EQ(state.workers().size(), 1U);
  state.tick(kNow + minutes{61});
  EXPECT_TRUE(state.workers().empty());
}

TEST(LiveState, QueueRatesAreOfTheLastTenSeconds) {
  LiveState state = a_state();
  QueueFigures queue;
  queue.name = QueueName{"q"};
  queue.published_total = 0;
  queue.acked_total = 0;
  state.set_queues({queue}, kNow);
  EXPECT_FALSE(state.queues().at("q").in_rate.has_value());
  queue.published_total = 50;
  queue.acked_total = 20;

  state.set_queues({queue}, kNow + seconds{10});

  EXPECT_DOUBLE_EQ(*state.queues().at("q").in_rate, 5.0);
  EXPECT_DOUBLE_EQ(*state.queues().at("q").out_rate, 2.0);
}

// As RabbitMQ without its management API.
TEST(LiveState, WhatABrokerDoesNotTellOfAQueueIsNotKnownAndIsNoStandstill) {
  LiveState state = a_state();
  QueueFigures queue;
  queue.name = QueueName{"q"};
  queue.ready = 5;
  queue.consumers = 1;
  auto beat = heartbeat("w1@host", kNow);
  std::get<WorkerEvent>(beat).queues = "q";
  std::get<WorkerEvent>(beat).freq = 3600.0;
  for (int second = 0; second < 40; ++second) {
    std::get<WorkerEvent>(beat).processed = second;  // it goes on, five are always ready
    std::get<WorkerEvent>(beat).origin.timestamp = kNow + seconds{second};
    state.apply(beat, kNow + seconds{second});
    state.set_queues({queue}, kNow + seconds{second});
  }
  const LiveQueue& moves = state.queues().at("q");
  EXPECT_FALSE(moves.in_rate || moves.out_rate || moves.drain_seconds);
  EXPECT_FALSE(moves.why || moves.stalled_since);
  EXPECT_FALSE(state.taken(kNow + seconds{40}).has_value());

  for (int second = 40; second < 60; ++second) state.set_queues({queue}, kNow + seconds{second});
  EXPECT_TRUE(state.queues().at("q").stalled_since.has_value())
      << "its worker has taken nothing for 20 s";
}

TEST(Series, ASecondNobodyWatchedHasNoValues) {
  Series series;
  series.observe(kNow, kNow);
  series.observe(kNow + seconds{3}, kNow + seconds{4});
  const std::int64_t t = unix_second(kNow);

  EXPECT_TRUE(series.at(t).seen);
  EXPECT_FALSE(series.at(t + 1).seen);
  EXPECT_FALSE(series.at(t + 2).seen);
  EXPECT_TRUE(series.at(t + 3).seen);
  EXPECT_EQ(series.until(t).size(), 900U);
}

TEST(Series, WhatIsTakenInLateBelongsToItsOwnSecond) {
  Series series;
  const std::int64_t t = unix_second(kNow);
  series.observe(kNow - seconds{70}, kNow);
  (void)series.take_amended();

  series.count(Count::Succeeded, kNow - seconds{60}, kNow);
  series.count(Count::Succeeded, kNow - seconds{1}, kNow);
  series.count(Count::Succeeded, kNow + seconds{99}, kNow);
  series.count(Count::Succeeded, kNow - seconds{5000}, kNow);

  EXPECT_EQ(series.at(t - 60).counts[0], 1U);
  EXPECT_EQ(series.at(t).counts[0], 2U);
  EXPECT_TRUE(series.take_amended());
  EXPECT_FALSE(series.take_amended());
}

TEST(Series, WhatHappenedDuringAStandstillBelongsToItsOwnSecondHoweverShort) {
  Series series;
  series.observe(kNow - seconds{30}, kNow);
  const WallTime woken = kNow + seconds{7};
  const std::int64_t t = unix_second(kNow);

  for (int i = 1; i <= 7; ++i) series.count(Count::Succeeded, kNow + seconds{i}, woken);
  series.count(Count::Succeeded, kNow - seconds{1}, woken);
  series.observe(kNow, woken);
  series.count(Count::Succeeded, woken - seconds{1}, woken + milliseconds{10});

  for (int i = 1; i <= 6; ++i) EXPECT_EQ(series.at(t + i).counts[0], 1U) << i;
  EXPECT_EQ(series.at(t + 7).counts[0], 2U) << "its own, and the one that was late by a second";
  EXPECT_EQ(series.at(t - 1).counts[0], 1U) << "late by 8 seconds";
  EXPECT_TRUE(series.take_amended());
}

TEST(Series, AWatchedStreamNeverChangesASecondThatWasShown) {
  Series series;
  WallTime now = kNow;
  series.observe(now, now);
  for (int i = 0; i < 100; ++i) {
    series.count(Count::Succeeded, now - milliseconds{150}, now);
    series.observe(now - milliseconds{100}, now);
    now += milliseconds{100};
  }
  EXPECT_FALSE(series.take_amended());
}

TEST(Series, ASlotIsEmptyWhenItsTimeComesAgain) {
  Series series;
  series.count(Count::Failed, kNow, kNow);

  const WallTime later = kNow + seconds{960};
  series.count(Count::Received, later, later);

  EXPECT_EQ(series.at(unix_second(later)).counts[static_cast<std::size_t>(Count::Failed)], 0U);
  EXPECT_FALSE(series.at(unix_second(kNow)).seen);
}

TEST(Kept, ComesBackAsItWas) {
  LiveState state = a_state();
  state.apply(heartbeat("w1@host", kNow, 7, 12), kNow);
  state.apply(succeeded("a", kNow), kNow);
  state.count_cut_batches(3, std::nullopt, kNow);
  state.caught_up(kNow + seconds{1});

  const auto kept = from_note(to_note(state, kNow, {.events = 7, .results = 9}));

  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->totals, state.totals());
  EXPECT_EQ(kept->counted, (CountedUpTo{.events = 7, .results = 9}));
  EXPECT_EQ(kept->since, kNow);
  EXPECT_EQ(kept->events_read, kNow + seconds{1});
  ASSERT_EQ(kept->workers.size(), 1U);
  EXPECT_EQ(kept->workers[0].last_sequence, 12U);
  EXPECT_EQ(kept->workers[0].state.name, WorkerName{"w1@host"});
  EXPECT_EQ(kept->workers[0].state.last_seen, kNow);
  EXPECT_EQ(kept->workers[0].state.metrics_address, "127.0.0.1:9101");
}

TEST(Kept, TextThatIsNoNoteIsRefused) {
  EXPECT_TRUE(from_note("").has_value());
  EXPECT_TRUE(from_note("[]").has_error());
  EXPECT_TRUE(from_note("{").has_error());
}

TEST(Delta, TellsEachChangeOnceAndTheSecondOnce) {
  LiveState state = a_state();
  Delta delta{{.version = "0", .since = kNow}};
  EXPECT_TRUE(delta.next(state, kNow).contains("series"));
  EXPECT_TRUE(delta.next(state, kNow).empty());

  state.apply(received("a", kNow), kNow);
  const auto change = delta.next(state, kNow);
  ASSERT_TRUE(change.contains("tasks"));
  EXPECT_EQ(change.at("tasks").as_array().size(), 1U);
  EXPECT_TRUE(delta.next(state, kNow).empty());

  const auto next_second = delta.next(state, kNow + seconds{1});
  ASSERT_TRUE(next_second.contains("point"));
  EXPECT_EQ(next_second.at("point").at("t").as_int64(), unix_second(kNow));
  EXPECT_TRUE(
      next_second.at("point").at("received").is_null());  // the stream was never read to its end
}

TEST(Delta, AJumpOfTheClockGivesTheWholeSeriesAgain) {
  LiveState state = a_state();
  Delta delta{{.version = "0", .since = kNow}};
  (void)delta.next(state, kNow);

  EXPECT_TRUE(delta.next(state, kNow + seconds{30}).contains("series"));
  EXPECT_TRUE(delta.next(state, kNow + seconds{31}).contains("point"));
  EXPECT_TRUE(delta.next(state, kNow + seconds{1}).contains("series"));
}

TEST(Delta, NamesWorkersAndQueuesThatAreGone) {
  LiveState state = a_state();
  state.apply(heartbeat("w1@host", kNow), kNow);
  QueueFigures queue;
  queue.name = QueueName{"q"};
  state.set_queues({queue}, kNow);
  Delta delta{{.version = "0", .since = kNow}};
  EXPECT_EQ(delta.next(state, kNow).at("workers").as_array().size(), 1U);

  state.tick(kNow + minutes{61});
  state.set_queues({}, kNow);
  const auto change = delta.next(state, kNow + seconds{1});

  EXPECT_EQ(change.at("workers_gone").as_array().at(0).as_string(), "w1@host");
  EXPECT_EQ(change.at("queues_gone").as_array().at(0).as_string(), "q");
}

TEST(GaugesTest, CountWhatLostWorkersHadStarted) {
  testing::FakeClock clock;
  metrics::Metrics metrics{"collector"};
  Live live{100, clock.wall()};
  LiveStream stream{live, clock, metrics, {}};
  Gauges gauges{live, stream, clock, metrics};
  const auto tell = [&](const Event& event) {
    live.with([&](LiveState& state) { (void)state.apply(event, clock.wall()); });
  };
  const auto held = [&] {
    gauges.update();
    const std::string text = metrics.text();
    const std::string name = "\numbel_tasks_on_lost_workers ";
    const auto at = text.find(name);
    return at == std::string::npos ? -1 : std::stoi(text.substr(at + name.size()));
  };
  tell(heartbeat("w1@host", clock.wall()));
  for (const char* id : {"a", "b", "c"}) tell(started(id, clock.wall()));
  tell(succeeded("c", clock.wall()));
  EXPECT_EQ(held(), 0);

  clock.advance(minutes{2});
  EXPECT_EQ(held(), 2);
  Event elsewhere = started("a", clock.wall());
  std::get<TaskEvent>(elsewhere).origin.hostname = "w2@host";
  tell(elsewhere);
  EXPECT_EQ(held(), 1) << "another worker has taken it up";
}

TEST(GaugesTest, AQueueBeyondTheBoundIsCountedOnce) {
  testing::FakeClock clock;
  metrics::Metrics metrics{"collector"};
  Live live{100, clock.wall()};
  LiveStream stream{live, clock, metrics, {}};
  Gauges gauges{live, stream, clock, metrics};
  const auto has_queues = [&](int count) {
    std::vector<QueueFigures> queues(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
      queues[static_cast<std::size_t>(i)].name = QueueName{"q" + std::to_string(1000 + i)};
    live.with([&](LiveState& state) { state.set_queues(queues, clock.wall()); });
  };
  const auto folded = [&] {
    gauges.update();
    return metrics.counter(metrics::kLabelsFolded).Value();
  };
  has_queues(53);
  EXPECT_EQ(folded(), 3);
  EXPECT_EQ(folded(), 3) << "another scrape folds nothing more";
  has_queues(55);
  EXPECT_EQ(folded(), 5);
}

TEST(Discovery, KeepsALostWorkerForTenMinutesAndDropsOneThatSaidGoodbye) {
  LiveState state = a_state();
  state.apply(heartbeat("lost@host", kNow), kNow);
  state.apply(heartbeat("left@host", kNow), kNow);
  state.apply(offline("left@host", kNow), kNow);
  const std::vector<StaticTarget> others{{"scheduler", "127.0.0.1:9201"}};

  const auto soon = targets(state, others, kNow + minutes{9});
  const auto late = targets(state, others, kNow + minutes{11});

  EXPECT_EQ(
      boost::json::serialize(soon),
      R"([{"targets":["127.0.0.1:9201"],"labels":{"program":"scheduler"}},)"
      R"({"targets":["127.0.0.1:9101"],"labels":{"program":"worker","worker":"lost@host"}}])");
  EXPECT_EQ(late.size(), 1U);
}

TEST(Discovery, RefusesATargetWithoutAProgramOrAPort) {
  EXPECT_TRUE(static_targets({"scheduler=127.0.0.1:9201", "simulator=host:1"}).has_value());
  for (const char* wrong : {"127.0.0.1:9201", "=127.0.0.1:9201", "a=host", "a=host:", "a=host:0",
                            "a=host:99999", "a=:1"}) {
    SCOPED_TRACE(wrong);
    const auto refused = static_targets({wrong});
    ASSERT_TRUE(refused.has_error());
    EXPECT_NE(refused.error().what.find(wrong), std::string::npos);
  }
}

TEST(ScheduleRows, OneForEachScheduleWithItsNewestTick) {
  std::vector<ScheduleTicks> schedules(2);
  schedules[0].newest = {.schedule = "a",
                         .due = kNow,
                         .outcome = TickOutcome::Enqueued,
                         .task = TaskId{"u"},
                         .recorded = kNow,
                         .missed = 0};
  schedules[0].last_task = TaskId{"u"};
  schedules[1].newest = {.schedule = "b",
                         .due = kNow,
                         .outcome = TickOutcome::Missed,
                         .task = {},
                         .recorded = kNow,
                         .missed = 4};
  schedules[1].last_task = TaskId{"t"};
  schedules[1].missed = 7;

  const auto rows = schedule_rows(schedules);

  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].name, "a");
  EXPECT_EQ(rows[1], (ScheduleRow{"b", kNow, TaskId{"t"}, TickOutcome::Missed, 7}));
}

TEST(ClosingEvent, WritesValuesAsPythonWould) {
  StoredTask stored;
  stored.id = TaskId{"a"};
  stored.name = "add";
  stored.state = TaskState::Success;
  stored.result = R"({"sum": [1, true, null]})";
  stored.done = kNow;

  EXPECT_EQ(closing_event(stored).result, "{'sum': [1, True, None]}");
  stored.state = TaskState::Failure;
  stored.result =
      R"({"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"})";
  const TaskEvent failure = closing_event(stored);
  EXPECT_EQ(failure.type, TaskEventType::Failed);
  EXPECT_EQ(failure.origin.timestamp, kNow);
  EXPECT_EQ(failure.exception, "ValueError('boom')");
}

}  // namespace
}  // namespace umbel::collector
