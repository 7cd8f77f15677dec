#include "umbel/cli/supervisor.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "umbel/cli/outlet.hpp"
#include "umbel/cli/ports.hpp"
#include "umbel/cli/stack.hpp"
#include "umbel/cli/var_lock.hpp"
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
  EXPECT_EQ(plan.died(milliseconds{10}), milliseconds{10'000});
  EXPECT_EQ(plan.died(milliseconds{9999}), milliseconds{10'000});
  EXPECT_EQ(plan.died(seconds{10}), milliseconds{500});
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

TEST(Stack, OneCredentialWithoutTheOtherIsRefusedByTheNameOfTheOther) {
  StackOptions none, id, secret, both;
  id.reddit_client_id = both.reddit_client_id = "the-id";
  secret.reddit_client_secret = both.reddit_client_secret = "hush-hush";

  EXPECT_TRUE(check_reddit(none).has_value());
  EXPECT_TRUE(check_reddit(both).has_value());
  EXPECT_THAT(check_reddit(id).error().what, HasSubstr("REDDIT_CLIENT_SECRET is not"));
  EXPECT_THAT(check_reddit(secret).error().what, HasSubstr("REDDIT_CLIENT_ID is not"));
  EXPECT_THAT(check_reddit(secret).error().what, ::testing::Not(HasSubstr("hush")));
  EXPECT_THAT(reddit_text(none), HasSubstr("a simulator"));
  EXPECT_THAT(reddit_text(both), HasSubstr("the real service, as client the-id"));
  EXPECT_THAT(reddit_text(both), ::testing::Not(HasSubstr("hush")));
}

TEST(Stack, AddressesOfRedditInTheEnvironmentReachTheWorkers) {
  StackOptions options;
  options.reddit_client_id = "id";
  options.reddit_client_secret = "secret";

  for (const auto& plan : plan_stack(options)) {
    for (const auto& argument : plan.command.argv) {
      EXPECT_THAT(argument, ::testing::Not(HasSubstr("--reddit-")))
          << "a flag would beat UMBEL_REDDIT_API_URL";
    }
  }
}

TEST(Stack, ABrokerOfOnesOwnGoesToAllOfOursAndOnNoCommandLine) {
  StackOptions options;
  options.broker = "amqp://me:hush@rabbit/app";

  int told = 0;
  for (const auto& plan : plan_stack(options)) {
    for (const auto& argument : plan.command.argv) {
      EXPECT_THAT(argument, ::testing::Not(HasSubstr("hush")));
      EXPECT_THAT(argument, ::testing::Not(HasSubstr("--broker")));
    }
    for (const auto& [name, value] : plan.command.environment) {
      if (name == "UMBEL_BROKER" && value == options.broker) ++told;
    }
  }
  EXPECT_EQ(told, 4) << "collector, two workers, scheduler";
}

// A supervisor in a process of its own (supervise_main.cpp), over programs whose health this test
// answers itself.
class Supervised : public ::testing::Test {
 protected:
  struct Plan {
    std::string name, script, health = "/healthz";
  };

  void SetUp() override {
    http::Router router;
    router.add("GET", "/healthz", [](const http::Request&) { return http::Response{}; });
    server_ = std::make_unique<http::Server>(http::ServerOptions{}, std::move(router),
                                             std::vector<http::WebSocketRoute>{}, Log::none());
    ASSERT_TRUE(server_->start().has_value());
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << output_;
  }

  // `around`: a shell command that becomes the supervisor, given as `$0` and its arguments.
  void supervise(const std::vector<Plan>& plans, const std::string& around = "exec \"$0\" \"$@\"") {
    ChildCommand command{{"sh", "-c", around, UMBEL_SUPERVISE, dir_.path().string(),
                          std::to_string(server_->port())},
                         {}};
    for (const Plan& plan : plans) {
      command.argv.insert(command.argv.end(), {plan.name, plan.health, plan.script});
    }
    auto child = Child::spawn(command);
    ASSERT_TRUE(child.has_value()) << child.error().what;
    supervisor_.emplace(std::move(*child));
  }

  // Whether the supervisor has printed `text`.
  bool printed(const std::string& text) {
    for (const std::string& line : supervisor_->read_lines()) output_ += line + "\n";
    return output_.find(text) != std::string::npos;
  }
  bool ended() {
    std::ignore = printed("");
    return supervisor_->ended().has_value() && supervisor_->output() == -1;
  }

  [[nodiscard]] static int lines_in(const std::string& file) {
    const std::string text = read(file);
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  [[nodiscard]] static std::string read(const std::string& file) {
    std::ifstream in{file};
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  [[nodiscard]] static pid_t number_in(const std::string& file) {
    std::ifstream in{file};
    pid_t number = 0;
    in >> number;
    return number;
  }

  TempDir dir_;
  std::unique_ptr<http::Server> server_;
  std::optional<Child> supervisor_;
  std::string output_;
};

TEST_F(Supervised, IsRestartedWhenItDiesAndStoppedInTheEnd) {
  const std::string runs = dir_.file("runs");
  supervise({{"steady", "exec sleep 1000"},
             {"shaky", "echo $$ >> " + runs + "; echo last words; sleep 0.3; exit 7"}});

  ASSERT_TRUE(eventually(
      [&] {
        std::ignore = printed("");
        const std::string text = read(runs);
        return std::count(text.begin(), text.end(), '\n') >= 2;
      },
      seconds{20}));
  supervisor_->signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return ended(); }));

  EXPECT_EQ(supervisor_->ended(), "exit status 0");
  EXPECT_THAT(output_, HasSubstr("shaky ended with exit status 7"));
  EXPECT_THAT(output_, HasSubstr("last words"));
  EXPECT_THAT(output_, HasSubstr("Stopped."));
}

TEST_F(Supervised, LeavesNoOrphanWhenTheSupervisorIsKilled) {
  const std::string pid_file = dir_.file("pid");
  supervise({{"child", "echo $$ > " + pid_file + "; exec sleep 1000"}});
  ASSERT_TRUE(eventually([&] { return number_in(pid_file) > 0; }));
  const pid_t child = number_in(pid_file);

  supervisor_->signal(SIGKILL);

  EXPECT_TRUE(eventually([&] {
    // Gone, or a zombie that whoever adopted it has not reaped yet.
    const std::string stat = read("/proc/" + std::to_string(child) + "/stat");
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }));
}

TEST_F(Supervised, ThatNeverComesUpEndsTheWholeStartWithItsLastLines) {
  supervise({{"fine", "exec sleep 1000"}, {"broken", "echo no database; exit 1", "/missing"}});

  ASSERT_TRUE(eventually([&] { return ended(); }));

  EXPECT_EQ(supervisor_->ended(), "exit status 1");
  EXPECT_THAT(output_, HasSubstr("did not come up"));
  EXPECT_THAT(output_, HasSubstr("no database"));
}

TEST_F(Supervised, ThatIgnoresSigtermIsKilledAtTheLimit) {
  const std::string ready = dir_.file("ready");
  supervise({{"deaf", "trap '' TERM; echo 1 > " + ready + "; while true; do sleep 0.1; done"}});
  ASSERT_TRUE(eventually([&] { return number_in(ready) == 1; }));

  const auto began = std::chrono::steady_clock::now();
  supervisor_->signal(SIGINT);
  ASSERT_TRUE(eventually([&] { return ended(); }, seconds{15}));

  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds{11});
  EXPECT_THAT(output_, HasSubstr("deaf did not stop in time and was killed"));
}

TEST_F(Supervised, ThatDiesAtOnceAgainAndAgainIsGivenMoreTimeEachTimeWhileTheOthersGoOn) {
  const std::string beats = dir_.file("beats");
  const std::string broken = dir_.file("broken");
  const std::string shaky = dir_.file("shaky");
  supervise(
      {{"steady", "while true; do echo beat >> " + beats + "; sleep 0.05; done"},
       {"shaky", "test -e " + broken + " && exit 7; echo $$ > " + shaky + "; exec sleep 1000"}});
  ASSERT_TRUE(eventually([&] { return number_in(shaky) > 0 && lines_in(beats) > 0; }));
  std::ofstream{broken} << "from now on";
  kill(number_in(shaky), SIGKILL);

  for (const char* wait : {"500 ms", "1.0 s", "2.0 s"}) {
    EXPECT_TRUE(eventually([&] { return printed(std::string{"starting it again in "} + wait); },
                           seconds{15}))
        << wait;
  }
  const int before = lines_in(beats);
  EXPECT_TRUE(eventually([&] { return lines_in(beats) > before + 3; }));
}

TEST_F(Supervised, IsStoppedWhileItStillStarts) {
  const std::string pid_file = dir_.file("pid");
  supervise({{"slow", "echo $$ > " + pid_file + "; exec sleep 1000", "/missing"},
             {"never", "echo $$ > " + dir_.file("never")}});
  ASSERT_TRUE(eventually([&] { return number_in(pid_file) > 0; }));

  supervisor_->signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return ended(); }));

  EXPECT_EQ(supervisor_->ended(), "exit status 0");
  EXPECT_THAT(output_, HasSubstr("Stopped."));
  EXPECT_THAT(output_, ::testing::Not(HasSubstr("did not come up")));
  EXPECT_EQ(kill(number_in(pid_file), 0), -1);
  EXPECT_EQ(number_in(dir_.file("never")), 0);
}

TEST_F(Supervised, IsStoppedInOrderWhenItsTerminalIsClosed) {
  const std::string said = dir_.file("said");
  supervise({{"polite", "trap 'echo goodbye > " + said +
                            "; exit 0' TERM; echo up; while true; do sleep 0.05; done"}});
  ASSERT_TRUE(eventually([&] { return lines_in(dir_.file("polite.log")) > 0; }));

  supervisor_->signal(SIGHUP);
  ASSERT_TRUE(eventually([&] { return ended(); }));

  EXPECT_EQ(supervisor_->ended(), "exit status 0");
  EXPECT_EQ(read(said), "goodbye\n");
}

TEST_F(Supervised, IsStoppedInOrderWhenNobodyReadsTheOutputAnyMore) {
  const std::string said = dir_.file("said");
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  supervise({{"chatty", "trap 'echo goodbye > " + said +
                            "; exit 0' TERM; while true; do echo line; sleep 0.05; done"}},
            "exec \"$0\" \"$@\" >/proc/" + std::to_string(getpid()) + "/fd/" +
                std::to_string(pipe_ends[1]));
  // Only now has the supervisor surely opened the pipe for itself.
  ASSERT_TRUE(eventually([&] { return lines_in(dir_.file("chatty.log")) > 0; }));
  close(pipe_ends[1]);
  char some[16];
  ASSERT_GT(::read(pipe_ends[0], some, sizeof some), 0);

  close(pipe_ends[0]);

  ASSERT_TRUE(eventually([&] { return ended(); }));
  EXPECT_EQ(supervisor_->ended(), "exit status 0");
  EXPECT_EQ(read(said), "goodbye\n");
}

// A terminal stopped with Ctrl-S, a pager that nobody turns.
TEST_F(Supervised, GoesOnWhileItsOutputIsNotRead) {
  const std::string beats = dir_.file("beats");
  supervise({{"chatty", "yes 'a line of some length' & while true; do echo beat >> " + beats +
                            "; sleep 0.05; done"}});
  ASSERT_TRUE(eventually([&] { return lines_in(dir_.file("chatty.log")) > 20'000; }, seconds{30}));

  const int before = lines_in(beats);
  EXPECT_TRUE(eventually([&] { return lines_in(beats) > before + 3; }));
  EXPECT_TRUE(eventually([&] { return printed("messages were left out here"); }, seconds{30}));
}

TEST_F(Supervised, GoesOnWhenItsLogCannotBeWritten) {
  std::filesystem::create_symlink("/dev/full", dir_.file("chatty.log"));
  supervise({{"chatty", "while true; do echo line; sleep 0.02; done"}});

  EXPECT_TRUE(eventually([&] { return printed("chatty.log cannot be written"); }));
  std::filesystem::remove(dir_.file("chatty.log"));

  EXPECT_TRUE(eventually([&] {
    std::ignore = printed("");
    return read(dir_.file("chatty.log")).find("lines could not be written\nline") !=
           std::string::npos;
  }));
}

TEST(Outlet, LeavesOutWhatNobodyReadsAndSaysHowMuch) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Outlet outlet{ends[1], 1000};
  const std::string line(99, 'x');
  const std::size_t before = 65'536;  // what a pipe holds
  for (std::size_t i = 0; i < before / 100 + 200; ++i) outlet.print(line + "\n");
  EXPECT_EQ(outlet.waits_for(), ends[1]);

  std::string got;
  while (got.find("left out here") == std::string::npos) {
    char bytes[4096];
    const auto size = read(ends[0], bytes, sizeof bytes);
    ASSERT_GT(size, 0);
    got.append(bytes, static_cast<std::size_t>(size));
    outlet.write_some();
  }
  close(ends[0]);
  ::signal(SIGPIPE, SIG_IGN);
  outlet.print("anybody?\n");
  EXPECT_TRUE(outlet.closed());
  close(ends[1]);
}

TEST(VarLock, LetsOneInAndNamesIt) {
  const TempDir dir;
  {
    const auto first = VarLock::take(dir.path() / "var");
    ASSERT_TRUE(first.has_value()) << first.error().what;

    const auto second = VarLock::take(dir.path() / "var");

    ASSERT_TRUE(second.has_error());
    EXPECT_EQ(second.error().code, Errc::Conflict);
    EXPECT_THAT(second.error().what, HasSubstr("pid " + std::to_string(getpid())));
    EXPECT_THAT(second.error().what, HasSubstr((dir.path() / "var").string()));
  }
  EXPECT_TRUE(VarLock::take(dir.path() / "var").has_value());
}

TEST(VarLock, NamesAFolderThatCannotBeMade) {
  const auto lock = VarLock::take("/proc/umbel");

  ASSERT_TRUE(lock.has_error());
  EXPECT_THAT(lock.error().what, HasSubstr("/proc/umbel"));
}

}  // namespace
}  // namespace umbel
