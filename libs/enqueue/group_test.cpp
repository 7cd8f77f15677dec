// Many callers at once: they share transactions, and nobody is given an id without a status.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "acceptance_group.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/faulty_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using testing::eventually;
using testing::FaultPlan;

TEST(AcceptanceGroup, TakesAlongWhoeverCameMeanwhile) {
  std::mutex gate;
  std::atomic<int> calls{0}, most{0};
  enqueue::AcceptanceGroup group{100, [&](std::span<enqueue::Joined* const> joined) {
                                   ++calls;
                                   most = std::max(most.load(), static_cast<int>(joined.size()));
                                   const std::lock_guard wait{gate};
                                   for (auto* each : joined) each->answer = AcceptedRows{};
                                 }};
  gate.lock();
  std::vector<std::jthread> callers;
  std::atomic<int> come{0}, answered{0};
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([&] {
      enqueue::Joined mine;
      ++come;
      group.join(mine);
      answered += mine.answer.has_value() ? 1 : 0;
    });
  }
  ASSERT_TRUE(eventually([&] { return come == 20 && calls == 1; }));
  gate.unlock();
  callers.clear();

  EXPECT_EQ(answered, 20);
  EXPECT_LE(calls, 20);
  EXPECT_GE(most, 1);
}

class TogetherTest : public ::testing::Test {
 protected:
  SystemClock clock;
  testing::TempDir dir;
  FaultPlan plan;
  std::unique_ptr<Broker> broker =
      open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value();
  std::unique_ptr<Store> real =
      open_sqlite_store({.path = dir.file("store.db")}, clock, Log::none()).value();
  testing::FaultyStore store{*real, plan};
  Enqueuer enqueuer{store, *broker, clock, Log::none(), "gen1@test"};

  std::uint64_t ready() {
    std::uint64_t tasks = 0;
    for (const auto& queue : broker->queues().value()) tasks += queue.ready;
    return tasks;
  }
};

TEST_F(TogetherTest, EveryoneGetsTheirOwnAnswer) {
  constexpr int kCallers = 8, kEach = 50;
  std::mutex mutex;
  std::set<std::string> ids;
  std::atomic<int> refused{0};
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < kCallers; ++c) {
      callers.emplace_back([&, c] {
        for (int i = 0; i < kEach; ++i) {
          TaskRequest request;
          request.name = "task" + std::to_string(c);
          if (i % 10 == 0) request.args = "not json";
          const auto handles = enqueuer.submit(std::span{&request, 1});
          if (!handles) {
            ++refused;
            continue;
          }
          EXPECT_EQ(handles->front().name, request.name);
          EXPECT_TRUE(handles->front().fresh);
          const std::lock_guard lock{mutex};
          ids.insert(handles->front().id.str());
        }
      });
    }
  }

  EXPECT_EQ(refused, kCallers * kEach / 10);
  EXPECT_EQ(ids.size(), std::size_t{kCallers * kEach * 9 / 10});
  for (const auto& id : ids) EXPECT_TRUE(real->results().find(TaskId{id}).has_value()) << id;
  EXPECT_EQ(ready(), ids.size());
}

TEST_F(TogetherTest, OfManyWithOneIdOneIsFreshAndTheTaskIsThereOnce) {
  std::atomic<int> fresh{0}, accepted{0};
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 8; ++c) {
      callers.emplace_back([&] {
        TaskRequest request;
        request.name = "add";
        request.id = TaskId{"the-one"};
        const auto handles = enqueuer.submit(std::span{&request, 1});
        accepted += handles.has_value() ? 1 : 0;
        fresh += handles.has_value() && handles->front().fresh ? 1 : 0;
      });
    }
  }

  EXPECT_EQ(accepted, 8);
  EXPECT_EQ(fresh, 1);
  EXPECT_EQ(ready(), 1U);
}

TEST_F(TogetherTest, AnAnswerThatWasLostIsAskedForAgain) {
  plan.only("outbox.accept");
  plan.fail(1, testing::When::After);
  TaskRequest request;
  request.name = "add";

  const auto handles = enqueuer.submit(std::span{&request, 1});

  ASSERT_TRUE(handles.has_value());
  EXPECT_TRUE(plan.fired());
  EXPECT_TRUE(handles->front().fresh);
  EXPECT_TRUE(real->results().find(handles->front().id).has_value());
  // Nobody knows the row's number any more: the relay publishes it.
  EXPECT_TRUE(enqueuer.relay(std::chrono::milliseconds{0}).has_value());
  EXPECT_EQ(ready(), 1U);
}

TEST_F(TogetherTest, AStoreThatIsDownAcceptsNothingOfAnybody) {
  plan.only("outbox.");
  plan.out(true);
  std::atomic<int> refused{0};
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 8; ++c) {
      callers.emplace_back([&] {
        TaskRequest request;
        request.name = "add";
        const auto handles = enqueuer.submit(std::span{&request, 1});
        refused += !handles && handles.error().code == Errc::Unavailable ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(refused, 8);

  plan.out(false);
  ASSERT_TRUE(enqueuer.relay(std::chrono::milliseconds{0}).has_value());
  EXPECT_EQ(ready(), 0U);
}

}  // namespace
}  // namespace umbel
