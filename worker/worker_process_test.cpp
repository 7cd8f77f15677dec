// The real program, killed and stopped as a machine does it.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "stand.hpp"
#include "umbel/http/client.hpp"
#include "worker_process.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::eventually;
using ::testing::HasSubstr;
using testing::Process;
using ::testing::SizeIs;
using testing::Stand;

std::size_t starts_of(Stand& stand, const TaskId& id) {
  std::size_t starts = 0;
  for (const auto& event : stand.events_of(id)) starts += event.type == TaskEventType::Started;
  return starts;
}

TEST(WorkerProcess, LosesNothingWhenItIsKilled) {
  Stand stand;
  std::vector<TaskId> ids;
  Process first{stand, "first"};
  const auto slow = stand.send("delayed_add", "[1, 2]", R"({"seconds": 1.5})");
  ids.push_back(slow);
  ASSERT_TRUE(eventually([&] { return starts_of(stand, slow) == 1; })) << first.log();
  std::map<TaskId, std::string> tokens;
  for (int i = 0; i < 20; ++i) {
    const auto token = "token" + std::to_string(i);
    tokens[stand.send("touch", R"(["touched.txt", ")" + token + R"("])")] = token;
  }
  EXPECT_EQ(first.end(SIGKILL), 128 + SIGKILL);

  Process second{stand, "second"};
  const auto task = stand.result_of(slow, 30s);
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.result, "3");
  EXPECT_THAT(task.worker, HasSubstr("second@"));
  EXPECT_EQ(task.run, 1) << "the redelivered start has a number of its own";
  for (const auto& [id, token] : tokens) {
    EXPECT_EQ(stand.result_of(id, 30s).state, TaskState::Success) << token;
  }
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_TRUE(eventually([&] { return starts_of(stand, slow) == 2; }));
  std::set<std::string> lines;
  std::ifstream in{stand.dir.file("touched.txt")};
  for (std::string line; std::getline(in, line);) lines.insert(line);
  EXPECT_EQ(lines.size(), tokens.size());

  const auto sequence = stand.result_of(slow).sequence;
  EXPECT_EQ(second.end(SIGTERM), 0) << second.log();
  EXPECT_EQ(stand.result_of(slow).sequence, sequence) << "it ended once";
  EXPECT_THAT(second.log(), HasSubstr("Task delayed_add[" + slow.str() + "] succeeded in 1.5"));
}

TEST(WorkerProcess, FinishesWhatRunsWhenItIsTerminated) {
  Stand stand;
  Process worker{stand, "only"};
  const auto id = stand.send("delayed_add", "[1, 2]", R"({"seconds": 0.5})");
  ASSERT_TRUE(eventually([&] { return starts_of(stand, id) == 1; })) << worker.log();
  EXPECT_EQ(worker.end(SIGTERM), 0);

  ASSERT_TRUE(stand.find(id));
  EXPECT_EQ(stand.find(id)->result, "3");
  EXPECT_TRUE(stand.queues_empty());
  EXPECT_THAT(stand.worker_events(WorkerEventType::Offline), SizeIs(1));
  const auto beat = stand.worker_events(WorkerEventType::Online).at(0);
  EXPECT_THAT(beat.metrics_address.value_or(""), HasSubstr("127.0.0.1:"));
  EXPECT_THAT(beat.queues.value_or(""), AllOf(HasSubstr("umbel"), HasSubstr("reddit")));
  EXPECT_THAT(beat.origin.hostname, HasSubstr("only@"));
}

// It stands still while its task is given to another, wakes, and ends its run.
TEST(WorkerProcess, ThatWasFrozenCannotOverwriteANewerRun) {
  Stand stand;
  Process frozen{stand, "frozen"};
  const auto id = stand.send("delayed_add", "[1, 2]", R"({"seconds": 1.0})");
  ASSERT_TRUE(eventually([&] { return starts_of(stand, id) == 1; })) << frozen.log();
  frozen.send(SIGSTOP);
  Process other{stand, "other"};
  const auto task = stand.result_of(id, 60s);
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.run, 1);
  EXPECT_THAT(task.worker, HasSubstr("other@"));
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));

  frozen.send(SIGCONT);
  EXPECT_TRUE(
      eventually([&] { return frozen.log().find("result refused") != std::string::npos; }, 30s))
      << frozen.log();
  EXPECT_THAT(frozen.log(), HasSubstr("messages were no longer ours"));
  const auto after = stand.send("add", "[1, 2]");
  EXPECT_EQ(stand.result_of(after).result, "3");
  EXPECT_EQ(frozen.end(SIGTERM), 0) << frozen.log();
  EXPECT_EQ(stand.find(id)->sequence, task.sequence) << "it ended once";
  EXPECT_THAT(stand.find(id)->worker, HasSubstr("other@"));
  std::vector<std::string> tellers;
  for (const auto& event : stand.events_of(id)) {
    if (event.type == TaskEventType::Succeeded) tellers.push_back(event.origin.hostname);
  }
  ASSERT_THAT(tellers, SizeIs(1)) << "nor does it say that it did";
  EXPECT_THAT(tellers[0], HasSubstr("other@"));
}

TEST(WorkerProcess, EndsAtOnceByASecondSignalAndLosesNothing) {
  Stand stand;
  Process hasty{stand, "hasty", {"--stop-timeout=60"}};
  const auto id = stand.send("delayed_add", "[1, 2]", R"({"seconds": 20})");
  const auto later = stand.send("delayed_add", "[3, 4]", R"({"seconds": 0})");
  ASSERT_TRUE(eventually([&] { return starts_of(stand, id) == 1; })) << hasty.log();
  EXPECT_EQ(stand.result_of(later).result, "7");
  hasty.send(SIGTERM);
  ASSERT_TRUE(eventually([&] { return hasty.log().find("stopping") != std::string::npos; }));
  EXPECT_EQ(hasty.end(SIGTERM), 128 + SIGTERM);
  EXPECT_THAT(hasty.log(), HasSubstr("stopped at once by a second signal"));
  EXPECT_EQ(stand.find(id)->state, TaskState::Pending);

  Process second{stand, "second"};
  EXPECT_TRUE(eventually([&] { return starts_of(stand, id) == 2; }, 30s)) << "it runs again";
}

TEST(WorkerProcess, NamesWhatItHandsBackAtItsDeadline) {
  Stand stand;
  Process worker{stand, "short", {"--stop-timeout=1"}};
  const auto id = stand.send("delayed_add", "[1, 2]", R"({"seconds": 60})");
  ASSERT_TRUE(eventually([&] { return starts_of(stand, id) == 1; })) << worker.log();
  EXPECT_EQ(worker.end(SIGTERM), 0) << worker.log();
  EXPECT_THAT(worker.log(), AllOf(HasSubstr("not finished before the stop"),
                                  HasSubstr("delayed_add[" + id.str() + "]")));
  EXPECT_EQ(stand.queue().ready, 1U);
}

TEST(WorkerProcess, ThatIsKilledKeepsATasksTime) {
  Stand stand;
  celery::TaskMessage task;
  task.task = "add";
  task.args = {1, 2};
  task.eta = stand.clock.wall() + 3s;
  Process first{stand, "first"};
  const auto id = stand.send(task);
  ASSERT_TRUE(eventually([&] { return stand.queue().unacked == 1; })) << first.log();
  EXPECT_EQ(first.end(SIGKILL), 128 + SIGKILL);

  Process second{stand, "second"};
  const auto done = stand.result_of(id, 30s);
  EXPECT_EQ(done.result, "3");
  EXPECT_GE(done.done, *task.eta);
}

TEST(WorkerProcess, IsNotLentToATaskThatTookThreeOthersWithIt) {
  Stand stand;
  const auto id = stand.send("delayed_add", "[1, 2]", R"({"seconds": 60})");
  {
    auto consumer = stand.broker->consume({{QueueName{kDefaultQueue}}, 1, "lost"});
    ASSERT_THAT((*consumer)->next(1, 5s, {}).value(), SizeIs(1));
  }
  for (int lost = 0; lost < 2; ++lost) {  // as the store knows of two that are gone
    ASSERT_TRUE(stand.store.results().begin_again(id, "delayed_add", QueueName{kDefaultQueue}));
  }
  Process third{stand, "third"};
  ASSERT_TRUE(eventually([&] { return starts_of(stand, id) == 1; }, 30s)) << third.log();
  EXPECT_EQ(third.end(SIGKILL), 128 + SIGKILL);
  Process last{stand, "last"};
  const auto task = stand.result_of(id, 30s);
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(task, "exc_type"), "WorkerLostError");
  EXPECT_EQ(starts_of(stand, id), 1U);
}

// Its file is gone: what cannot be done is named, and by which file.
TEST(WorkerProcess, NamesTheConditionThatDoesNotHold) {
  Stand stand;
  Process worker{stand, "only"};
  ASSERT_TRUE(eventually([&] { return !stand.worker_events(WorkerEventType::Online).empty(); }))
      << worker.log();
  const auto address = stand.worker_events(WorkerEventType::Online).at(0).metrics_address.value();
  const auto readyz = [&] {
    http::Client client;
    http::ClientRequest request;
    request.url = "http://" + address + "/readyz";
    const auto answer = client.send(request);
    return answer ? std::to_string(answer->status) + " " + answer->body : answer.error().what;
  };
  EXPECT_TRUE(eventually([&] {
    return readyz() == "200 ready\nbroker: ok\ncallers: ok\nslots: ok\nstore: ok\n";
  })) << readyz();

  const auto store = stand.dir.file("store.db");
  // With its log: without it the file is another one.
  const auto move = [&store](const std::string& from, const std::string& to) {
    for (const auto* part : {"-wal", "-shm", ""}) {
      std::error_code missing;
      std::filesystem::rename(store + from + part, store + to + part, missing);
    }
  };
  move("", ".away");
  std::ofstream{store} << "this is no database" << std::string(4096, '.');
  EXPECT_TRUE(eventually([&] {
    const auto said = readyz();
    return said.rfind("503 not ready\nbroker: ok\ncallers: ok\nslots: ok\nstore: ", 0) == 0 &&
           said.find(store) != std::string::npos;
  })) << readyz();

  move(".away", "");
  EXPECT_TRUE(eventually([&] { return readyz().rfind("200 ", 0) == 0; })) << readyz();
}

TEST(WorkerProcess, RefusesWhatOnlyTaskProcessesCanDo) {
  Stand stand;
  for (const std::string option :
       {"--time-limit", "--max-tasks-per-child", "--max-memory-per-child"}) {
    Process worker{stand, "threads", {option + "=5"}};
    EXPECT_EQ(worker.wait(), 2);
    EXPECT_THAT(worker.log(), HasSubstr(option + " needs --pool=prefork"));
  }
}

TEST(WorkerProcess, KeepsItsSecretToItself) {
  Stand stand;
  Process worker{stand, "secret", {"--reddit-client-secret=s3cr3tw0rd", "--log-level=debug"}};
  const auto id = stand.send("add", "[1, 2]");
  EXPECT_EQ(stand.result_of(id).result, "3");
  EXPECT_EQ(worker.end(SIGTERM), 0);
  EXPECT_EQ(worker.log().find("s3cr3tw0rd"), std::string::npos);
}

}  // namespace
}  // namespace umbel
