// A task's way from acceptance to its result, with every call to store and broker failing once.
//
// The line here has the same rules as the programs: what failed is tried again, a message is
// acknowledged after its result is stored, a redelivered one begins a new run.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/faults.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/faulty_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using testing::FaultPlan;

constexpr auto kNoWait = std::chrono::milliseconds{0};
const QueueName kQueue{"work"};

// One task of the test: how often it asks for another attempt before it succeeds.
struct Work {
  TaskId id;
  int retries = 0;
};

// What fails is tried again, as the programs do.
template <class Call>
auto twice(const Call& call) {
  auto done = call();
  return done ? done : call();
}

class Line {
 public:
  explicit Line(FaultPlan& plan)
      : real_store{open_sqlite_store({.path = dir.file("store.db")}, clock, Log::none()).value()},
        real_broker{
            open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value()},
        store{*real_store, plan},
        broker{*real_broker, plan},
        enqueuer{store, broker, clock, Log::none(), "gen1@test"} {}

  // Until it is told that the task is its own: how a producer with a fixed id does it.
  void submit(const Work& work) {
    TaskRequest request;
    request.name = "t";
    request.id = work.id;
    request.queue = kQueue;
    for (int tries = 0; tries < 3; ++tries) {
      if (enqueuer.submit({&request, 1})) {
        accepted.insert(work.id);
        return;
      }
    }
    ADD_FAILURE() << "submit failed three times";
  }

  void relay() {
    clock.advance(std::chrono::milliseconds{1});
    (void)enqueuer.relay(kNoWait);  // comes by again
  }

  void consume(std::map<TaskId, int>& retries_left) {
    if (!consumer) {
      auto made = broker.consume({.queues = {kQueue}, .prefetch = 8, .consumer = "w1"});
      if (!made) return;
      consumer = std::move(*made);
    }
    const auto taken = consumer->next(8, kNoWait, {});
    if (!taken) return;
    for (const auto& delivery : *taken) run(delivery, retries_left);
  }

  void run(const Delivery& delivery, std::map<TaskId, int>& retries_left) {
    const TaskId id{delivery.message.correlation_id};
    // Whoever can take a task's message can ask for the task's status.
    EXPECT_TRUE(real_store->results().find(id)) << id << " has a message, but no status";
    auto state = twice([&]() -> Result<RunState> {
      const auto found = store.results().look_up({&id, 1});
      if (!found) return found.error();
      if (found->front().final || !delivery.redelivered) return found->front();
      return store.results().begin_again(id, "t", kQueue);
    });
    ASSERT_TRUE(state) << state.error().what;
    if (!state->final) {
      ++runs[id];
      auto& left = retries_left[id];
      FinishedRun run{.id = id,
                      .name = "t",
                      .queue = kQueue,
                      .run = state->run,
                      .state = left > 0 ? TaskState::Retry : TaskState::Success,
                      .result = "1",
                      .traceback = "",
                      .worker = "w1",
                      .runtime = 0.5,
                      .done = clock.wall(),
                      .retry = std::nullopt};
      if (left > 0) run.retry = AcceptedTask{id, "t", kQueue, delivery.message, std::nullopt};
      const auto done = twice([&] { return store.results().finish({&run, 1}); });
      ASSERT_TRUE(done) << done.error().what;
      if (left > 0) --left;
    }
    const auto acked = twice([&] { return consumer->ack({&delivery.tag, 1}); });
    ASSERT_TRUE(acked) << acked.error().what;
  }

  [[nodiscard]] bool idle() const {
    const auto rows = real_store->outbox().unpublished(clock.wall() + std::chrono::hours{1}, 10);
    if (!rows.value().empty()) return false;
    for (const auto& queue : real_broker->queues().value()) {
      if (queue.ready + queue.delayed.value() + queue.unacked.value() > 0) return false;
    }
    return true;
  }

  testing::TempDir dir;
  testing::FakeClock clock;
  std::unique_ptr<Store> real_store;
  std::unique_ptr<Broker> real_broker;
  testing::FaultyStore store;
  testing::FaultyBroker broker;
  Enqueuer enqueuer;
  std::unique_ptr<Consumer> consumer;
  std::set<TaskId> accepted;
  std::map<TaskId, int> runs;
};

TEST(Line, LosesNothingWhicheverCallFails) {
  testing::fail_each_call([](FaultPlan& plan) {
    Line line{plan};
    const std::vector<Work> all{{TaskId{"plain"}, 0}, {TaskId{"tried"}, 1}, {TaskId{"again"}, 2}};
    std::map<TaskId, int> retries_left;
    for (const auto& work : all) {
      retries_left[work.id] = work.retries;
      line.submit(work);
    }

    for (int round = 0; round < 30 && !line.idle(); ++round) {
      line.relay();
      line.consume(retries_left);
    }

    EXPECT_TRUE(line.idle()) << "something is still on its way";
    EXPECT_EQ(line.accepted.size(), all.size());
    const auto results = line.real_store->results().finished_since(0, 100).value();
    std::set<TaskId> ended;
    for (const auto& task : results) ended.insert(task.id);
    EXPECT_EQ(ended, line.accepted);
    EXPECT_EQ(results.size(), all.size()) << "each has one result";
    for (const auto& work : all) {
      const auto found = line.real_store->results().find(work.id);
      EXPECT_EQ(found.value().state, TaskState::Success) << work.id;
      EXPECT_GE(line.runs[work.id], work.retries + 1);
      EXPECT_LE(line.runs[work.id], work.retries + 3) << "one fault makes few runs twice";
    }
  });
}

// A producer that gives up at the first error: what it was not told of is either wholly there and
// runs, or wholly absent.
TEST(Line, ATaskWhoseAcceptanceFailedIsWholeOrAbsent) {
  testing::fail_each_call([](FaultPlan& plan) {
    Line line{plan};
    std::vector<TaskRequest> requests(3);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      requests[i].name = "t";
      requests[i].id = TaskId{"task" + std::to_string(i)};
      requests[i].queue = kQueue;
    }
    const Tick tick{.schedule = "s", .due = from_micros(1'795'350'738'000'000)};

    const auto told = line.enqueuer.submit(
        requests, {.tick = tick,
                   .sightings = {{.fullname = "t3_a", .subreddit = "r", .created = tick.due}},
                   .watermark = Watermark{.subreddit = "r", .newest = tick.due}});
    std::map<TaskId, int> no_retries;
    for (int round = 0; round < 30 && !line.idle(); ++round) {
      line.relay();
      line.consume(no_retries);
    }

    EXPECT_TRUE(line.idle());
    const bool there = line.real_store->results().find(TaskId{"task0"}).has_value();
    EXPECT_TRUE(there || !told) << "an id was given out that has no status";
    const std::string fullname = "t3_a";
    EXPECT_EQ(line.real_store->submissions().sighted({&fullname, 1}).value().front(), there);
    EXPECT_EQ(line.real_store->submissions().watermark("r").value().has_value(), there);
    EXPECT_EQ(line.real_store->ticks().latest("s").value().has_value(), there);
    for (const auto& request : requests) {
      const auto found = line.real_store->results().find(*request.id);
      ASSERT_EQ(found.has_value(), there) << *request.id;
      if (there) {
        EXPECT_EQ(found->state, TaskState::Success) << *request.id;
      }
    }
  });
}

TEST(Line, TasksWaitOutTheBrokersAndTheStoresOutage) {
  FaultPlan plan;
  Line line{plan};
  const Work work{TaskId{"waits"}, 1};
  std::map<TaskId, int> retries_left{{work.id, work.retries}};

  plan.only("broker.");
  plan.out(true);
  line.submit(work);
  for (int round = 0; round < 5; ++round) line.relay();
  EXPECT_EQ(line.real_store->results().find(work.id).value().state, TaskState::Pending);
  EXPECT_FALSE(line.idle());

  plan.only("outbox.");
  for (int round = 0; round < 5; ++round) line.relay();
  EXPECT_FALSE(line.idle());

  plan.out(false);
  for (int round = 0; round < 10 && !line.idle(); ++round) {
    line.relay();
    line.consume(retries_left);
  }
  EXPECT_EQ(line.real_store->results().find(work.id).value().state, TaskState::Success);
  EXPECT_EQ(line.runs[work.id], 2);
}

}  // namespace
}  // namespace umbel
