#include "umbel/cli/supervisor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "umbel/cli/ports.hpp"
#include "umbel/cli/stack.hpp"
#include "umbel/http/server.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using umbel::testing::eventually;
using umbel::testing::TempDir;

TEST(RestartPlan, DoublesTheWaitToABoundAndForgetsAfterAGoodRun) {
  RestartPlan plan;

  EXPECT_EQ(plan.died(milliseconds{10}), milliseconds{500});
  EXPECT_EQ(plan.died(milliseconds{10}), milliseconds{1000});
  for (int i = 0; i < 10; ++i) (void)plan.died(milliseconds{10});
  EXPECT_EQ(plan.died(milliseconds{10}), milliseconds{30'000});
  EXPECT_EQ(plan.died(seconds{61}), milliseconds{500});
}

TEST(Child, GivesItsLinesAndItsEnd) {
  auto child = Child::spawn(
      {{"sh", "-c", "echo one; echo two >&2; printf $WORD; exit 3"}, {{"WORD", "three"}}});
  ASSERT_TRUE(child.has_value()) << child.error().what;

  std::vector<std::string> lines;
  ASSERT_TRUE(eventually([&] {
    for (auto& line : child->read_lines()) lines.push_back(line);
    return child->ended().has_value() && child->output() == -1;
  }));

  EXPECT_THAT(lines, ::testing::ElementsAre("one", "two", "three"));
  EXPECT_EQ(child->ended(), "exit status 3");
}

TEST(Child, SaysWhatCannotBeRun) {
  const auto child = Child::spawn({{"/nowhere/umbel-nothing"}, {}});

  ASSERT_TRUE(child.has_error());
  EXPECT_THAT(child.error().what, HasSubstr("cannot run /nowhere/umbel-nothing: No such file"));
}

TEST(Child, IsGoneWithItsOwner) {
  pid_t pid = 0;
  {
    auto child = Child::spawn({{"sleep", "1000"}, {}});
    ASSERT_TRUE(child.has_value());
    pid = child->pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }

  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(Ports, NamesWhoHoldsOne) {
  http::Server server{{}, {}, {}, Log::none()};
  ASSERT_TRUE(server.start().has_value());

  EXPECT_FALSE(port_is_free(server.port()));
  EXPECT_THAT(port_holder(server.port()).value_or(""),
              HasSubstr("pid " + std::to_string(getpid())));

  const std::uint16_t port = server.port();
  server.stop();
  EXPECT_TRUE(port_is_free(port));
}

TEST(Stack, RendersPrometheusForOneMachine) {
  const std::string text = render_prometheus(
      "rule_files: [/etc/prometheus/rules/*.yml]\nurl: http://collector:5555/api\ntargets: "
      "[\"prometheus:9090\"]\n",
      6555, 10090, "/repo/prometheus/rules");

  EXPECT_EQ(text,
            "rule_files: [/repo/prometheus/rules/*.yml]\nurl: http://127.0.0.1:6555/api\ntargets: "
            "[\"127.0.0.1:10090\"]\n");
}

TEST(Stack, RunsTheSimulatorOnlyWithoutCredentials) {
  StackOptions options;
  options.port_offset = 1000;

  const auto simulated = plan_stack(options);
  options.reddit_client_id = "id";
  options.reddit_client_secret = "secret";
  const auto real = plan_stack(options);

  EXPECT_EQ(simulated.front().name, "simulator");
  EXPECT_EQ(simulated.front().port, 9090);
  EXPECT_EQ(real.front().name, "collector");
  for (const auto& plan : real) {
    for (const auto& argument : plan.command.argv)
      EXPECT_THAT(argument, ::testing::Not(HasSubstr("secret")));
  }
}

// Supervised programs whose health this test answers itself.
class Supervised : public ::testing::Test {
 protected:
  void SetUp() override {
    http::Router router;
    router.add("GET", "/healthz", [](const http::Request&) { return http::Response{}; });
    server_ = std::make_unique<http::Server>(http::ServerOptions{}, std::move(router),
                                             std::vector<http::WebSocketRoute>{}, Log::none());
    ASSERT_TRUE(server_->start().has_value());
  }

  ProgramPlan plan(const std::string& name, const std::string& script) const {
    ProgramPlan plan;
    plan.name = name;
    plan.command.argv = {"sh", "-c", script};
    plan.port = server_->port();
    plan.health_path = "/healthz";
    plan.start_limit = seconds{10};
    plan.echo = true;
    return plan;
  }

  // Runs a supervisor in a process of its own, as `umbel up` does; its output goes to `file`.
  pid_t supervise(std::vector<ProgramPlan> plans, const std::string& file) const {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    setpgid(0, 0);
    std::ofstream out{file};
    int status = 0;
    {
      Supervisor supervisor{std::move(plans), {.log_dir = dir_.path()}, out};
      status = supervisor.run();
    }
    out.close();
    _exit(status);
  }

  [[nodiscard]] std::string read(const std::string& file) const {
    std::ifstream in{file};
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  [[nodiscard]] pid_t pid_in(const std::string& file) const {
    std::ifstream in{file};
    pid_t pid = 0;
    in >> pid;
    return pid;
  }

  TempDir dir_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(Supervised, IsRestartedWhenItDiesAndStoppedInTheEnd) {
  const std::string runs = dir_.file("runs");
  const std::string out = dir_.file("out");
  const pid_t supervisor =
      supervise({plan("steady", "exec sleep 1000"),
                 plan("shaky", "echo $$ >> " + runs + "; echo last words; sleep 0.3; exit 7")},
                out);

  ASSERT_TRUE(eventually(
      [&] {
        const std::string text = read(runs);
        return std::count(text.begin(), text.end(), '\n') >= 2;
      },
      seconds{20}))
      << read(out);
  kill(supervisor, SIGTERM);
  int status = -1;
  ASSERT_TRUE(eventually([&] { return waitpid(supervisor, &status, WNOHANG) == supervisor; }));

  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(read(out), HasSubstr("shaky ended with exit status 7"));
  EXPECT_THAT(read(out), HasSubstr("last words"));
  EXPECT_THAT(read(out), HasSubstr("Stopped."));
}

TEST_F(Supervised, LeavesNoOrphanWhenTheSupervisorIsKilled) {
  const std::string pid_file = dir_.file("pid");
  const std::string out = dir_.file("out");
  const pid_t supervisor =
      supervise({plan("child", "echo $$ > " + pid_file + "; exec sleep 1000")}, out);
  ASSERT_TRUE(eventually(
      [&] { return read(out).find("Ctrl-C") != std::string::npos || pid_in(pid_file) > 0; }));
  ASSERT_TRUE(eventually([&] { return pid_in(pid_file) > 0; }));
  const pid_t child = pid_in(pid_file);

  kill(supervisor, SIGKILL);
  waitpid(supervisor, nullptr, 0);

  EXPECT_TRUE(eventually([&] {
    // Gone, or a zombie that whoever adopted it has not reaped yet.
    const std::string stat = read("/proc/" + std::to_string(child) + "/stat");
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }));
}

TEST_F(Supervised, ThatNeverComesUpEndsTheWholeStartWithItsLastLines) {
  const std::string out = dir_.file("out");
  auto broken = plan("broken", "echo no database; exit 1");
  broken.health_path = "/missing";
  const pid_t supervisor = supervise({plan("fine", "exec sleep 1000"), broken}, out);

  int status = -1;
  ASSERT_TRUE(eventually([&] { return waitpid(supervisor, &status, WNOHANG) == supervisor; }));

  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_THAT(read(out), HasSubstr("did not come up"));
  EXPECT_THAT(read(out), HasSubstr("no database"));
}

TEST_F(Supervised, ThatIgnoresSigtermIsKilledAtTheLimit) {
  const std::string out = dir_.file("out");
  const std::string ready = dir_.file("ready");
  const pid_t supervisor = supervise(
      {plan("deaf", "trap '' TERM; echo 1 > " + ready + "; while true; do sleep 0.1; done")}, out);
  ASSERT_TRUE(eventually([&] { return pid_in(ready) == 1; }));

  const auto began = std::chrono::steady_clock::now();
  kill(supervisor, SIGINT);
  int status = -1;
  ASSERT_TRUE(
      eventually([&] { return waitpid(supervisor, &status, WNOHANG) == supervisor; }, seconds{12}));

  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds{11});
  EXPECT_THAT(read(out), HasSubstr("deaf did not stop in time and was killed"));
}

}  // namespace
}  // namespace umbel
