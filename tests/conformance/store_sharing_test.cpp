// Many threads, several Store objects and several processes on one store, whatever the engine.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <set>
#include <thread>

#include "store_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class StoreSharingConformance : public StoreConformance {};

TEST_P(StoreSharingConformance, ATickIsTakenOnceHoweverManySchedulersRun) {
  constexpr int kTicks = 25;
  const auto second = place->open(clock);
  std::atomic<int> taken{0};
  std::atomic<int> conflicts{0};
  std::atomic<int> faults{0};
  const auto race = [&](Store& mine, const std::string& who) {
    for (int i = 0; i < kTicks; ++i) {
      auto acceptance = accepting({a_task(who + std::to_string(i))}, clock.wall());
      acceptance.tick = Tick{.schedule = "hourly", .due = clock.wall() + seconds{i}};
      const auto accepted = mine.outbox().accept(acceptance);
      if (accepted) {
        ++taken;
      } else {
        ++(accepted.error().code == Errc::Conflict ? conflicts : faults);
      }
    }
  };

  {
    std::vector<std::jthread> schedulers;
    for (int i = 0; i < 4; ++i) {
      auto& mine = i % 2 == 0 ? *store : *second;
      schedulers.emplace_back([&, i] { race(mine, std::string(1, static_cast<char>('a' + i))); });
    }
  }

  EXPECT_EQ(taken, kTicks);
  EXPECT_EQ(conflicts, 3 * kTicks);
  EXPECT_EQ(faults, 0);
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 1000)->size(),
            static_cast<std::size_t>(kTicks));
}

TEST_P(StoreSharingConformance, ASharedValueIsReplacedByOneOfThoseWhoSawIt) {
  constexpr int kEach = 100;
  const auto second = place->open(clock);
  const auto expires = clock.wall() + seconds{60};
  ASSERT_TRUE(store->shared().put("count", "0", expires).has_value());
  const auto count_up = [&](Store& mine) {
    for (int done = 0; done < kEach;) {
      const auto seen = mine.shared().get("count", clock.wall());
      const auto next = std::to_string(std::stoi(**seen) + 1);
      if (mine.shared().replace("count", *seen, next, expires, clock.wall()).value()) ++done;
    }
  };

  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] { count_up(i % 2 == 0 ? *store : *second); });
    }
  }

  EXPECT_EQ(store->shared().get("count", clock.wall()).value(), std::to_string(4 * kEach));
}

TEST_P(StoreSharingConformance, OfManyWritersOfOneRunOneIsStored) {
  constexpr int kTasks = 20;
  const auto second = place->open(clock);
  std::atomic<int> stored{0};
  const auto finish = [&](Store& mine) {
    for (int i = 0; i < kTasks; ++i) {
      const auto run = a_success("t" + std::to_string(i), 0, clock.wall());
      const auto outcome = mine.results().finish(std::span{&run, 1});
      if (outcome && outcome->front().stored) ++stored;
    }
  };

  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back([&, i] { finish(i % 2 == 0 ? *store : *second); });
    }
  }

  EXPECT_EQ(stored, kTasks);
  std::set<std::uint64_t> sequences;
  for (const auto& task : store->results().finished_since(0, 1000).value()) {
    sequences.insert(task.sequence);
  }
  EXPECT_EQ(sequences.size(), static_cast<std::size_t>(kTasks));
}

TEST_P(StoreSharingConformance, AReaderOfSequencesMissesNoResult) {
  constexpr int kTasks = 200;
  const auto second = place->open(clock);
  std::set<std::string> seen;
  std::jthread writer{[&] {
    for (int i = 0; i < kTasks; ++i) {
      const auto run = a_success("t" + std::to_string(i), 0, clock.wall());
      EXPECT_TRUE(second->results().finish(std::span{&run, 1}).has_value());
    }
  }};

  const auto limit = std::chrono::steady_clock::now() + seconds{30};
  std::uint64_t after = 0;
  while (seen.size() < kTasks && std::chrono::steady_clock::now() < limit) {
    for (const auto& task : store->results().finished_since(after, 7).value()) {
      after = task.sequence;
      EXPECT_TRUE(seen.insert(task.id.str()).second) << task.id << " came twice";
    }
  }

  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kTasks));
}

TEST_P(StoreSharingConformance, CountersOfManyThreadsAddUp) {
  constexpr int kEach = 50;
  const auto second = place->open(clock);
  const auto expires = clock.wall() + seconds{60};
  const auto count = [&](Store& mine) {
    for (int i = 0; i < kEach; ++i) {
      EXPECT_TRUE(mine.shared().add("n", 1, 0, expires, clock.wall()).has_value());
    }
  };

  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] { count(i % 2 == 0 ? *store : *second); });
  }

  EXPECT_EQ(store->shared().add("n", 0, 0, expires, clock.wall()).value(), 4 * kEach);
}

TEST_P(StoreSharingConformance, AStoreOpenedAgainHasEverything) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("t1"), a_task("t2")}, clock.wall())));
  const auto run = a_success("t1", 0, clock.wall());
  ASSERT_TRUE(store->results().finish(std::span{&run, 1}));
  const auto sequence = store->results().find(TaskId{"t1"})->sequence;
  store.reset();

  store = place->open(clock);

  EXPECT_EQ(store->results().find(TaskId{"t1"})->state, TaskState::Success);
  EXPECT_EQ(store->results().find(TaskId{"t2"})->state, TaskState::Pending);
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 10)->size(), 2U);
  const auto next = a_success("t2", 0, clock.wall());
  ASSERT_TRUE(store->results().finish(std::span{&next, 1}));
  EXPECT_GT(store->results().find(TaskId{"t2"})->sequence, sequence);
}

// Another process that accepts tasks t0, t1, … and says so by one byte each, until it is killed.
[[noreturn]] void accept_until_killed(StorePlace& place, int said) {
  const FakeClock clock;
  const auto store = place.open(clock);
  for (int i = 0;; ++i) {
    const auto task = a_task("t" + std::to_string(i));
    if (!store->outbox().accept(accepting({task}, clock.wall()))) _exit(1);
    if (write(said, "+", 1) != 1) _exit(2);
  }
}

TEST_P(StoreSharingConformance, WhatAKilledProcessAcceptedIsSeenByAnother) {
  store.reset();  // no connection and no thread of ours may cross the fork
  int pipe_ends[2] = {-1, -1};
  ASSERT_EQ(pipe(pipe_ends), 0);
  const auto child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(pipe_ends[0]);
    accept_until_killed(*place, pipe_ends[1]);
  }
  close(pipe_ends[1]);

  int said = 0;
  char byte = 0;
  while (said < 40 && read(pipe_ends[0], &byte, 1) == 1) ++said;
  EXPECT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  while (read(pipe_ends[0], &byte, 1) == 1) ++said;
  close(pipe_ends[0]);

  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_GE(said, 40);
  store = place->open(clock);
  std::set<std::string> waiting;
  for (const auto& row : store->outbox().unpublished(clock.wall() + seconds{1}, 100'000).value()) {
    waiting.insert(row.task.str());
  }
  for (int i = 0; i < said; ++i) {
    const auto id = "t" + std::to_string(i);
    EXPECT_TRUE(store->results().find(TaskId{id}).has_value()) << id;
    EXPECT_TRUE(waiting.contains(id)) << id;
  }
  EXPECT_TRUE(store->ping().has_value()) << "a killed writer leaves no lock behind";
}

UMBEL_INSTANTIATE_STORE_SUITE(StoreSharingConformance);

}  // namespace
}  // namespace umbel::testing
