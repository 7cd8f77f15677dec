// The real program with --pool=prefork, and what is left of it when somebody kills a part.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <set>

#include "children.hpp"
#include "umbel/http/client.hpp"
#include "worker_process.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::children_of;
using testing::eventually;
using ::testing::HasSubstr;
using testing::lives;
using testing::Process;
using ::testing::SizeIs;
using testing::Stand;

bool none_lives(const std::set<pid_t>& processes) { return std::ranges::none_of(processes, lives); }

bool has_started(Stand& stand, const TaskId& id) {
  return std::ranges::any_of(stand.events_of(id), [](const TaskEvent& event) {
    return event.type == TaskEventType::Started;
  });
}

std::vector<std::string> prefork(std::vector<std::string> more = {}) {
  more.emplace_back("--pool=prefork");
  return more;
}

TEST(PreforkProcess, RunsTheShippedTasks) {
  Stand stand;
  Process worker{stand, "prefork", prefork()};
  EXPECT_EQ(stand.result_of(stand.send("add", "[1, 2]"), 30s).result, "3");
  const auto touched = stand.send("touch", R"(["touched.txt", "token"])");
  EXPECT_EQ(stand.result_of(touched).state, TaskState::Success) << worker.log();
  const auto failed = stand.result_of(stand.send("fail", R"(["so it is"])"));
  EXPECT_EQ(Stand::field(failed, "exc_message"), "so it is");
  const auto children = children_of(worker.pid());
  EXPECT_THAT(children, SizeIs(2));
  EXPECT_EQ(worker.end(SIGTERM), 0) << worker.log();
  EXPECT_TRUE(none_lives(children));
}

TEST(PreforkProcess, LosesOneTaskWithAProcessThatIsKilled) {
  Stand stand;
  Process worker{stand, "prefork", prefork({"--concurrency=1"})};
  const auto id = stand.send("sleep", "[60]");
  ASSERT_TRUE(eventually([&] { return has_started(stand, id); })) << worker.log();
  const auto children = children_of(worker.pid());
  ASSERT_THAT(children, SizeIs(1));
  kill(*children.begin(), SIGKILL);
  const auto task = stand.result_of(id, 30s);
  EXPECT_EQ(Stand::field(task, "exc_type"), "WorkerLostError");
  EXPECT_THAT(Stand::field(task, "exc_message"), HasSubstr("signal 9 (SIGKILL) Job: 1."));
  EXPECT_EQ(stand.result_of(stand.send("add", "[1, 2]"), 30s).result, "3");
}

TEST(PreforkProcess, LeavesNoProcessBehindWhenItIsKilled) {
  Stand stand;
  std::set<pid_t> children;
  TaskId id;
  {
    Process worker{stand, "first", prefork()};
    id = stand.send("hang", "[20]");
    ASSERT_TRUE(eventually([&] { return has_started(stand, id); })) << worker.log();
    children = children_of(worker.pid());
    EXPECT_THAT(children, SizeIs(2));
    EXPECT_EQ(worker.end(SIGKILL), 128 + SIGKILL);
  }
  EXPECT_TRUE(eventually([&] { return none_lives(children); }));
  Process second{stand, "second", prefork({"--stuck-after=1"})};
  EXPECT_EQ(Stand::field(stand.result_of(id, 30s), "exc_type"), "SoftTimeLimitExceeded")
      << "it ran again: " << second.log();
}

TEST(PreforkProcess, KillsAtTheLimitOfItsOption) {
  Stand stand;
  Process worker{stand, "prefork", prefork({"--time-limit=1"})};
  const auto task = stand.result_of(stand.send("sleep", "[60]"), 30s);
  EXPECT_EQ(Stand::field(task, "exc_type"), "TimeLimitExceeded") << worker.log();
}

TEST(PreforkProcess, HandsBackUnderLoadAndEndsAtOnceByASecondSignal) {
  Stand stand;
  Process worker{stand, "prefork", prefork({"--stop-timeout=60", "--concurrency=2"})};
  std::vector<TaskId> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(stand.send("sleep", "[60]"));
  ASSERT_TRUE(eventually([&] { return has_started(stand, ids[0]); })) << worker.log();
  const auto children = children_of(worker.pid());
  worker.send(SIGTERM);
  ASSERT_TRUE(eventually([&] { return stand.queue().ready == 18; })) << "what has not started";
  EXPECT_EQ(worker.end(SIGTERM), 128 + SIGTERM);
  EXPECT_TRUE(eventually([&] { return none_lives(children); }));
  EXPECT_TRUE(eventually([&] { return stand.queue().ready == 20; }, 30s));
}

// With threads it would end with status 1 and a complaint: there nobody can be made to return.
TEST(PreforkProcess, EndsWellThoughATaskDoesNotListen) {
  Stand stand;
  Process worker{stand, "prefork", prefork({"--stop-timeout=1"})};
  const auto id = stand.send("hang", "[60]");
  ASSERT_TRUE(eventually([&] { return has_started(stand, id); })) << worker.log();
  const auto children = children_of(worker.pid());
  EXPECT_EQ(worker.end(SIGTERM), 0) << worker.log();
  EXPECT_TRUE(none_lives(children));
  EXPECT_THAT(worker.log(), HasSubstr("hang[" + id.str() + "]"));
  EXPECT_EQ(stand.queue().ready, 1U);
}

TEST(PreforkProcess, SaysWhyItIsNotReady) {
  Stand stand;
  Process worker{stand, "prefork", prefork()};
  ASSERT_TRUE(eventually([&] { return !stand.worker_events(WorkerEventType::Online).empty(); }));
  EXPECT_EQ(stand.result_of(stand.send("add", "[1, 2]"), 30s).result, "3");
  const auto address = stand.worker_events(WorkerEventType::Online).at(0).metrics_address.value();
  const auto readyz = [&] {
    http::Client client;
    http::ClientRequest request;
    request.url = "http://" + address + "/readyz";
    const auto answer = client.send(request);
    return answer ? std::to_string(answer->status) + " " + answer->body : answer.error().what;
  };
  EXPECT_TRUE(eventually([&] { return readyz().rfind("200 ", 0) == 0; })) << readyz();
  // Where the store's folder is gone a process cannot open it.
  const auto store = stand.dir.file("store.db");
  for (const auto* part : {"-wal", "-shm", ""}) {
    std::error_code missing;
    std::filesystem::rename(store + part, store + ".away" + part, missing);
  }
  std::ofstream{store} << "this is no database" << std::string(4096, '.');
  const auto killed = children_of(worker.pid());
  for (const auto child : killed) kill(child, SIGKILL);
  ASSERT_TRUE(eventually([&] { return none_lives(killed); }));
  EXPECT_TRUE(eventually([&] { return readyz().rfind("503 ", 0) == 0; })) << readyz();
  for (const auto* part : {"-wal", "-shm", ""}) {
    std::error_code missing;
    std::filesystem::rename(store + ".away" + part, store + part, missing);
  }
  EXPECT_TRUE(eventually([&] { return readyz().rfind("200 ", 0) == 0; }, 20s)) << readyz();
  EXPECT_EQ(stand.result_of(stand.send("add", "[3, 4]"), 30s).result, "7") << worker.log();
}

}  // namespace
}  // namespace umbel
