#include <stdexcept>

#include "store_under_test.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

class SqlitePlace final : public StorePlace {
 public:
  std::unique_ptr<Store> open(const Clock& clock) override {
    auto store = open_sqlite_store({.path = folder_.file("umbel.db")}, clock, Log::none());
    if (!store) throw std::runtime_error{store.error().what};
    return std::move(*store);
  }

 private:
  TempDir folder_;
};

template <class Place>
std::unique_ptr<StorePlace> make() {
  return std::make_unique<Place>();
}

}  // namespace

std::vector<StoreUnderTest> store_engines() {
  return {
      {"sqlite", &make<SqlitePlace>},
  };
}

AcceptedTask a_task(const std::string& id, const std::string& queue) {
  AcceptedTask task;
  task.id = TaskId{id};
  task.name = "demo.add";
  task.queue = QueueName{queue};
  task.message.content_type = "application/json";
  task.message.content_encoding = "utf-8";
  task.message.headers = R"({"task": "demo.add"})";
  task.message.body = std::string{"[[1, 2], {}, {}]\0\xff", 18};  // bytes, not text
  task.message.correlation_id = id;
  task.message.reply_to = "somebody";
  task.message.priority = 7;
  task.message.expires = from_micros(1'900'000'000'000'001);
  task.not_before = from_micros(1'800'000'000'000'002);
  return task;
}

Acceptance accepting(std::vector<AcceptedTask> tasks, WallTime at) {
  Acceptance acceptance;
  acceptance.tasks = std::move(tasks);
  acceptance.at = at;
  return acceptance;
}

FinishedRun a_success(const std::string& id, std::int64_t run, WallTime done) {
  FinishedRun finished;
  finished.id = TaskId{id};
  finished.name = "demo.add";
  finished.queue = QueueName{"mail"};
  finished.run = run;
  finished.state = TaskState::Success;
  finished.result = std::to_string(run);
  finished.worker = "w1@host";
  finished.runtime = 0.25;
  finished.done = done;
  return finished;
}

FinishedRun a_retry(const std::string& id, std::int64_t run, WallTime done) {
  auto finished = a_success(id, run, done);
  finished.state = TaskState::Retry;
  finished.result = R"({"exc_type": "ValueError"})";
  finished.retry = a_task(id);
  return finished;
}

}  // namespace umbel::testing
