#include "umbel/worker/worker.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <future>

#include "stand.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using enum TaskEventType;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::Stand;

std::int64_t add(TaskContext&, std::int64_t x, std::int64_t y) { return x + y; }

template <class... A, class F>
auto function(F f) {
  return std::function<std::invoke_result_t<F, TaskContext&, A...>(TaskContext&, A...)>{
      std::move(f)};
}

RetryPolicy quick(int retries) {
  RetryPolicy policy;
  policy.max_retries = retries;
  policy.first_delay = 1ms;
  return policy;
}

double figure(metrics::Metrics& metrics, const std::string& line) {
  const auto text = "\n" + metrics.text();
  const auto at = text.find("\n" + line + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
}

class WorkerRuns : public ::testing::Test {
 protected:
  WorkerRuns() { stand.tasks.add("add", add, {"x", "y"}); }
  Stand stand;
};

TEST_F(WorkerRuns, StoresTheResultThenAcknowledgesThenTells) {
  const auto worker = stand.start();
  const auto id = stand.submit("add", "[2]", R"({"y": 3})");

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.result, "5");
  EXPECT_EQ(task.worker, "w1@test");
  EXPECT_TRUE(task.runtime && *task.runtime >= 0);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(stand.types_of(id, Succeeded), ElementsAre(Received, Started, Succeeded));

  const auto events = stand.events_of(id);
  EXPECT_EQ(events[0].name, "add");
  EXPECT_EQ(events[0].args, "(2,)");
  EXPECT_EQ(events[0].kwargs, "{'y': 3}");
  EXPECT_EQ(events[0].root_id, id.str());
  EXPECT_EQ(events[2].result, "5");
  EXPECT_TRUE(events[2].runtime.has_value());
}

TEST_F(WorkerRuns, TellsTheCatalogueWhatItCanDo) {
  const auto worker = stand.start();
  const auto entry = stand.store.catalogue().find("add");
  ASSERT_TRUE(entry);
  EXPECT_THAT(entry->parameters, SizeIs(2));
}

TEST_F(WorkerRuns, FailsTheTaskWhoseArgumentsDoNotFit) {
  const auto worker = stand.start();
  const std::pair<TaskId, const char*> cases[] = {
      {stand.send("add", "[1]"), "add() is missing 'y' (integer)"},
      {stand.send("add", "[1, 2, 3]"), "takes 2 positional arguments but 3 were given"},
      {stand.send("add", "[1]", R"({"y": "two"})"), "argument 'y' must be integer, not string"},
      {stand.send("add", "[1, 2]", R"({"z": 3})"), "got unexpected 'z'"},
  };
  for (const auto& [id, text] : cases) {
    const auto task = stand.result_of(id);
    EXPECT_EQ(task.state, TaskState::Failure);
    EXPECT_EQ(Stand::field(task, "exc_type"), "TypeError");
    EXPECT_THAT(Stand::field(task, "exc_message"), HasSubstr(text));
  }
}

TEST_F(WorkerRuns, LosesOnlyTheTaskThatThrows) {
  stand.tasks.add("std", function([](TaskContext&) { throw std::out_of_range{"far"}; }), {});
  stand.tasks.add("int", function([](TaskContext&) { throw 42; }), {});
  stand.tasks.add("value", function([](TaskContext&) {
                    throw TaskError{"ValueError", "bad"};
                  }),
                  {});
  const auto worker = stand.start();
  const auto std_id = stand.submit("std");
  const auto int_id = stand.submit("int");
  const auto value_id = stand.submit("value");
  const auto fine = stand.submit("add", "[1, 1]");

  EXPECT_EQ(Stand::field(stand.result_of(std_id), "exc_type"), "RuntimeError");
  EXPECT_EQ(Stand::field(stand.result_of(int_id), "exc_type"), "RuntimeError");
  const auto value = stand.result_of(value_id);
  EXPECT_EQ(Stand::field(value, "exc_type"), "ValueError");
  EXPECT_EQ(Stand::field(value, "exc_module"), "builtins");
  EXPECT_EQ(value.traceback, "ValueError: bad\n");
  EXPECT_EQ(stand.result_of(fine).state, TaskState::Success);
  EXPECT_THAT(stand.types_of(value_id, Failed), ElementsAre(Received, Started, Failed));
  EXPECT_EQ(stand.events_of(value_id)[2].exception, "ValueError('bad')");
}

TEST_F(WorkerRuns, RetriesUntilItSucceeds) {
  TaskOptions options;
  options.retry = quick(3);
  stand.tasks.add("third", function([](TaskContext& context) {
                    if (context.retries() < 2) throw TaskError{"ValueError", "not yet"};
                    return context.retries();
                  }),
                  {}, options);
  const auto worker = stand.start();
  const auto id = stand.submit("third");

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.result, "2");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  (void)stand.types_of(id, Succeeded);
  std::vector<std::int64_t> retries;
  std::size_t retried = 0;
  for (const auto& event : stand.events_of(id)) {
    if (event.type == Received) retries.push_back(event.retries.value_or(-1));
    if (event.type == Received && event.retries != 0) {
      EXPECT_EQ(event.parent_id, id.str());
    }
    if (event.type == Retried) ++retried;
  }
  EXPECT_THAT(retries, ElementsAre(0, 1, 2));
  EXPECT_EQ(retried, 2U);
}

TEST_F(WorkerRuns, FailsWithItsOwnErrorWhenRetriesAreUsedUp) {
  TaskOptions options;
  options.retry = quick(2);
  std::atomic<int> runs{0};
  stand.tasks.add("never", function([&](TaskContext&) {
                    ++runs;
                    throw TaskError{"ValueError", "no"};
                  }),
                  {}, options);
  const auto worker = stand.start();

  EXPECT_EQ(Stand::field(stand.result_of(stand.submit("never")), "exc_type"), "ValueError");
  EXPECT_EQ(runs, 3);
}

TEST_F(WorkerRuns, FailsWithMaxRetriesExceededWhenATaskAsksOnceTooOften) {
  TaskOptions options;
  options.retry = quick(1);
  stand.tasks.add("asks", function([](TaskContext& context) { context.retry("later", 1ms); }), {},
                  options);
  const auto worker = stand.start();

  const auto task = stand.result_of(stand.submit("asks"));
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "MaxRetriesExceededError");
  EXPECT_EQ(Stand::field(task, "exc_module"), "celery.exceptions");
}

TEST_F(WorkerRuns, PutsATaskOffAsOftenAsItAsksWithoutUsingUpItsRetries) {
  TaskOptions options;
  options.retry = quick(1);
  std::mutex mutex;
  std::vector<std::int64_t> retries;
  stand.tasks.add("limited", function([&](TaskContext& context) {
                    const std::lock_guard lock{mutex};
                    retries.push_back(context.retries());
                    if (retries.size() < 4) context.retry_later(1ms, "429");
                    if (retries.size() == 4) throw TaskError{"ValueError", "an attempt"};
                    if (retries.size() == 5) context.retry_later(1ms, "429 again");
                  }),
                  {}, options);
  const auto worker = stand.start();
  const auto id = stand.submit("limited");

  EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  const std::lock_guard lock{mutex};
  EXPECT_THAT(retries, ElementsAre(0, 0, 0, 0, 1, 1));
}

TEST_F(WorkerRuns, DoesNotRetryAFinalError) {
  TaskOptions options;
  options.retry = quick(5);
  std::atomic<int> runs{0};
  stand.tasks.add("gone", function([&](TaskContext&) {
                    ++runs;
                    throw FinalTaskError{"LookupError", "404"};
                  }),
                  {}, options);
  const auto worker = stand.start();

  EXPECT_EQ(Stand::field(stand.result_of(stand.submit("gone")), "exc_type"), "LookupError");
  EXPECT_EQ(runs, 1);
}

TEST_F(WorkerRuns, RefusesATaskThatNobodyRegistered) {
  const auto worker = stand.start();
  const auto id = stand.send("no.such");

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "NotRegistered");
  EXPECT_EQ(Stand::field(task, "exc_message"), "no.such");
  EXPECT_EQ(Stand::field(task, "exc_module"), "celery.exceptions");
  EXPECT_THAT(stand.types_of(id, Failed), ElementsAre(Received, Failed));
  EXPECT_EQ(stand.events_of(id)[0].name, "no.such") << "no other event tells it";
  EXPECT_EQ(stand.events_of(id)[1].exception, "NotRegistered('no.such')");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerRuns, RevokesWhatHasExpired) {
  const auto worker = stand.start();
  celery::TaskMessage message;
  message.task = "add";
  message.args = {1, 2};
  message.expires = stand.clock.wall() - 1s;
  const auto id = stand.send(message);

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Revoked);
  EXPECT_EQ(Stand::field(task, "exc_type"), "TaskRevokedError");
  EXPECT_EQ(Stand::field(task, "exc_message"), "expired");
  EXPECT_THAT(stand.types_of(id, Revoked), ElementsAre(Revoked));
  EXPECT_EQ(stand.events_of(id)[0].expired, true);
  EXPECT_EQ(stand.events_of(id)[0].terminated, false);
}

TEST_F(WorkerRuns, HoldsATaskUntilItsEta) {
  const auto worker = stand.start();
  celery::TaskMessage message;
  message.task = "add";
  message.args = {1, 2};
  message.eta = stand.clock.wall() + 300ms;
  const auto id = stand.send(message);

  const auto task = stand.result_of(id);
  EXPECT_EQ(task.result, "3");
  (void)stand.types_of(id, Succeeded);
  for (const auto& event : stand.events_of(id)) {
    if (event.type == Started) {
      EXPECT_GE(event.origin.timestamp, *message.eta);
    }
  }
}

TEST_F(WorkerRuns, SendsATaskForTomorrowBackAsADelayedMessage) {
  const auto worker = stand.start();
  celery::TaskMessage message;
  message.task = "add";
  message.args = {1, 2};
  message.eta = stand.clock.wall() + 24h;
  (void)stand.send(message);

  EXPECT_TRUE(eventually([&] {
    const auto figures = stand.queue();
    return figures.delayed == 1 && figures.unacked == 0 && figures.ready == 0;
  }));
}

TEST_F(WorkerRuns, SurvivesPoisonOfEveryKind) {
  const auto worker = stand.start();
  const auto good = [] {
    celery::TaskMessage task;
    task.task = "add";
    task.id = new_task_id();
    task.args = {1, 2};
    return celery::encode_task(task);
  };
  std::vector<std::pair<std::string, Message>> poison;
  const auto change = [&](const char* name, auto how) {
    auto message = good();
    how(message);
    poison.emplace_back(name, std::move(message));
  };
  change("two elements", [](Message& m) { m.body = "[[], {}]"; });
  change("not JSON", [](Message& m) { m.body = "{nonsense"; });
  change("pickle", [](Message& m) { m.content_type = "application/x-python-serialize"; });
  change("kwargs a list", [](Message& m) { m.body = "[[], [], {}]"; });
  change("headers no object", [](Message& m) { m.headers = "[1]"; });
  change("zeros", [](Message& m) { m.body.assign(100, '\0'); });
  change("deep", [](Message& m) { m.body.assign(10'000, '['); });
  change("bad eta", [](Message& m) {
    auto headers = celery::parse_json(m.headers).value().as_object();
    headers["eta"] = "soon";
    m.headers = celery::to_json(headers);
  });
  change("empty", [](Message& m) { m = Message{}; });
  for (auto& [name, message] : poison) stand.publish(message);

  EXPECT_EQ(stand.result_of(stand.submit("add", "[4, 5]")).result, "9");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(stand.lines("message dropped: it is no task message"), SizeIs(poison.size()));
  EXPECT_EQ(figure(stand.metrics, "umbel_tasks_undecodable_total{queue=\"umbel\"}"),
            static_cast<double>(poison.size()));
  const auto task = stand.result_of(TaskId{poison[0].second.correlation_id});
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "InvalidTaskError");
  EXPECT_THAT(stand.types_of(task.id, Failed), ElementsAre(Failed));
}

TEST_F(WorkerRuns, KeepsTheStateButNotTheBodyOfAnIgnoredResult) {
  TaskOptions options;
  options.ignore_result = true;
  stand.tasks.add("quiet", function([](TaskContext&) { return 42; }), {}, options);
  const auto worker = stand.start();

  const auto task = stand.result_of(stand.submit("quiet"));
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.result, "null");
}

TEST_F(WorkerRuns, SpawnsTheSameTasksWhenItRunsAgain) {
  TaskOptions options;
  options.retry = quick(1);
  std::mutex mutex;
  std::vector<std::vector<AcceptedHandle>> handles;
  stand.tasks.add("parent", function([&](TaskContext& context) {
                    std::vector<TaskRequest> requests(3);
                    requests[0].name = requests[1].name = requests[2].name = "add";
                    requests[0].args = requests[1].args = "[1, 1]";
                    requests[2].args = context.retries() == 0 ? "[2, 2]" : "[3, 3]";
                    const auto made = context.spawn(std::move(requests));
                    {
                      const std::lock_guard lock{mutex};
                      handles.push_back(made.value());
                    }
                    if (context.retries() == 0) throw TaskError{"ValueError", "again"};
                  }),
                  {}, options);
  const auto worker = stand.start();
  const auto id = stand.submit("parent");

  EXPECT_EQ(stand.result_of(id).state, TaskState::Success);
  const std::lock_guard lock{mutex};
  ASSERT_EQ(handles.size(), 2U);
  EXPECT_EQ(handles[0][0].id, handles[1][0].id);
  EXPECT_EQ(handles[0][1].id, handles[1][1].id);
  EXPECT_NE(handles[0][0].id, handles[0][1].id) << "equal requests of one run are different tasks";
  EXPECT_FALSE(handles[1][0].fresh);
  EXPECT_FALSE(handles[1][1].fresh);
  EXPECT_NE(handles[0][2].id, handles[1][2].id) << "another request is another task";
  EXPECT_TRUE(handles[1][2].fresh);
  const auto child = handles[0][0].id;
  EXPECT_EQ(stand.result_of(child).result, "2");
  (void)stand.types_of(child, Succeeded);
  EXPECT_EQ(stand.events_of(child)[0].parent_id, id.str());
  EXPECT_EQ(stand.events_of(child)[0].root_id, id.str());
}

TEST_F(WorkerRuns, DropsACopyOfATaskThatIsDone) {
  const auto worker = stand.start();
  celery::TaskMessage message;
  message.task = "add";
  message.id = new_task_id();
  message.args = {1, 2};
  const auto id = stand.send(message);
  (void)stand.result_of(id);
  (void)stand.types_of(id, Succeeded);
  (void)stand.send(message);

  EXPECT_TRUE(
      eventually([&] { return figure(stand.metrics, "umbel_tasks_duplicate_total") == 1; }));
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(stand.events_of(id), SizeIs(3));
}

TEST_F(WorkerRuns, NeverRunsTwoCopiesAtTheSameTime) {
  std::promise<void> go;
  const auto wait = go.get_future().share();
  std::atomic<int> runs{0};
  stand.tasks.add("gate", function([&](TaskContext&) {
                    ++runs;
                    wait.wait();
                  }),
                  {});
  stand.options.concurrency = 3;
  const auto worker = stand.start();
  celery::TaskMessage message;
  message.task = "gate";
  message.id = new_task_id();
  for (int i = 0; i < 3; ++i) (void)stand.send(message);
  const auto other = stand.submit("add", "[1, 1]");  // came last, so the copies have arrived

  EXPECT_EQ(stand.result_of(other).state, TaskState::Success);
  EXPECT_EQ(runs, 1);
  go.set_value();
  EXPECT_EQ(stand.result_of(message.id).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_EQ(runs, 1);
}

TEST_F(WorkerRuns, EndsATaskThatPassesItsSoftLimit) {
  TaskOptions options;
  options.soft_time_limit = 0.05;
  options.retry = quick(3);
  std::atomic<bool> told{false};
  stand.tasks.add("long", function([&](TaskContext& context) {
                    told = !context.sleep_for(20s);
                    return 1;
                  }),
                  {}, options);
  const auto worker = stand.start();

  const auto task = stand.result_of(stand.submit("long"));
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "SoftTimeLimitExceeded");
  EXPECT_EQ(Stand::field(task, "exc_module"), "billiard.exceptions");
  EXPECT_TRUE(told);
}

TEST_F(WorkerRuns, NumbersEveryEventInTheOrderItIsSent) {
  const auto worker = stand.start();
  std::vector<TaskId> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(stand.submit("add", "[1, 2]"));
  for (const auto& id : ids) {
    EXPECT_THAT(stand.types_of(id, Succeeded), ElementsAre(Received, Started, Succeeded));
  }
  worker->stop();
  std::uint64_t next = 1;
  for (const auto& event : stand.events()) {
    const auto& origin =
        std::visit([](const auto& e) -> const EventOrigin& { return e.origin; }, event);
    EXPECT_EQ(origin.sequence, next++);
    EXPECT_EQ(origin.hostname, "w1@test");
    EXPECT_EQ(origin.pid, getpid());
    EXPECT_TRUE(origin.clock.has_value());
  }
}

TEST_F(WorkerRuns, TellsOfItselfInHeartbeats) {
  stand.options.metrics_address = "127.0.0.1:9101";
  std::promise<void> go;
  const auto wait = go.get_future().share();
  stand.tasks.add("gate", function([&](TaskContext&) { wait.wait(); }), {});
  const auto worker = stand.start();
  const auto id = stand.submit("gate");

  EXPECT_TRUE(eventually([&] {
    const auto beats = stand.worker_events(WorkerEventType::Heartbeat);
    return !beats.empty() && beats.back().active == 1;
  }));
  go.set_value();
  EXPECT_TRUE(eventually([&] {
    const auto beats = stand.worker_events(WorkerEventType::Heartbeat);
    return beats.back().active == 0 && beats.back().processed == 1;
  }));
  worker->stop();
  ASSERT_THAT(stand.worker_events(WorkerEventType::Online), SizeIs(1));
  ASSERT_THAT(stand.worker_events(WorkerEventType::Offline), SizeIs(1));
  const auto beat = stand.worker_events(WorkerEventType::Heartbeat).back();
  EXPECT_EQ(beat.freq, 0.05);
  EXPECT_EQ(beat.sw_ident, "umbel");
  EXPECT_FALSE(beat.sw_ver.value_or("").empty());
  EXPECT_EQ(beat.sw_sys, "Linux");
  EXPECT_EQ(beat.metrics_address, "127.0.0.1:9101");
  EXPECT_EQ(beat.slots, 2);
  EXPECT_EQ(beat.queues, "umbel");
  ASSERT_TRUE(beat.loadavg);
  EXPECT_GE(beat.loadavg->at(0), 0);
}

TEST_F(WorkerRuns, SendsNoTaskEventsWhenToldNotTo) {
  stand.options.events = false;
  const auto worker = stand.start();
  const auto id = stand.submit("add", "[1, 2]");
  (void)stand.result_of(id);
  worker->stop();

  EXPECT_THAT(stand.events_of(id), IsEmpty());
  EXPECT_THAT(stand.worker_events(WorkerEventType::Offline), SizeIs(1));
}

TEST_F(WorkerRuns, CallsTheHooksOfATask) {
  std::mutex mutex;
  std::vector<std::string> calls;
  const auto note = [&](const char* what) {
    return [&, what](const TaskEnd& end) {
      const std::lock_guard lock{mutex};
      calls.push_back(std::string{what} + " " + end.context.name() + " " + end.message);
    };
  };
  TaskOptions options;
  options.retry = quick(1);
  options.on_success = note("success");
  options.on_retry = note("retry");
  options.on_failure = note("failure");
  stand.tasks.add("second", function([](TaskContext& context) {
                    if (context.retries() == 0) throw TaskError{"ValueError", "no"};
                  }),
                  {}, options);
  stand.tasks.add("never", function([](TaskContext&) {
                    throw FinalTaskError{"KeyError", "k"};
                  }),
                  {}, options);
  TaskOptions rude;
  rude.on_success = [](const TaskEnd&) { throw std::runtime_error{"from the hook"}; };
  stand.tasks.add("rude", function([](TaskContext&) {}), {}, rude);
  const auto worker = stand.start();

  (void)stand.result_of(stand.submit("second"));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock{mutex};
    return calls.size() == 2;
  }));
  (void)stand.submit("never");
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock{mutex};
    return calls.size() == 3;
  }));
  EXPECT_THAT(calls, ElementsAre("retry second ValueError: no", "success second ",
                                 "failure never KeyError: k"));
  const auto id = stand.submit("rude");
  EXPECT_TRUE(eventually([&] { return stand.lines("hook failed").size() == 1; }));
  EXPECT_THAT(stand.lines("hook failed")[0],
              AllOf(HasSubstr("from the hook"), HasSubstr(id.str())));
}

TEST_F(WorkerRuns, WritesALineForEachTaskWhenAsked) {
  stand.options.log_tasks = true;
  const auto worker = stand.start();
  const auto id = stand.submit("add", "[1, 2]");
  (void)stand.types_of(id, Succeeded);

  EXPECT_THAT(stand.lines("Task add[" + id.str() + "] received"), SizeIs(1));
  EXPECT_TRUE(eventually(
      [&] { return stand.lines("Task add[" + id.str() + "] succeeded in 0.").size() == 1; }));
  EXPECT_THAT(stand.lines("] succeeded in ")[0], HasSubstr("s: 3"));
}

TEST_F(WorkerRuns, CountsWhatItDoes) {
  const auto worker = stand.start();
  const auto id = stand.submit("add", "[1, 2]");
  (void)stand.types_of(id, Succeeded);

  auto& metrics = stand.metrics;
  EXPECT_EQ(figure(metrics, "umbel_tasks_received_total{queue=\"umbel\"}"), 1);
  EXPECT_EQ(figure(metrics,
                   "umbel_tasks_finished_total{outcome=\"success\",queue=\"umbel\",task=\"add\"}"),
            1);
  EXPECT_EQ(figure(metrics, "umbel_task_run_duration_seconds_count{queue=\"umbel\",task=\"add\"}"),
            1);
  EXPECT_EQ(figure(metrics, "umbel_task_wait_duration_seconds_count{queue=\"umbel\"}"), 1);
  EXPECT_EQ(figure(metrics, "umbel_worker_slots"), 2);
  EXPECT_EQ(figure(metrics, "umbel_worker_tasks_active"), 0);
  EXPECT_EQ(figure(metrics, "umbel_worker_tasks_prefetched"), 0);
  EXPECT_TRUE(eventually([&] { return figure(metrics, "umbel_events_sent_total") >= 4; }));
  EXPECT_EQ(figure(metrics, "umbel_events_dropped_total"), 0);
}

}  // namespace
}  // namespace umbel
