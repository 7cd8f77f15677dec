// The disk of a whole stack runs full while tasks run, and is given room again: no program ends,
// each says what is the matter and where, nothing is accepted that could not be kept, and all go on
// by themselves.
//
// As root the stack's folder is a small tmpfs that a large file fills up; as anybody else the
// running programs are forbidden to make files grow, which their writes meet in the same way.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "line.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::e2e {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using umbel::testing::eventually;
using umbel::testing::TempDir;

constexpr rlim_t kFilesMayGrowTo = 32 * 1024;  // bytes: less than any database, more than a token
constexpr seconds kFullFor{3};
constexpr seconds kBackWithin{10};
const std::vector<std::string> kWriters{"collector", "worker-1", "worker-2", "scheduler"};

std::chrono::milliseconds left_of(Steady::time_point since) {
  const auto left = since + kBackWithin - Steady::now();
  return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(left),
                  std::chrono::milliseconds{0});
}

class FullDisk : public ::testing::Test {
 protected:
  FullDisk() {
    mounted_ = ::mount("tmpfs", disk_.path().c_str(), "tmpfs", 0, "size=64m") == 0;
    // The line makes its folder where temporary folders are.
    const char* const before = std::getenv("TMPDIR");
    const std::string kept = before == nullptr ? "" : before;
    setenv("TMPDIR", disk_.path().c_str(), 1);
    LineOptions options;
    options.tasks_per_second = sanitized() ? 20 : 60;
    options.metrics = true;
    line_ = std::make_unique<Line>(std::move(options));
    if (before == nullptr) {
      unsetenv("TMPDIR");
    } else {
      setenv("TMPDIR", kept.c_str(), 1);
    }
    // What the tasks themselves write is not what is tested, and a task that cannot write fails.
    fs::remove(line_->file("touch"));
    fs::create_directory_symlink(elsewhere_.path(), line_->file("touch"));
  }
  ~FullDisk() override {
    line_.reset();
    if (mounted_) ::umount2(disk_.path().c_str(), MNT_DETACH);
  }
  void TearDown() override {
    if (HasFailure()) line_->print_logs();
  }

  // Takes what room there is; again where some was given back.
  void fill() const {
    if (!mounted_) {
      limit_files(kFilesMayGrowTo);
      return;
    }
    const std::string block(64UL * 1024, 'b');
    const int file = open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    while (write(file, block.data(), block.size()) > 0) {
    }
    close(file);
  }
  void make_room() const {
    if (mounted_) {
      fs::remove(ballast());
    } else {
      limit_files(RLIM_INFINITY);
    }
  }
  void limit_files(rlim_t bytes) const {
    for (const std::string& name : kWriters) {
      const rlimit limit{bytes, RLIM_INFINITY};
      ASSERT_EQ(prlimit(line_->at(name).pid(), RLIMIT_FSIZE, &limit, nullptr), 0) << name;
    }
  }
  [[nodiscard]] std::string ballast() const { return (disk_.path() / "ballast").string(); }
  [[nodiscard]] std::string reason() const {
    return mounted_ ? "the disk is full" : "a limit on the size of files";
  }

  // Status and body; 0: no answer.
  std::pair<int, std::string> send(const std::string& method, const std::string& url,
                                   const std::string& body = "") {
    http::ClientRequest request;
    request.method = method;
    request.url = url;
    request.body = body;
    request.timeout = seconds{10};
    const auto answer = client_.send(request);
    return answer ? std::pair{answer->status, answer->body} : std::pair{0, answer.error().what};
  }
  std::pair<int, std::string> readiness(const std::string& name) {
    return send("GET", line_->at_program(name, "/readyz"));
  }

  // Asks the collector for a task. An id that is given out is owed; whoever gives none says why.
  bool refused() {
    const auto [status, body] = send("POST", line_->api("/task/add"), R"({"x": 1, "y": 2})");
    if (status == 200) {
      owed_.insert(std::string{json::parse(body).at("task").at("id").as_string()});
      return false;
    }
    EXPECT_EQ(status, 503) << body;
    EXPECT_THAT(body, HasSubstr(reason()));
    EXPECT_THAT(body, HasSubstr(line_->file("umbel")));
    boost::system::error_code no_json;
    const auto document = json::parse(body, no_json);
    EXPECT_FALSE(!no_json && document.is_object() && document.as_object().contains("task")) << body;
    return true;
  }

  TempDir disk_, elsewhere_;
  bool mounted_ = false;
  std::unique_ptr<Line> line_;
  http::Client client_;
  std::set<std::string> owed_;
};

TEST_F(FullDisk, IsSaidAndOutlivedByAllPrograms) {
  line_->start();
  const auto begun = Steady::now();
  ASSERT_TRUE(eventually(
      [&] { return Steady::now() > begun + seconds{1} && line_->load().open_before(begun) == 0; },
      seconds{30}));
  std::map<std::string, pid_t> pids;
  for (const std::string& name : line_->names()) pids[name] = line_->at(name).pid();
  for (const std::string& name : kWriters) {
    ASSERT_TRUE(eventually([&] { return readiness(name).first == 200; })) << name;
  }

  fill();
  for (const std::string& name : kWriters) {
    std::pair<int, std::string> said;
    EXPECT_TRUE(eventually(
        [&] {
          fill();
          said = readiness(name);
          return said.first == 503 && said.second.find(reason()) != std::string::npos;
        },
        seconds{20}))
        << name << ": " << said.first << ' ' << said.second;
    EXPECT_THAT(said.second, AllOf(HasSubstr(line_->file("umbel")), HasSubstr(reason()))) << name;
    std::cout << "  " << name << ": " << said.second;
  }
  // What room a log still has within itself may serve for some.
  EXPECT_TRUE(eventually(
      [&] {
        fill();
        return refused();
      },
      seconds{20}))
      << owed_.size() << " were accepted";
  const std::size_t refused_before = line_->load().refused();
  // Here the time that passes is the thing itself: all of them meet it more than once.
  for (const auto until = Steady::now() + kFullFor; Steady::now() < until;) {
    fill();
    std::ignore = refused();
    for (const std::string& name : line_->names()) {
      ASSERT_TRUE(line_->at(name).running()) << name;
    }
  }
  EXPECT_GT(line_->load().refused(), refused_before);

  const auto room = Steady::now();
  const SystemClock clock;
  const auto wall = clock.wall();
  make_room();
  for (const std::string& name : line_->names()) {
    EXPECT_TRUE(eventually(line_->works_again(name, room, wall), left_of(room))) << name;
    std::cout << fmt::format("  {} works again {:.1f} s after there is room\n", name,
                             std::chrono::duration<double>(Steady::now() - room).count());
  }
  for (const std::string& name : kWriters) {
    EXPECT_TRUE(eventually([&] { return readiness(name).first == 200; }))
        << name << ": " << readiness(name).second;
  }
  for (const auto& [name, pid] : pids) {
    EXPECT_TRUE(line_->at(name).running()) << name;
    EXPECT_EQ(line_->at(name).pid(), pid) << name;
  }

  std::set<std::string> without_result;
  EXPECT_TRUE(eventually(
      [&] {
        without_result.clear();
        for (const std::string& id : owed_) {
          const auto found = line_->store().results().find(TaskId{id});
          if (!found || found->state != TaskState::Success) without_result.insert(id);
        }
        return without_result.empty();
      },
      seconds{20}))
      << ::testing::PrintToString(without_result);
  const Account account = line_->settle();
  std::cout << account << "  requests refused: " << line_->load().refused() << '\n';
  EXPECT_TRUE(account.clean());
}

}  // namespace
}  // namespace umbel::e2e
