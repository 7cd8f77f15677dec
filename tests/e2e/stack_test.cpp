// `umbel up` as a newcomer runs it: every part comes up, Prometheus sees all of it, a task goes
// round, and it ends without a trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "stack_stand.hpp"
#include "umbel/http/message.hpp"

namespace umbel::e2e {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using umbel::testing::eventually;
using umbel::testing::TempDir;

// Somebody else's program on a port.
class Squatter {
 public:
  ~Squatter() { leave(); }

  [[nodiscard]] bool sits(int port) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        listen(fd_, 1) == 0) {
      return true;
    }
    leave();
    return false;
  }
  void leave() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

// A folder that nobody can write: for root too, who passes by the rights of files.
class ReadOnlyFolder {
 public:
  ReadOnlyFolder() {
    mounted_ = ::mount("tmpfs", path().c_str(), "tmpfs", MS_RDONLY, "size=64k") == 0;
    if (!mounted_) std::filesystem::permissions(path(), std::filesystem::perms{0555});
  }
  ~ReadOnlyFolder() {
    if (mounted_) ::umount2(path().c_str(), MNT_DETACH);
  }
  [[nodiscard]] std::string path() const { return dir_.path().string(); }

 private:
  TempDir dir_;
  bool mounted_ = false;
};

TEST_F(StackTest, ShowsSubmissionsMeasuresThemAndStopsWithinTenSeconds) {
  start();

  // Submissions on the page's data, and said to be simulated.
  std::string overview;
  EXPECT_TRUE(eventually(
      [&] {
        const auto answer = get(5555, "/api/overview");
        if (!answer || answer->status != 200) return false;
        overview = answer->body;
        const auto page = json::parse(overview);
        return !page.at("submissions").as_array().empty() &&
               page.at("workers").as_array().size() == 2;
      },
      seconds{60}))
      << overview;
  EXPECT_EQ(json::parse(overview).at("data_source"), "simulated");

  // Every target that Prometheus found is up, and there are as many as programs.
  std::string targets;
  EXPECT_TRUE(eventually(
      [&] {
        const auto answer = get(9090, "/api/v1/targets?state=active");
        if (!answer || answer->status != 200) return false;
        targets = answer->body;
        const auto document = json::parse(targets);
        const auto& active = document.at("data").at("activeTargets").as_array();
        return active.size() == 6 &&
               std::all_of(active.begin(), active.end(),
                           [](const auto& target) { return target.at("health") == "up"; });
      },
      seconds{60}))
      << targets;

  // The average time to fetch a submission is a number.
  double average = -1;
  EXPECT_TRUE(eventually(
      [&] {
        const auto answer =
            get(9090, "/api/v1/query?query=" +
                          http::percent_encoded(
                              "sum(submission_fetch_time_sum)/sum(submission_fetch_time_count)"));
        if (!answer || answer->status != 200) return false;
        const auto document = json::parse(answer->body);
        const auto& result = document.at("data").at("result").as_array();
        if (result.empty()) return false;
        average = std::stod(std::string{result[0].at("value").at(1).as_string()});
        return average > 0;
      },
      seconds{30}));
  EXPECT_LT(average, 10) << "seconds";

  // What each program exports passes Prometheus' own linter.
  for (const int port : {5555, 8090, 9101, 9102, 9201}) {
    const auto scraped = get(port, "/metrics");
    ASSERT_TRUE(scraped.has_value()) << scraped.error().what;
    const std::string file = dir_.file("metrics");
    std::ofstream{file} << scraped->body;
    auto lint = Child::spawn({{"sh", "-c", "promtool check metrics < " + file}, {}});
    ASSERT_TRUE(lint.has_value());
    std::string said;
    ASSERT_TRUE(eventually([&] {
      for (const std::string& line : lint->read_lines()) said += line + "\n";
      return lint->ended().has_value() && lint->output() == -1;
    }));
    EXPECT_EQ(lint->ended(), "exit status 0") << port << ": " << said;
  }

  // A task goes round through the API.
  http::ClientRequest request;
  request.method = "POST";
  request.url = url(5555, "/task/add");
  request.body = R"({"x": 20, "y": 22})";
  const auto accepted = send(request);
  ASSERT_TRUE(accepted.has_value() && accepted->status == 200);
  const auto task = json::parse(accepted->body).at("task");
  EXPECT_EQ(task.at("name"), "add");
  EXPECT_EQ(task.at("status"), "PENDING");
  const std::string id{task.at("id").as_string()};
  EXPECT_TRUE(eventually([&] {
    const auto status = get(5555, "/task/status/" + id);
    return status && status->status == 200 && json::parse(status->body).at("status") == "SUCCESS" &&
           json::parse(status->body).at("result") == 42;
  }));
  EXPECT_EQ(get(5555, "/task/status/nobody")->status, 404);
  EXPECT_TRUE(eventually([&] { return printed("Task add[" + id + "] succeeded"); }))
      << "no line for the task";

  // A second stack on the same ports is refused by name.
  const auto [second, refused] = up_to_the_end(dir_.file("var2"), offset_);
  EXPECT_EQ(second, "exit status 1");
  EXPECT_THAT(refused, HasSubstr("port " + std::to_string(5555 + offset_) +
                                 " for collector is taken by pid"));

  // A worker that is killed comes back.
  const auto started = pids();
  ASSERT_EQ(started.size(), 6U) << output_;
  ASSERT_EQ(kill(started[2], SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return printed("worker-1 ended with signal 9 (Killed)"); }));
  EXPECT_TRUE(eventually([&] {
    const auto ready = get(9101, "/readyz");
    return ready && ready->status == 200;
  }));

  // Ctrl-C.
  const auto began = std::chrono::steady_clock::now();
  up_->signal(SIGINT);
  EXPECT_TRUE(
      eventually([&] { return printed("Stopped.") && up_->ended().has_value(); }, seconds{12}));
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds{10});
  EXPECT_EQ(up_->ended(), "exit status 0");
  EXPECT_THAT(output_, ::testing::Not(HasSubstr("was killed")));
  for (const pid_t pid : started) EXPECT_TRUE(gone(pid)) << pid;
}

TEST_F(StackTest, NamesWhatStandsInItsWayAndGoesOn) {
  start();
  const auto started = pids();
  ASSERT_EQ(started.size(), 6U) << output_;

  // A second one over the same folder, whose ports would all be free.
  const auto [end, said] = up_to_the_end(dir_.file("var"), free_offset());
  EXPECT_EQ(end, "exit status 1");
  EXPECT_THAT(said, HasSubstr(dir_.file("var") + " is in use by another `umbel up`, pid " +
                              std::to_string(up_->pid())));
  for (const pid_t pid : started) EXPECT_FALSE(gone(pid)) << pid;
  EXPECT_EQ(get(5555, "/readyz")->status, 200);

  // A program dies, and somebody sits on its port before it is back.
  const int port = 9101 + offset_;
  Squatter squatter;
  ASSERT_EQ(kill(started[2], SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return squatter.sits(port); }));
  EXPECT_TRUE(eventually([&] {
    return printed("worker-1 cannot be started: port " + std::to_string(port) +
                   " is taken by pid " + std::to_string(getpid()));
  }));
  EXPECT_EQ(get(9102, "/readyz")->status, 200);
  squatter.leave();
  EXPECT_TRUE(eventually(
      [&] {
        const auto ready = get(9101, "/readyz");
        return ready && ready->status == 200;
      },
      seconds{30}));
  EXPECT_FALSE(up_->ended().has_value());
}

TEST_F(StackTest, RefusesAFolderItCannotWriteByName) {
  const ReadOnlyFolder folder;

  for (const std::string& var : {folder.path(), folder.path() + "/var"}) {
    const auto [end, said] = up_to_the_end(var, offset_);

    EXPECT_EQ(end, "exit status 1");
    EXPECT_THAT(said, HasSubstr(var));
    EXPECT_THAT(
        said, ::testing::AnyOf(HasSubstr("Read-only file system"), HasSubstr("Permission denied")));
  }
}

TEST_F(StackTest, LeavesNoOrphanWhenItIsKilled) {
  start();
  const auto started = pids();
  ASSERT_EQ(started.size(), 6U) << output_;

  up_->signal(SIGKILL);

  for (const pid_t pid : started) EXPECT_TRUE(eventually([&] { return gone(pid); })) << pid;
}

}  // namespace
}  // namespace umbel::e2e
