// The real programs under remote control: `umbel-worker` on a pool of either kind, asked by
// `umbel`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "control_client.hpp"
#include "worker_process.hpp"

namespace umbel::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;

bool has_started(Stand& stand, const TaskId& id) {
  for (const auto& event : stand.events_of(id)) {
    if (event.type == TaskEventType::Started) return true;
  }
  return false;
}

// What the command line prints; `status` is its exit status.
std::string umbel_says(const Stand& stand, const std::string& words, int& status) {
  const auto command = std::string{UMBEL_BIN_DIR} + "/umbel " + words +
                       " --broker=sqlite:" + stand.dir.file("broker.db") + " --timeout=20000 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string text;
  char part[4096];
  while (const auto got = fread(part, 1, sizeof part, pipe)) text.append(part, got);
  status = WEXITSTATUS(pclose(pipe));
  return text;
}

TEST(ControlProcess, AShutdownEndsTheProgramGracefully) {
  Stand stand;
  ControlClient client{*stand.broker};
  Process worker{stand, "only"};
  const auto id = stand.send("delayed_add", "[1, 2]", R"({"seconds": 1.0})");
  ASSERT_TRUE(eventually([&] { return has_started(stand, id); }, 30s)) << worker.log();
  client.tell("shutdown");
  client.tell("shutdown");  // again: it must not hurry the first
  EXPECT_EQ(worker.wait(), 0) << worker.log();
  ASSERT_TRUE(stand.find(id));
  EXPECT_EQ(stand.find(id)->result, "3");
  EXPECT_THAT(stand.worker_events(WorkerEventType::Offline), SizeIs(1));
  EXPECT_THAT(worker.log(), HasSubstr("shutdown by remote control"));
}

TEST(ControlProcess, TheCommandLineAsksAndTells) {
  Stand stand;
  Process worker{stand, "asked", {"--autoscale=4,2", "--without-mingle"}};
  ASSERT_TRUE(
      eventually([&] { return !stand.worker_events(WorkerEventType::Online).empty(); }, 30s))
      << worker.log();
  const auto node = "asked@" + stand.worker_events(WorkerEventType::Online)
                                   .front()
                                   .origin.hostname.substr(std::string{"asked@"}.size());
  int status = -1;
  const auto to = " --destination=" + node;
  EXPECT_EQ(umbel_says(stand, "inspect ping" + to, status),
            "->  " + node + ": OK\n        pong\n\n1 node online.\n");
  EXPECT_EQ(status, 0);
  const auto stats = umbel_says(stand, "inspect stats --json" + to, status);
  EXPECT_THAT(stats, HasSubstr(R"("autoscaler": {"max": 4, "min": 2, "current": 2)"));
  EXPECT_THAT(umbel_says(stand, "control rate_limit nosuch 1/s" + to, status),
              HasSubstr("ERROR\n        unknown task"));
  EXPECT_EQ(umbel_says(stand, "control shutdown", status),
            "shutdown was sent; nobody answers that.\n");
  EXPECT_EQ(worker.wait(), 0) << worker.log();
  EXPECT_THAT(umbel_says(stand, "inspect nosuch", status), HasSubstr("allowed: active"));
  EXPECT_EQ(status, 2);
}

TEST(ControlProcess, TerminateKillsATaskOfAPreforkPool) {
  Stand stand;
  ControlClient client{*stand.broker};
  Process worker{stand, "killer", {"--pool=prefork", "--concurrency=1"}};
  const auto id = stand.send("delayed_add", "[1, 2]", R"({"seconds": 600})");
  ASSERT_TRUE(eventually([&] { return has_started(stand, id); }, 60s)) << worker.log();
  const auto active = client.ask("active").as_array();
  ASSERT_THAT(active, SizeIs(1));
  EXPECT_NE(active[0].at("worker_pid").as_int64(), worker.pid());
  const auto pool = client.ask("stats").at("pool");
  EXPECT_EQ(pool.at("processes").at(0).as_int64(), active[0].at("worker_pid").as_int64());
  EXPECT_EQ(client.text("terminate", R"({"signal": "KILL", "task_id": ")" + id.str() + R"("})"),
            R"({"ok": "terminate: )" + id.str() + R"("})");
  const auto task = stand.result_of(id, 30s);
  EXPECT_EQ(task.state, TaskState::Revoked);
  EXPECT_EQ(Stand::field(task, "exc_message"), "terminated");
  ASSERT_EQ(stand.types_of(id, TaskEventType::Revoked).back(), TaskEventType::Revoked);
  EXPECT_EQ(stand.events_of(id).back().signum, "9");
  // The slot goes on, in a new process.
  const auto next = stand.send("delayed_add", "[3, 4]", R"({"seconds": 0})");
  EXPECT_EQ(stand.result_of(next, 60s).result, "7");
  EXPECT_EQ(client.text("pool_grow", R"({"n": 1})"), R"({"ok": "pool will grow"})");
  EXPECT_TRUE(eventually(
      [&] {
        const auto grown = client.ask("stats").at("pool");
        return grown.at("processes").as_array().size() == 2;
      },
      30s));
  EXPECT_EQ(worker.end(SIGTERM), 0) << worker.log();
}

}  // namespace
}  // namespace umbel::testing
