// The history of tasks, whatever the engine.
#include <map>
#include <random>
#include <set>
#include <thread>

#include "history_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::seconds;

Task a_received_task(const std::string& id, WallTime received) {
  Task task;
  task.uuid = TaskId{id};
  task.state = TaskState::Received;
  task.name = "demo.add";
  task.received = received;
  task.timestamp = received;
  return task;
}

Task succeeded(Task task, WallTime at) {
  task.state = TaskState::Success;
  task.succeeded = at;
  task.timestamp = at;
  task.result = "3";
  return task;
}

std::vector<std::string> ids_of(std::span<const Task> tasks) {
  std::vector<std::string> ids;
  for (const auto& task : tasks) ids.push_back(task.uuid.str());
  return ids;
}

void expect_same(const Task& a, const Task& b) {
  EXPECT_EQ(a.uuid, b.uuid);
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(a.custom_state, b.custom_state);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.sent, b.sent);
  EXPECT_EQ(a.received, b.received);
  EXPECT_EQ(a.started, b.started);
  EXPECT_EQ(a.succeeded, b.succeeded);
  EXPECT_EQ(a.failed, b.failed);
  EXPECT_EQ(a.retried, b.retried);
  EXPECT_EQ(a.revoked, b.revoked);
  EXPECT_EQ(a.rejected, b.rejected);
  EXPECT_EQ(a.args, b.args);
  EXPECT_EQ(a.kwargs, b.kwargs);
  EXPECT_EQ(a.eta, b.eta);
  EXPECT_EQ(a.expires, b.expires);
  EXPECT_EQ(a.retries, b.retries);
  EXPECT_EQ(a.worker, b.worker);
  EXPECT_EQ(a.client, b.client);
  EXPECT_EQ(a.result, b.result);
  EXPECT_EQ(a.exception, b.exception);
  EXPECT_EQ(a.traceback, b.traceback);
  EXPECT_EQ(a.runtime, b.runtime);
  EXPECT_EQ(a.timestamp, b.timestamp);
  EXPECT_EQ(a.queue, b.queue);
  EXPECT_EQ(a.exchange, b.exchange);
  EXPECT_EQ(a.routing_key, b.routing_key);
  EXPECT_EQ(a.clock, b.clock);
  EXPECT_EQ(a.root_id, b.root_id);
  EXPECT_EQ(a.parent_id, b.parent_id);
  EXPECT_EQ(a.starts, b.starts);
}

class HistorySuite : public HistoryConformance {
 protected:
  void append(const std::vector<Task>& tasks, const std::vector<Moment>& moments = {},
              const HistoryPosition& position = {}) {
    const auto appended = history->append(tasks, moments, position);
    ASSERT_TRUE(appended.has_value()) << appended.error().what;
  }
  std::vector<std::string> all_ids() {
    return ids_of(history->latest(1000, std::nullopt).value().tasks);
  }
  // Noon of the day that is `n` days from the clock's.
  WallTime noon(int n) const { return floor<days>(clock.wall()) + days{n} + hours{12}; }
};

TEST_P(HistorySuite, AnEmptyHistoryKnowsNothing) {
  EXPECT_EQ(history->position().value(), HistoryPosition{});
  EXPECT_EQ(history->find(TaskId{"t1"}).error().code, Errc::NotFound);
  EXPECT_TRUE(history->timeline(TaskId{"t1"})->empty());
  EXPECT_TRUE(history->latest(10, std::nullopt)->tasks.empty());
  EXPECT_FALSE(history->latest(10, std::nullopt)->next.has_value());
  EXPECT_TRUE(history->unfinished(10)->empty());
  EXPECT_EQ(history->forget(clock.wall()).value(), 0U);
}

TEST_P(HistorySuite, EveryFieldOfATaskComesBack) {
  const auto at = clock.wall();
  Task full = a_received_task("full", at);
  full.state = TaskState::Custom;
  full.custom_state = "PROGRESS";
  full.sent = at + microseconds{1};
  full.started = at + microseconds{2};
  full.succeeded = at + microseconds{3};
  full.failed = at + microseconds{4};
  full.retried = at + microseconds{5};
  full.revoked = at + microseconds{6};
  full.rejected = at + microseconds{7};
  full.args = "(1, 'ü')";
  full.kwargs = "{}";
  full.eta = "2026-11-22T12:00:00";
  full.expires = "2026-11-23T12:00:00";
  full.retries = 2;
  full.worker = "w1@host";
  full.client = "gen1@host";
  full.result = "";
  full.exception = "ValueError('boom')";
  full.traceback = "Traceback";
  full.runtime = 0.125;
  full.queue = "mail";
  full.exchange = "";
  full.routing_key = "mail";
  full.clock = 77;
  full.root_id = "root";
  full.parent_id = "parent";
  full.starts = 3;
  Task sparse;
  sparse.uuid = TaskId{"sparse"};
  sparse.timestamp = at;

  append({full, sparse});

  expect_same(history->find(TaskId{"full"}).value(), full);
  expect_same(history->find(TaskId{"sparse"}).value(), sparse);
}

TEST_P(HistorySuite, ATaskIsStoredAsItStandsNow) {
  const auto task = a_received_task("t1", clock.wall());
  append({task});

  append({succeeded(task, clock.wall() + seconds{1})});

  EXPECT_EQ(history->find(TaskId{"t1"})->state, TaskState::Success);
  EXPECT_EQ(all_ids(), std::vector<std::string>{"t1"});
  EXPECT_TRUE(history->unfinished(10)->empty());
}

TEST_P(HistorySuite, WhatATaskDoesNotCarryStaysAsItWasStored) {
  Task task = a_received_task("t1", clock.wall());
  task.args = "(1,)";
  append({task});
  task = succeeded(task, clock.wall() + seconds{1});
  task.args.reset();
  task.name.reset();

  append({task});

  const auto stored = history->find(TaskId{"t1"}).value();
  EXPECT_EQ(stored.args, "(1,)");
  EXPECT_EQ(stored.name, "demo.add");
  EXPECT_EQ(stored.result, "3");
  EXPECT_EQ(stored.state, TaskState::Success);
}

TEST_P(HistorySuite, RowsOfTheWritersOwnComeBackByTimeTheNewerOneCounts) {
  const auto second = [&](int day) { return floor<seconds>(noon(day)).time_since_epoch().count(); };
  HistoryPosition position;
  position.rows = {{"minute", second(0), std::string{"a\0b", 3}}, {"minute", second(-1), "old"}};
  append({}, {}, position);
  position.rows = {{"minute", second(0), "newer"}, {"blind", second(0), "x"}};
  append({}, {}, position);
  clock.advance(days{1});
  position.rows = {{"minute", second(-1), "newest"}};  // the same one, from the day after
  append({a_received_task("t1", noon(0))}, {}, position);

  EXPECT_EQ(
      history->kept("minute", 0).value(),
      (std::vector<KeptRow>{{"minute", second(-2), "old"}, {"minute", second(-1), "newest"}}));
  EXPECT_EQ(history->kept("minute", second(-1)).value().size(), 1U);
  EXPECT_EQ(history->kept("blind", 0).value().size(), 1U);
  EXPECT_TRUE(history->kept("none", 0).value().empty());
  EXPECT_TRUE(history->position()->rows.empty());
}

TEST_P(HistorySuite, WritingABatchTwiceChangesNothing) {
  const auto task = a_received_task("t1", clock.wall());
  const std::vector<Moment> moments{
      {task.uuid, clock.wall(), "received", "w1@host", ""},
      {task.uuid, clock.wall() + seconds{1}, "started", "w1@host", ""},
      {task.uuid, clock.wall() + seconds{1}, "started", "w2@host", "again"}};
  HistoryPosition position;
  position.event_offset = 5;

  append({task}, moments, position);
  append({task}, moments, position);

  EXPECT_EQ(history->timeline(task.uuid).value(), moments);
  EXPECT_EQ(all_ids().size(), 1U);
  EXPECT_EQ(history->position().value(), position);
}

TEST_P(HistorySuite, ATimelineIsOldestFirstWhateverTheOrderOfArrival) {
  const TaskId id{"t1"};
  const auto at = clock.wall();
  const Moment sent{id, at, "sent", "gen1@host", ""};
  const Moment received{id, at, "received", "w1@host", ""};
  const Moment started{id, at + seconds{1}, "started", "w1@host", ""};
  const Moment retried{id, at + seconds{1}, "retried", "w1@host", "ValueError"};

  append({a_received_task("t1", at)}, {retried, received});
  append({}, {started, sent});

  EXPECT_EQ(history->timeline(id).value(), (std::vector<Moment>{sent, received, started, retried}));
}

TEST_P(HistorySuite, AMomentOfATaskThatComesLaterIsKept) {
  const Moment received{TaskId{"t1"}, clock.wall(), "received", "w1@host", ""};
  append({}, {received});
  EXPECT_TRUE(all_ids().empty());
  EXPECT_TRUE(history->unfinished(10)->empty());
  EXPECT_EQ(history->find(TaskId{"t1"}).error().code, Errc::NotFound);

  append({a_received_task("t1", clock.wall())});

  EXPECT_EQ(history->timeline(TaskId{"t1"}).value(), std::vector<Moment>{received});
  EXPECT_EQ(all_ids(), std::vector<std::string>{"t1"});
}

TEST_P(HistorySuite, PagesShowEveryTaskOnceNewestFirst) {
  std::vector<Task> tasks;
  std::vector<std::string> expected;
  for (int day = -2; day <= 0; ++day) {
    for (int i = 0; i < 5; ++i) {
      const auto id = std::to_string(day + 2) + "-" + std::to_string(i);
      tasks.push_back(a_received_task(id, noon(day) + seconds{i / 2}));  // some at the same instant
      expected.insert(expected.begin(), id);
    }
  }
  append(tasks);

  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{5}, std::size_t{15}}) {
    SCOPED_TRACE(size);
    std::vector<std::string> seen;
    std::optional<std::string> from;
    do {
      const auto page = history->latest(size, from);
      ASSERT_TRUE(page.has_value()) << page.error().what;
      ASSERT_FALSE(page->tasks.empty()) << "a next page is never empty";
      for (auto& id : ids_of(page->tasks)) seen.push_back(id);
      from = page->next;
    } while (from);
    EXPECT_EQ(seen, expected);
  }
}

TEST_P(HistorySuite, ATaskThatComesWhilePagingMovesNoPage) {
  append({a_received_task("t1", noon(0)), a_received_task("t2", noon(0) + seconds{1})});
  const auto first = history->latest(1, std::nullopt);

  append({a_received_task("t3", noon(0) + seconds{2})});

  EXPECT_EQ(ids_of(first->tasks), std::vector<std::string>{"t2"});
  EXPECT_EQ(ids_of(history->latest(1, first->next)->tasks), std::vector<std::string>{"t1"});
}

TEST_P(HistorySuite, APlaceThatIsNoneIsInvalid) {
  for (const auto* from : {"", "x", "2026-13-01.1.1", "2026-11-22", "2026-11-22.1",
                           "2026-11-22.1.x", "2026-11-22.1.1 "}) {
    const auto page = history->latest(1, from);
    ASSERT_TRUE(page.has_error()) << from;
    EXPECT_EQ(page.error().code, Errc::Invalid);
  }
}

TEST_P(HistorySuite, ATaskThatRunsOverMidnightIsListedOnce) {
  const auto evening = floor<days>(clock.wall()) - seconds{1};
  const auto task = a_received_task("t1", evening);
  append({task}, {{task.uuid, evening, "received", "w1@host", ""}});

  append({succeeded(task, evening + seconds{5}), a_received_task("t2", evening + seconds{5})},
         {{task.uuid, evening + seconds{5}, "succeeded", "w1@host", ""}});

  EXPECT_EQ(all_ids(), (std::vector<std::string>{"t2", "t1"}));
  EXPECT_EQ(history->timeline(task.uuid)->size(), 2U);
  EXPECT_EQ(history->find(task.uuid)->state, TaskState::Success);
}

TEST_P(HistorySuite, AnOldUnfinishedTaskIsFoundAgainAfterARestart) {
  append({a_received_task("old", noon(-6))});
  history = place->open(clock);

  // Redelivered and received anew: nothing in it speaks of the old day any more.
  append({succeeded(a_received_task("old", noon(0)), noon(0) + seconds{1})});

  EXPECT_EQ(all_ids(), std::vector<std::string>{"old"});
  EXPECT_EQ(history->find(TaskId{"old"})->state, TaskState::Success);
}

TEST_P(HistorySuite, UnfinishedTasksComeNewestFirstFromAllDays) {
  const auto done = a_received_task("done", noon(0));
  append({a_received_task("a", noon(-3)), a_received_task("b", noon(-1)), done,
          a_received_task("c", noon(0))});
  append({succeeded(done, noon(0) + seconds{1})});

  EXPECT_EQ(ids_of(history->unfinished(10).value()), (std::vector<std::string>{"c", "b", "a"}));
  EXPECT_EQ(ids_of(history->unfinished(2).value()), (std::vector<std::string>{"c", "b"}));
}

TEST_P(HistorySuite, ThePositionIsThatOfTheLastBatchAlsoAfterARestart) {
  HistoryPosition position;
  for (int day = -1; day <= 1; ++day) {
    position.event_offset += 10;
    position.result_sequence += 5;
    position.push_sequence += 100;
    position.note = std::string{"{\0}", 3};
    append({a_received_task("t" + std::to_string(day), noon(day))}, {}, position);
  }
  position.event_offset += 1;
  append({a_received_task("late", noon(-1))}, {}, position);

  history = place->open(clock);

  EXPECT_EQ(history->position().value(), position);
}

TEST_P(HistorySuite, ABatchOfNothingMovesThePosition) {
  HistoryPosition position;
  position.event_offset = 3;

  append({}, {}, position);

  EXPECT_EQ(history->position().value(), position);
}

TEST_P(HistorySuite, ForgettingDropsWholeDaysAndKeepsTheRest) {
  append({a_received_task("a", noon(-3)), a_received_task("b", noon(-2)),
          a_received_task("c", noon(0))},
         {{TaskId{"a"}, noon(-3), "received", "w1@host", ""}});

  const auto forgotten = history->forget(noon(-1));

  EXPECT_EQ(forgotten.value(), 2U);
  EXPECT_EQ(all_ids(), std::vector<std::string>{"c"});
  EXPECT_EQ(history->find(TaskId{"a"}).error().code, Errc::NotFound);
  EXPECT_TRUE(history->timeline(TaskId{"a"})->empty());
  EXPECT_EQ(history->forget(noon(-1)).value(), 0U);
}

TEST_P(HistorySuite, TheDayInWhichTheLimitLiesIsKept) {
  append({a_received_task("a", noon(-1))});

  EXPECT_EQ(history->forget(noon(-1) + hours{6}).value(), 0U);
  EXPECT_EQ(all_ids(), std::vector<std::string>{"a"});
}

TEST_P(HistorySuite, ForgettingEverythingKeepsThePosition) {
  HistoryPosition position;
  position.push_sequence = 99;
  append({a_received_task("a", noon(-3))}, {}, position);

  EXPECT_EQ(history->forget(noon(0)).value(), 1U);

  EXPECT_TRUE(all_ids().empty());
  EXPECT_EQ(history->position().value(), position);
  EXPECT_EQ(place->open(clock)->position().value(), position);
}

TEST_P(HistorySuite, AForgottenTaskThatIsSeenAgainIsANewOne) {
  append({a_received_task("a", noon(-3))});
  ASSERT_EQ(history->forget(noon(-1)).value(), 1U);

  append({succeeded(a_received_task("a", noon(-3)), noon(0))});

  EXPECT_EQ(history->find(TaskId{"a"})->state, TaskState::Success);
}

TEST_P(HistorySuite, ASendersWrongClockDoesNotMakeDaysFarAway) {
  append({a_received_task("past", from_micros(0)),
          a_received_task("future", clock.wall() + days{4000})});

  EXPECT_EQ(history->forget(clock.wall()).value(), 0U);
  EXPECT_EQ(all_ids().size(), 2U);
  EXPECT_EQ(history->find(TaskId{"past"})->received, from_micros(0))
      << "the task is as it was sent";
}

TEST_P(HistorySuite, AReaderBesideTheWriterSeesWhatWasCommitted) {
  constexpr int kBatches = 60;
  const auto reader = place->open(clock);
  std::jthread writer{[&] {
    for (int i = 0; i < kBatches; ++i) {
      const auto at = noon(i / 20);  // the day changes on the way
      HistoryPosition position;
      position.event_offset = static_cast<std::uint64_t>(i) + 1;
      const std::vector<Task> tasks{a_received_task("t" + std::to_string(i), at + seconds{i})};
      EXPECT_TRUE(history->append(tasks, {}, position).has_value());
    }
  }};

  const auto limit = std::chrono::steady_clock::now() + seconds{30};
  for (;;) {
    const auto position = reader->position();
    ASSERT_TRUE(position.has_value()) << position.error().what;
    const auto page = reader->latest(1000, std::nullopt);
    ASSERT_TRUE(page.has_value()) << page.error().what;
    // Everything up to the position is there; a batch that was committed since may be there too.
    ASSERT_GE(page->tasks.size(), position->event_offset);
    if (position->event_offset == kBatches) break;
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
  }
  EXPECT_EQ(reader->find(TaskId{"t0"})->uuid, TaskId{"t0"});
}

TEST_P(HistorySuite, OneWritesAtATimeAndTheNextTakesOverAtOnce) {
  const auto second = place->open(clock);
  const std::vector<Task> first_task{a_received_task("first", noon(0))};
  const std::vector<Task> second_task{a_received_task("second", noon(0))};
  ASSERT_TRUE(history->append(first_task, {}, {}).has_value());

  const auto refused = second->append(second_task, {}, {});
  EXPECT_EQ(second->find(TaskId{"first"})->uuid, TaskId{"first"}) << "reading is open to all";
  history.reset();
  const auto taken_over = second->append(second_task, {}, {});

  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  EXPECT_TRUE(taken_over.has_value()) << taken_over.error().what;
  EXPECT_TRUE(second->find(TaskId{"second"}).has_value());
}

// Before it has written anything itself, so that it can see where the other one left off.
TEST_P(HistorySuite, TheNextWriterReadsWhereItTakesOver) {
  const auto second = place->open(clock);
  ASSERT_TRUE(history->become_writer().has_value());
  ASSERT_TRUE(history->become_writer().has_value()) << "as often as one likes";
  HistoryPosition position;
  position.event_offset = 1;
  append({a_received_task("today", noon(0)), a_received_task("yesterday", noon(-1))}, {}, position);
  EXPECT_EQ(second->position()->event_offset, 1U);

  const auto refused = second->become_writer();
  position.event_offset = 2;
  append({}, {}, position);
  history.reset();

  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  ASSERT_TRUE(second->become_writer().has_value());
  EXPECT_EQ(second->position()->event_offset, 2U);
  EXPECT_TRUE(second->find(TaskId{"yesterday"}).has_value());
  EXPECT_EQ(place->open(clock)->become_writer().error().code, Errc::Unavailable);
}

TEST_P(HistorySuite, AnyBatchesAgreeWithAPlainModel) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  const auto below = [&](int n) { return std::uniform_int_distribution<int>{0, n - 1}(random); };
  std::map<std::string, Task> model;
  std::map<std::string, std::set<std::int64_t>> moments;

  for (int batch = 0; batch < 60; ++batch) {
    std::vector<Task> tasks;
    std::vector<Moment> happened;
    const auto now = clock.wall();
    for (int i = 0; i < below(6); ++i) {
      const auto id = "t" + std::to_string(below(30));
      auto [known, fresh] = model.try_emplace(id, a_received_task(id, now));
      if (!fresh && below(2) == 0) known->second = succeeded(known->second, now);
      tasks.push_back(known->second);
      const auto at = now + microseconds{below(3)};
      moments[id].insert(to_micros(at));
      happened.push_back({TaskId{id}, at, "started", "w1@host", ""});
    }
    HistoryPosition position;
    position.event_offset = static_cast<std::uint64_t>(batch) + 1;
    append(tasks, happened, position);
    if (below(3) == 0) append(tasks, happened, position);
    if (below(10) == 0) history = place->open(clock);
    clock.advance(hours{below(30)});
  }

  std::set<std::string> listed;
  for (const auto& id : all_ids())
    EXPECT_TRUE(listed.insert(id).second) << id << " is listed twice";
  EXPECT_EQ(listed.size(), model.size());
  std::set<std::string> open;
  for (const auto& task : history->unfinished(1000).value()) open.insert(task.uuid.str());
  for (const auto& [id, task] : model) {
    const auto found = history->find(TaskId{id});
    ASSERT_TRUE(found.has_value()) << id;
    expect_same(*found, task);
    EXPECT_EQ(open.contains(id), !is_final(task.state)) << id;
    EXPECT_EQ(history->timeline(TaskId{id})->size(), moments[id].size()) << id;
  }
  EXPECT_EQ(history->position()->event_offset, 60U);
}

INSTANTIATE_TEST_SUITE_P(Engines, HistorySuite, ::testing::ValuesIn(history_engines()),
                         [](const auto& engine) { return engine.param.name; });

}  // namespace
}  // namespace umbel::testing
