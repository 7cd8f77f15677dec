// For tests: a worker over the embedded engines in a folder of its own, and eyes on what it does.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/worker.hpp"

namespace umbel::testing {

// The results of another store, which can be told to be out.
class FaultyResults final : public ResultStore {
 public:
  explicit FaultyResults(ResultStore& real) : real_{real} {}

  std::atomic<bool> out{false};  // every call fails
  std::atomic<int> refused{0};   // tries that failed
  std::atomic<bool> refuse_invalid{
      false};  // finish() refuses results that hold the word `unstorable`

  Result<std::vector<RunState>> look_up(std::span<const TaskId> ids) override {
    if (auto bad = check()) return *bad;
    return real_.look_up(ids);
  }
  Result<std::vector<RunState>> begin(std::span<const NamedTask> tasks) override {
    if (auto bad = check()) return *bad;
    return real_.begin(tasks);
  }
  Result<std::vector<Revocation>> revoke(std::span<const NamedTask> tasks,
                                         const std::string& result, WallTime now) override {
    return real_.revoke(tasks, result, now);
  }
  Result<KeptArguments> arguments(const TaskId& id) override { return real_.arguments(id); }
  Result<RunState> begin_again(const TaskId& id, const std::string& name,
                               const QueueName& queue) override {
    if (auto bad = check()) return *bad;
    return real_.begin_again(id, name, queue);
  }
  Result<void> hand_back(std::span<const HandedBack> runs) override {
    if (auto bad = check()) return *bad;
    return real_.hand_back(runs);
  }
  Result<std::vector<FinishOutcome>> finish(std::span<const FinishedRun> runs) override {
    if (auto bad = check()) return *bad;
    for (const auto& run : runs) {
      if (refuse_invalid && run.result.find("\"unstorable\"") != std::string::npos) {
        ++refused;
        return invalid("refused by the test");
      }
    }
    return real_.finish(runs);
  }
  Result<StoredTask> find(const TaskId& id) override { return real_.find(id); }
  Result<std::vector<StoredTask>> finished_since(std::uint64_t after, std::size_t limit) override {
    return real_.finished_since(after, limit);
  }

 private:
  std::optional<Error> check() {
    if (!out) return std::nullopt;
    ++refused;
    return unavailable("out, says the test");
  }
  ResultStore& real_;
};

class StoreThatGoesOut final : public Store {
 public:
  explicit StoreThatGoesOut(std::unique_ptr<Store> real)
      : real_{std::move(real)}, faulty{real_->results()} {}
  Outbox& outbox() override { return real_->outbox(); }
  ResultStore& results() override { return faulty; }
  SubmissionStore& submissions() override { return real_->submissions(); }
  TaskCatalogue& catalogue() override { return real_->catalogue(); }
  TickLedger& ticks() override { return real_->ticks(); }
  ScheduleBook& schedules() override { return real_->schedules(); }
  AuditLog& audit() override { return real_->audit(); }
  Leases& leases() override { return real_->leases(); }
  SharedValues& shared() override { return real_->shared(); }
  StoreRetention& retention() override { return real_->retention(); }
  Result<void> ping() override { return real_->ping(); }

 private:
  std::unique_ptr<Store> real_;

 public:
  FaultyResults faulty;
};

class Stand {
 public:
  Stand()
      : log{"worker", LogLevel::Debug,
            [this](LogLevel, std::string_view, std::string_view text) {
              const std::lock_guard lock{mutex_};
              lines_.emplace_back(text);
            }},
        broker{open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value()},
        store{open_sqlite_store({.path = dir.file("store.db")}, clock, Log::none()).value()},
        enqueuer{store, *broker, clock, Log::none(), "gen1@test"},
        subscription_{broker->subscribe({.name = "test", .after = std::nullopt}).value()} {
    options.name = WorkerName{"w1@test"};
    options.heartbeat = std::chrono::milliseconds{50};
  }

  TempDir dir;
  SystemClock clock;
  Log log;
  std::unique_ptr<Broker> broker;
  StoreThatGoesOut store;
  metrics::Metrics metrics{"test"};
  TaskRegistry tasks;
  Enqueuer enqueuer;
  WorkerOptions options;

  std::unique_ptr<Worker> start() {
    auto worker = std::make_unique<Worker>(options, tasks, *broker, store, clock, metrics, log);
    const auto started = worker->start();
    EXPECT_TRUE(started) << started.error().what;
    return worker;
  }

  // Through the one way in.
  TaskId submit(const std::string& name, const std::string& args = "[]",
                const std::string& kwargs = "{}") {
    TaskRequest request;
    request.name = name;
    request.args = args;
    request.kwargs = kwargs;
    const auto done = enqueuer.submit({&request, 1});
    if (!done) throw std::runtime_error{done.error().what};
    return done->at(0).id;
  }

  // As a foreign producer does it: straight to the broker, unchecked.
  TaskId send(celery::TaskMessage task, const std::string& queue = kDefaultQueue) {
    if (task.id.empty()) task.id = new_task_id();
    publish(celery::encode_task(task), queue);
    return task.id;
  }
  TaskId send(const std::string& name, const std::string& args = "[]",
              const std::string& kwargs = "{}") {
    celery::TaskMessage task;
    task.task = name;
    task.args = celery::parse_json(args).value().as_array();
    task.kwargs = celery::parse_json(kwargs).value().as_object();
    return send(std::move(task));
  }
  void publish(Message message, const std::string& queue = kDefaultQueue) {
    const OutgoingMessage outgoing{QueueName{queue}, std::move(message), std::nullopt};
    const auto done = broker->publish({&outgoing, 1});
    if (!done) throw std::runtime_error{done.error().what};
  }

  std::optional<StoredTask> find(const TaskId& id) {
    const auto found = store.results().find(id);
    return found ? std::optional{*found} : std::nullopt;
  }
  // The task once it has its result.
  StoredTask result_of(const TaskId& id, std::chrono::seconds limit = std::chrono::seconds{15}) {
    std::optional<StoredTask> task;
    const bool final = eventually(
        [&] {
          task = find(id);
          return task && is_final(task->state);
        },
        limit);
    EXPECT_TRUE(final) << "task " << id << " has no result";
    return task.value_or(StoredTask{});
  }
  static boost::json::value json(const std::string& text) {
    return celery::parse_json(text).value();
  }
  static std::string field(const StoredTask& task, const char* name) {
    const auto document = json(task.result);
    const auto& value = document.as_object().at(name);
    if (value.is_array()) {
      return value.as_array().empty() ? "" : std::string{value.as_array()[0].as_string()};
    }
    return std::string{value.as_string()};
  }

  // Nothing waits and nothing is held in any queue.
  bool queues_empty() {
    const auto figures = broker->queues();
    if (!figures) return false;
    for (const auto& queue : *figures) {
      if (queue.ready + queue.delayed.value() + queue.unacked.value() > 0) return false;
    }
    return true;
  }
  QueueFigures queue(const std::string& name = kDefaultQueue) {
    const auto figures = broker->queues();
    for (const auto& one : figures.value()) {
      if (one.name.str() == name) return one;
    }
    return {};
  }

  // Every event so far.
  const std::vector<Event>& events() {
    for (;;) {
      const auto batches = subscription_->next(1000, std::chrono::milliseconds{0}, {});
      if (!batches || batches->empty()) return events_;
      for (const auto& batch : *batches) (void)celery::decode_events(batch.body, events_).value();
    }
  }
  std::vector<TaskEvent> events_of(const TaskId& id) {
    std::vector<TaskEvent> found;
    for (const auto& event : events()) {
      if (const auto* task = std::get_if<TaskEvent>(&event); task != nullptr && task->uuid == id) {
        found.push_back(*task);
      }
    }
    return found;
  }
  std::vector<WorkerEvent> worker_events(WorkerEventType type) {
    std::vector<WorkerEvent> found;
    for (const auto& event : events()) {
      const auto* worker = std::get_if<WorkerEvent>(&event);
      if (worker != nullptr && worker->type == type) found.push_back(*worker);
    }
    return found;
  }
  // The types of a task's events, once the last of them is `last`.
  std::vector<TaskEventType> types_of(const TaskId& id, TaskEventType last) {
    std::vector<TaskEventType> types;
    EXPECT_TRUE(eventually([&] {
      types.clear();
      for (const auto& event : events_of(id)) types.push_back(event.type);
      return !types.empty() && types.back() == last;
    }));
    return types;
  }

  // Log lines that hold `text`.
  std::vector<std::string> lines(const std::string& text) const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> found;
    for (const auto& line : lines_) {
      if (line.find(text) != std::string::npos) found.push_back(line);
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  std::vector<Event> events_;
  std::unique_ptr<EventSubscription> subscription_;
};

}  // namespace umbel::testing
