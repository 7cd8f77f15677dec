#include "umbel/tasks_demo/demo_tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "umbel/celery/json.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using boost::json::array;
using boost::json::object;
using ::testing::HasSubstr;

// A context whose sleeps are over at once, or interrupted.
class QuickContext final : public TaskContext {
 public:
  explicit QuickContext(std::int64_t retries = 0) : retries_{retries} {}
  bool interrupted = false;
  std::chrono::milliseconds slept{0};

  [[nodiscard]] const TaskId& id() const override { return id_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t retries() const override { return retries_; }
  [[nodiscard]] std::stop_token stop() const override { return {}; }
  [[nodiscard]] const Log& log() const override { return log_; }
  [[nodiscard]] metrics::Metrics& metrics() override { return metrics_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] Result<std::vector<AcceptedHandle>> spawn(std::vector<TaskRequest>,
                                                          const Together&) override {
    return unavailable("not here");
  }
  [[nodiscard]] bool sleep_for(std::chrono::milliseconds duration) override {
    slept += duration;
    return !interrupted;
  }

 private:
  TaskId id_{"t"};
  std::string name_{"t"};
  std::int64_t retries_;
  Log log_ = Log::none();
  metrics::Metrics metrics_{"test"};
  SystemClock clock_;
};

class DemoTasks : public ::testing::Test {
 protected:
  DemoTasks() { add_demo_tasks(tasks, {.touch_dir = dir.path().string()}); }
  boost::json::value call(const char* name, const array& args, const object& kwargs = {}) {
    return tasks.find(name)->call(context, args, kwargs);
  }
  // `Type: message` of what the call throws.
  std::string error_of(const char* name, const array& args, const object& kwargs = {}) {
    try {
      (void)call(name, args, kwargs);
    } catch (const TaskError& error) {
      return error.type() + ": " + error.what();
    }
    return "none";
  }
  std::string content(const std::string& file) {
    std::ifstream in{dir.file(file)};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  testing::TempDir dir;
  TaskRegistry tasks;
  QuickContext context;
};

TEST_F(DemoTasks, TotalSumsAListAndEchoGivesBackAnything) {
  // A list of lists in braces would be a copy of the inner one.
  const auto only = [](const array& numbers) { return array(1, numbers); };
  EXPECT_EQ(call("total", only({1, 2, 3})), 6);
  EXPECT_EQ(call("total", only({})), 0);
  EXPECT_EQ(call("total", only({1, 0.5})), 1.5);
  EXPECT_THAT(error_of("total", {"1"}), HasSubstr("TypeError: "));
  EXPECT_EQ(call("echo", {object{{"a", array{nullptr, true}}}}),
            (object{{"a", array{nullptr, true}}}));
}

TEST_F(DemoTasks, AddKeepsIntegersIntegers) {
  EXPECT_EQ(celery::to_json(call("add", {2, 3})), "5");
  EXPECT_EQ(celery::to_json(call("add", {-7}, {{"y", 7}})), "0");
  EXPECT_EQ(celery::to_json(call("add", {2, 0.5})), "2.5");
  EXPECT_EQ(celery::to_json(call("add", {1.5, 1.5})), "3.0");
}

TEST_F(DemoTasks, AddSaysWhenTheSumDoesNotFit) {
  const auto most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(error_of("add", {most, 1}), "OverflowError: the sum does not fit a 64-bit integer");
  EXPECT_EQ(error_of("add", {std::numeric_limits<std::int64_t>::min(), -1}),
            "OverflowError: the sum does not fit a 64-bit integer");
  EXPECT_EQ(error_of("add", {1e308, 1e308}), "OverflowError: the sum does not fit a double");
  EXPECT_EQ(call("add", {most, 0}), most);
}

TEST_F(DemoTasks, AddRefusesWhatIsNoNumber) {
  EXPECT_EQ(error_of("add", {"2", 3}),
            "TypeError: add() argument 'x' must be number, not string '2'");
  EXPECT_THAT(error_of("add", {18446744073709551615U, 3}),
              HasSubstr("argument 'x' must be number"));
  EXPECT_EQ(tasks.find("add")->entry.parameters[0].type, "number");
}

TEST_F(DemoTasks, DelayedAddWaitsFiveSecondsUnlessTold) {
  EXPECT_EQ(call("delayed_add", {1, 2}), 3);
  EXPECT_EQ(context.slept, std::chrono::seconds{5});
  EXPECT_EQ(call("delayed_add", {1, 2}, {{"seconds", 0.25}}), 3);
  EXPECT_EQ(context.slept, std::chrono::milliseconds{5250});
}

TEST_F(DemoTasks, SleepEndsEarlyWhenToldToStop) {
  EXPECT_EQ(call("sleep", {2}), 2.0);
  context.interrupted = true;
  EXPECT_THAT(error_of("sleep", {2}), HasSubstr("InterruptedError"));
  EXPECT_THAT(error_of("sleep", {-1}), HasSubstr("ValueError: seconds must be between"));
  EXPECT_THAT(error_of("sleep", {1e9}), HasSubstr("ValueError: seconds must be between"));
}

TEST_F(DemoTasks, HangDoesNotListen) {
  context.interrupted = true;
  EXPECT_EQ(call("hang", {0.01}), 0.01);
  EXPECT_EQ(tasks.find("hang")->options.soft_time_limit, 1.0);
  for (const double bad : {-1.0, 601.0}) {
    EXPECT_THAT(error_of("hang", {bad}),
                HasSubstr("ValueError: seconds must be between 0 and 600"));
  }
}

TEST_F(DemoTasks, NoopHasNoResult) {
  EXPECT_EQ(call("noop", {}), nullptr);
  EXPECT_TRUE(tasks.find("noop")->entry.ignore_result);
}

TEST_F(DemoTasks, FailFailsWithItsMessage) {
  EXPECT_EQ(error_of("fail", {"boom"}), "RuntimeError: boom");
}

TEST_F(DemoTasks, FlakyFailsWithItsProbability) {
  EXPECT_EQ(call("flaky", {0}), "ok after 0 retries");
  EXPECT_THAT(error_of("flaky", {1}), HasSubstr("RuntimeError: bad luck at attempt 1"));
  EXPECT_THAT(error_of("flaky", {1.5}), HasSubstr("ValueError: rate"));
  int failures = 0;
  for (int i = 0; i < 1000; ++i) failures += error_of("flaky", {0.5}) == "none" ? 0 : 1;
  EXPECT_GT(failures, 350);
  EXPECT_LT(failures, 650);
  EXPECT_EQ(tasks.find("flaky")->entry.max_retries, 5);
}

TEST_F(DemoTasks, TouchAppendsOneLine) {
  std::filesystem::create_directory(dir.path() / "sub");
  (void)call("touch", {"a.txt", "one"});
  (void)call("touch", {"a.txt", "two"});
  (void)call("touch", {"sub/b.txt", "three"});
  EXPECT_EQ(content("a.txt"), "one\ntwo\n");
  EXPECT_EQ(content("sub/b.txt"), "three\n");
}

TEST_F(DemoTasks, TouchNeverMixesLines) {
  const std::string token(3000, 'x');
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      QuickContext own;
      for (int i = 0; i < 50; ++i) {
        (void)tasks.find("touch")->call(own, {"many.txt", boost::json::string{token}}, {});
      }
    });
  }
  threads.clear();
  std::istringstream lines{content("many.txt")};
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_EQ(line.size(), token.size());
  EXPECT_EQ(count, 200);
}

TEST_F(DemoTasks, TouchStaysBelowItsFolder) {
  const testing::TempDir outside;
  std::filesystem::create_directory_symlink(outside.path(), dir.path() / "way_out");
  std::ofstream{outside.file("target.txt")} << "";
  std::filesystem::create_symlink(outside.path() / "target.txt", dir.path() / "link.txt");
  const std::string absolute = outside.file("x.txt");
  for (const std::string& path :
       {absolute, std::string{"../x.txt"}, std::string{"a/../../x.txt"}, std::string{"."},
        std::string{""}, std::string{"folder/"}, std::string{"way_out/x.txt"},
        std::string{"link.txt"}, std::string{"zero\0byte", 9}}) {
    EXPECT_THAT(error_of("touch", {boost::json::string{path}, "t"}), HasSubstr("ValueError"))
        << path;
  }
  EXPECT_THAT(error_of("touch", {"a.txt", "two\nlines"}), HasSubstr("ValueError"));
  EXPECT_EQ(std::filesystem::file_size(outside.path() / "target.txt"), 0U);
  EXPECT_FALSE(std::filesystem::exists(absolute));
}

TEST_F(DemoTasks, TouchWritesToRegularFilesAlone) {
  ASSERT_EQ(mkfifo(dir.file("pipe").c_str(), 0600), 0);
  EXPECT_NE(error_of("touch", {"pipe", "t"}), "none");
  std::filesystem::create_directory(dir.path() / "folder");
  EXPECT_THAT(error_of("touch", {"folder", "t"}), HasSubstr("OSError"));
  EXPECT_THAT(error_of("touch", {"missing/file", "t"}), HasSubstr("OSError"));
}

TEST(DemoTasksWithoutAFolder, HaveNoTouch) {
  TaskRegistry tasks;
  add_demo_tasks(tasks, {});
  EXPECT_EQ(tasks.find("touch"), nullptr);
  EXPECT_NE(tasks.find("add"), nullptr);
}

}  // namespace
}  // namespace umbel
