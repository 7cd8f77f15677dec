// What a task can do to the thread that runs it: throw anything, never return, or be asked for at a
// time that is not now.
#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <map>
#include <new>

#include "control_client.hpp"
#include "stand.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::ControlClient;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::Stand;

template <class F>
auto function(F f) {
  return std::function<std::invoke_result_t<F, TaskContext&>(TaskContext&)>{std::move(f)};
}

double figure(Stand& stand, const std::string& line) {
  const auto text = "\n" + stand.metrics.text();
  const auto at = text.find("\n" + line + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
}

// A task that does not listen.
class Deaf {
 public:
  ~Deaf() { wake(); }
  void wake() {
    if (!awake_.exchange(true)) promise_.set_value();
  }
  auto task() {
    return function([this](TaskContext&) {
      ++running;
      future_.wait();
    });
  }
  std::atomic<int> running{0};

 private:
  std::atomic<bool> awake_{false};
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

TaskOptions limited() {
  TaskOptions options;
  options.soft_time_limit = 0.02;
  return options;
}

class WorkerSlots : public ::testing::Test {
 protected:
  WorkerSlots() {
    stand.options.stuck_after = 50ms;
    stand.tasks.add("quick", function([](TaskContext&) { return 1; }), {});
  }
  Stand stand;
  Deaf deaf;
};

TEST_F(WorkerSlots, LoseOneToATaskThatNeverReturnsAndTheOthersWorkOn) {
  std::atomic<int> failures{0};
  auto options = limited();
  options.retry.max_retries = 5;
  options.on_failure = [&](const TaskEnd&) { ++failures; };
  stand.tasks.add("deaf", deaf.task(), {}, options);
  stand.options.concurrency = 2;
  const auto worker = stand.start();
  const auto id = stand.submit("deaf");

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Failure) << "not run elsewhere, where it would take another";
  EXPECT_EQ(Stand::field(task, "exc_type"), "SoftTimeLimitExceeded");
  EXPECT_THAT(Stand::field(task, "exc_message"), HasSubstr("did not return within 0.05 s"));
  EXPECT_TRUE(eventually([&] { return failures == 1; }));
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(stand.lines("did not return when its soft time limit passed"), SizeIs(1));
  EXPECT_THAT(stand.lines("did not return when its soft")[0],
              AllOf(HasSubstr(id.str()), HasSubstr("deaf")));
  EXPECT_EQ(figure(stand, "umbel_worker_slots_stuck"), 1);
  EXPECT_EQ(figure(stand, "umbel_tasks_stuck_total{task=\"deaf\"}"), 1);
  EXPECT_EQ(figure(stand, "umbel_worker_tasks_active"), 0);
  EXPECT_TRUE(worker->ready());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(stand.result_of(stand.submit("quick")).result, "1");
  EXPECT_TRUE(eventually([&] {
    const auto beats = stand.worker_events(WorkerEventType::Heartbeat);
    return !beats.empty() && beats.back().stuck == 1 && beats.back().active == 0;
  }));

  deaf.wake();
  EXPECT_TRUE(eventually([&] { return figure(stand, "umbel_worker_slots_stuck") == 0; }));
  EXPECT_THAT(stand.lines("a task that had been given up returned"), SizeIs(1));
  EXPECT_EQ(stand.find(id)->sequence, task.sequence) << "its late answer changed nothing";
  EXPECT_EQ(failures, 1);
}

TEST_F(WorkerSlots, AllLostMakeTheWorkerUnreadyAndLeaveTheQueueToOthers) {
  stand.tasks.add("deaf", deaf.task(), {}, limited());
  stand.options.concurrency = 2;
  auto worker = stand.start();
  const std::vector<TaskId> stuck{stand.submit("deaf"), stand.submit("deaf")};
  for (const auto& id : stuck) (void)stand.result_of(id);
  std::vector<TaskId> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(stand.submit("quick"));

  EXPECT_TRUE(eventually([&] { return stand.queue().ready == 5 && stand.queue().unacked == 0; }))
      << "another worker could take them";
  const auto ready = worker->ready();
  ASSERT_FALSE(ready);
  Readiness conditions;
  worker->add_conditions(conditions);
  std::map<std::string, bool> hold;
  for (const auto& each : conditions.conditions()) hold[each.name] = each.holds();
  EXPECT_EQ(hold,
            (std::map<std::string, bool>{{"broker", true}, {"slots", false}, {"store", true}}));
  EXPECT_THAT(ready.error().what, AllOf(HasSubstr("all 2 slots are stuck"), HasSubstr("(deaf)"),
                                        HasSubstr("restart this worker")));

  deaf.wake();
  for (const auto& id : waiting) EXPECT_EQ(stand.result_of(id).result, "1");
  EXPECT_TRUE(eventually([&] { return worker->ready().has_value(); }));
}

TEST_F(WorkerSlots, AreLostToATerminatedTaskThatNeverReturns) {
  stand.tasks.add("deaf", deaf.task(), {});
  stand.options.concurrency = 2;
  const auto worker = stand.start();
  ControlClient client{*stand.broker};
  const auto id = stand.submit("deaf");
  ASSERT_TRUE(eventually([&] { return deaf.running == 1; }));
  (void)client.ask("terminate", R"({"signal": "TERM", "task_id": ")" + id.str() + "\"}");

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Revoked);
  EXPECT_EQ(Stand::field(task, "exc_message"), "terminated");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  const auto said = stand.lines("did not return when it was terminated");
  ASSERT_THAT(said, SizeIs(1));
  EXPECT_THAT(said[0], AllOf(HasSubstr(id.str()), HasSubstr("--pool=prefork")));
  EXPECT_EQ(figure(stand, "umbel_worker_slots_stuck"), 1);
  const auto pool = client.ask("stats").at("pool");
  EXPECT_EQ(pool.at("max-concurrency").as_int64(), 2);
  EXPECT_EQ(pool.at("threads-stuck").as_int64(), 1);
  EXPECT_EQ(client.text("active"), "[]");

  deaf.wake();
  EXPECT_TRUE(eventually([&] { return figure(stand, "umbel_worker_slots_stuck") == 0; }));
  EXPECT_FALSE(client.ask("stats").at("pool").as_object().contains("threads-stuck"));
}

TEST_F(WorkerSlots, ThatAreStuckCanBeReplaced) {
  stand.tasks.add("deaf", deaf.task(), {}, limited());
  stand.options.concurrency = 2;
  stand.options.pool_restarts = true;
  const auto worker = stand.start();
  ControlClient client{*stand.broker};
  const std::vector<TaskId> stuck{stand.submit("deaf"), stand.submit("deaf")};
  for (const auto& id : stuck) (void)stand.result_of(id);
  ASSERT_TRUE(eventually([&] { return !worker->ready(); }));

  EXPECT_EQ(client.text("pool_restart"), R"({"ok": "reload started"})");
  EXPECT_TRUE(eventually([&] { return worker->ready().has_value(); }));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(stand.result_of(stand.submit("quick")).result, "1");
  const auto pool = client.ask("stats").at("pool");
  EXPECT_EQ(pool.at("max-concurrency").as_int64(), 2);
  EXPECT_EQ(pool.at("threads-stuck").as_int64(), 2) << "they are there all the same";
  deaf.wake();
}

TEST_F(WorkerSlots, ThatAreStuckGoFirstWhenThePoolShrinks) {
  stand.tasks.add("deaf", deaf.task(), {}, limited());
  stand.options.concurrency = 2;
  const auto worker = stand.start();
  ControlClient client{*stand.broker};
  (void)stand.result_of(stand.submit("deaf"));
  EXPECT_EQ(client.text("pool_shrink"), R"({"ok": "pool will shrink"})");
  EXPECT_TRUE(worker->ready());
  EXPECT_EQ(stand.result_of(stand.submit("quick")).result, "1");
  deaf.wake();
}

TEST_F(WorkerSlots, ThatAreLostDoNotHoldUpTheStop) {
  stand.tasks.add("deaf", deaf.task(), {}, limited());
  stand.options.stop_soft = 30s;
  stand.options.stop_hard = 60s;
  const auto worker = stand.start();
  const auto id = stand.submit("deaf");
  (void)stand.result_of(id);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));

  const auto begin = Steady::now();
  worker->stop();
  EXPECT_LT(Steady::now() - begin, 20s) << "it waits for what may still end, for that alone";
  EXPECT_EQ(worker->stuck(), 1U) << "for a program that ends without it";
  EXPECT_THAT(stand.lines("not finished before the stop"), IsEmpty());
  deaf.wake();
}

TEST_F(WorkerSlots, HaveALimitOfTheWorkersForTasksWithoutTheirOwn) {
  stand.options.soft_time_limit = 0.02;
  stand.tasks.add("patient", function([](TaskContext& context) { (void)context.sleep_for(60s); }),
                  {});
  const auto worker = stand.start();
  const auto by_worker = stand.submit("patient");
  EXPECT_EQ(Stand::field(stand.result_of(by_worker), "exc_type"), "SoftTimeLimitExceeded");
}

TEST_F(WorkerSlots, TakeAHardLimitThatCameWithTheMessageForAMomentToStop) {
  stand.tasks.add("patient", function([](TaskContext& context) { (void)context.sleep_for(60s); }),
                  {});
  const auto worker = stand.start();
  celery::TaskMessage task;
  task.task = "patient";
  task.time_limit = 0.02;
  EXPECT_EQ(Stand::field(stand.result_of(stand.send(task)), "exc_type"), "SoftTimeLimitExceeded");
}

class Nameless : public std::exception {
 public:
  [[nodiscard]] const char* what() const noexcept override { return nullptr; }
};

struct ThrowsWhenItGoes {
  ThrowsWhenItGoes() = default;
  ThrowsWhenItGoes(const ThrowsWhenItGoes&) = delete;
  ~ThrowsWhenItGoes() noexcept(false) {
    if (std::uncaught_exceptions() == 0) throw std::runtime_error{"from a destructor"};
  }
};

TEST_F(WorkerSlots, SurviveWhateverATaskThrows) {
  struct Case {
    const char* name;
    std::function<void(TaskContext&)> task;
    const char* type;
    const char* says;
  };
  const Case cases[] = {
      {"int", [](TaskContext&) { throw 42; }, "RuntimeError", "no std::exception"},
      {"text", [](TaskContext&) { throw "text"; }, "RuntimeError", "no std::exception"},
      {"null", [](TaskContext&) { throw nullptr; }, "RuntimeError", "no std::exception"},
      {"nameless", [](TaskContext&) { throw Nameless{}; }, "RuntimeError", ""},
      {"memory", [](TaskContext&) { throw std::bad_alloc{}; }, "MemoryError", "bad_alloc"},
      {"length",
       [](TaskContext&) {
         std::string text;
         text.resize(text.max_size() + 1);
       },
       "RuntimeError", "basic_string"},
      {"nested",
       [](TaskContext&) {
         try {
           try {
             throw std::runtime_error{"the disk"};
           } catch (...) {
             std::throw_with_nested(std::logic_error{"the file"});
           }
         } catch (...) {
           std::throw_with_nested(TaskError{"ValueError", "the upload"});
         }
       },
       "ValueError", "the upload; caused by: the file; caused by: the disk"},
      {"destructor", [](TaskContext&) { const ThrowsWhenItGoes it; }, "RuntimeError",
       "from a destructor"},
      {"bytes",
       [](TaskContext&) {
         throw std::runtime_error{std::string{"a\0\xff", 3}};
       },
       "RuntimeError", "a"},
      {"long", [](TaskContext&) { throw std::runtime_error{std::string(10'000'000, 'x')}; },
       "RuntimeError", "xxx"},
      {"type",
       [](TaskContext&) {
         throw TaskError{std::string{"V\xff\0", 3}, "odd"};
       },
       "V", "odd"},
  };
  for (const auto& one : cases) stand.tasks.add(one.name, one.task, {});
  const auto worker = stand.start();
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    const auto task = stand.result_of(stand.submit(one.name));
    EXPECT_EQ(task.state, TaskState::Failure);
    EXPECT_THAT(Stand::field(task, "exc_type"), HasSubstr(one.type));
    EXPECT_THAT(Stand::field(task, "exc_message"), HasSubstr(one.says));
    EXPECT_LT(task.result.size(), 100'000U);
  }
  EXPECT_EQ(stand.result_of(stand.submit("quick")).result, "1");
}

TEST_F(WorkerSlots, FailATaskWhoseResultCouldNotBeRead) {
  stand.tasks.add("deep", function([](TaskContext&) {
                    boost::json::value value;
                    for (int i = 0; i < 2000; ++i) {
                      boost::json::array outer;
                      outer.push_back(std::move(value));
                      value = std::move(outer);
                    }
                    return value;
                  }),
                  {});
  stand.tasks.add("large",
                  function([](TaskContext&) { return std::string(celery::kMaxBody, 'x'); }), {});
  const auto worker = stand.start();
  EXPECT_THAT(Stand::field(stand.result_of(stand.submit("deep")), "exc_message"),
              HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(Stand::field(stand.result_of(stand.submit("large")), "exc_message"),
              HasSubstr("has 16777218 bytes (at most 16777216)"));
}

// --- At a time that is not now.

celery::TaskMessage at(WallTime eta) {
  celery::TaskMessage task;
  task.task = "quick";
  task.eta = eta;
  return task;
}

TEST_F(WorkerSlots, TakeMoreTasksForLaterThanTheWorkerMayHold) {
  stand.options.concurrency = 1;
  stand.options.prefetch_multiplier = 4;
  const auto worker = stand.start();
  const auto eta = stand.clock.wall() + 1500ms;
  std::vector<TaskId> later;
  for (int i = 0; i < 40; ++i) later.push_back(stand.send(at(eta)));

  EXPECT_EQ(stand.result_of(stand.submit("quick")).result, "1")
      << "what is for later does not stand in the way";
  EXPECT_LT(stand.clock.wall(), eta + 30s);
  for (const auto& id : later) {
    const auto task = stand.result_of(id);
    EXPECT_EQ(task.result, "1");
    EXPECT_GE(task.done, eta);
  }
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerSlots, KeepATasksTimeAcrossAStop) {
  const auto eta = stand.clock.wall() + 1500ms;
  auto worker = stand.start();
  const auto id = stand.send(at(eta));
  ASSERT_TRUE(eventually([&] { return stand.queue().unacked == 1; }));
  worker->stop();
  worker.reset();
  EXPECT_EQ(stand.queue().ready, 1U);

  worker = stand.start();
  const auto task = stand.result_of(id);
  EXPECT_EQ(task.result, "1");
  EXPECT_GE(task.done, eta);
}

TEST_F(WorkerSlots, RevokeWhatExpiresBeforeItsTurn) {
  stand.options.concurrency = 1;
  stand.tasks.add("gate", deaf.task(), {});
  const auto worker = stand.start();
  const auto first = stand.submit("gate");
  ASSERT_TRUE(eventually([&] { return deaf.running == 1; }));
  celery::TaskMessage message;
  message.task = "quick";
  message.expires = stand.clock.wall() + 200ms;
  const auto id = stand.send(message);
  ASSERT_TRUE(eventually([&] { return stand.queue().unacked == 2; }));
  ASSERT_TRUE(eventually([&] { return stand.clock.wall() > *message.expires; }));
  deaf.wake();

  EXPECT_EQ(stand.result_of(first).state, TaskState::Success);
  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Revoked);
  EXPECT_EQ(stand.types_of(id, TaskEventType::Revoked).front(), TaskEventType::Received);
  EXPECT_EQ(stand.events_of(id).back().expired, true);
}

// A clock that somebody sets while the worker runs. Its steady time is the machine's.
class SteppedClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override {
    return real_.wall() + std::chrono::milliseconds{step_.load()};
  }
  [[nodiscard]] Steady::time_point steady() const override { return real_.steady(); }
  void step(std::chrono::milliseconds by) { step_ += by.count(); }

 private:
  SystemClock real_;
  std::atomic<std::int64_t> step_{0};
};

TEST_F(WorkerSlots, DoNotMindAClockThatIsSet) {
  SteppedClock clock;
  auto broker =
      open_sqlite_broker({.path = stand.dir.file("broker.db")}, clock, Log::none()).value();
  stand.tasks.add("patient",
                  function([](TaskContext& context) { return context.sleep_for(700ms); }), {},
                  TaskOptions{.soft_time_limit = 10.0});
  Worker worker{stand.options, stand.tasks, *broker, stand.store, clock, stand.metrics, stand.log};
  ASSERT_TRUE(worker.start());
  for (const auto step : {std::chrono::milliseconds{24h}, std::chrono::milliseconds{-48h}}) {
    const auto running = stand.submit("patient");
    ASSERT_TRUE(eventually([&] {
      for (const auto& event : stand.events_of(running)) {
        if (event.type == TaskEventType::Started) return true;
      }
      return false;
    }));
    const auto beats = stand.worker_events(WorkerEventType::Heartbeat).size();
    clock.step(step);
    const auto task = stand.result_of(running);
    EXPECT_EQ(task.result, "true") << "neither limit nor sleep noticed";
    ASSERT_TRUE(task.runtime);
    EXPECT_GE(*task.runtime, 0.6);
    EXPECT_LT(*task.runtime, 30.0);
    EXPECT_EQ(task.run, 0) << "its lease was kept";
    EXPECT_TRUE(eventually(
        [&] { return stand.worker_events(WorkerEventType::Heartbeat).size() > beats + 2; }));
    EXPECT_TRUE(worker.ready());
    // Forward: what was for later is due now. Back: what is held goes by the new time.
    const auto due = stand.send(at(clock.wall() + 300ms));
    EXPECT_EQ(stand.result_of(due).result, "1");
  }
  const auto held = stand.send(at(clock.wall() + 10min));
  ASSERT_TRUE(eventually([&] { return stand.queue().unacked == 1; }));
  clock.step(-24h);
  EXPECT_TRUE(eventually([&] {
    const auto queue = stand.queue();
    return queue.unacked == 0 && queue.ready + queue.delayed.value() == 1;
  })) << "a day is too long to hold it";
  clock.step(48h);
  EXPECT_EQ(stand.result_of(held).result, "1");
}

// --- Names without end.

TEST(WorkerBounds, HoldTheSeriesOfTenThousandTaskNames) {
  Stand stand;
  constexpr int kNames = 10'000;
  for (int i = 0; i < kNames; ++i) {
    stand.tasks.add("task" + std::to_string(i), function([](TaskContext&) { return 1; }), {});
  }
  stand.options.events = false;
  stand.options.prefetch_multiplier = 128;
  const auto worker = stand.start();
  std::vector<OutgoingMessage> messages;
  for (int i = 0; i < kNames; ++i) {
    celery::TaskMessage task;
    task.task = "task" + std::to_string(i);
    task.id = new_task_id();
    messages.push_back({QueueName{kDefaultQueue}, celery::encode_task(task), std::nullopt});
    task.task = "unknown" + std::to_string(i);
    task.id = new_task_id();
    if (i % 10 == 0) {
      messages.push_back({QueueName{kDefaultQueue}, celery::encode_task(task), std::nullopt});
    }
  }
  ASSERT_TRUE(stand.broker->publish(messages));

  ASSERT_TRUE(eventually([&] { return stand.queues_empty(); }, 60s));
  const auto text = stand.metrics.text();
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 30'000);
  EXPECT_EQ(figure(stand, "umbel_tasks_received_total{queue=\"umbel\"}"),
            static_cast<double>(messages.size()));
  EXPECT_GT(figure(stand, "umbel_metric_labels_folded_total"), 0);
}

}  // namespace
}  // namespace umbel
