// Whole schedulers over the embedded engine: as objects that share one store, and as processes that
// are killed at random instants.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "umbel/base/text.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/scheduler/scheduler.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/faketime.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::eventually;
using ::testing::HasSubstr;
using testing::TempDir;

constexpr const char* kProgram = UMBEL_BIN_DIR "/umbel-scheduler";
constexpr const char* kEntries = R"(schedules:
  - {name: a, every: 1s, task: noop}
  - {name: b, every: 1s, task: add, args: [1, 2]}
  - {name: c, every: 2s, task: noop}
)";
const std::map<std::string, seconds> kIntervals{
    {"a", seconds{1}}, {"b", seconds{1}}, {"c", seconds{2}}};

// A process of ours, killed at the latest when the test ends.
class Process {
 public:
  // `environment`: NAME=VALUE, beside our own.
  Process(std::vector<std::string> arguments, const std::string& output,
          std::vector<std::string> environment = {}) {
    std::vector<char*> env;
    for (auto& each : environment) env.push_back(each.data());
    for (char** each = environ; *each != nullptr; ++each) env.push_back(*each);
    env.push_back(nullptr);
    arguments.insert(arguments.begin(), kProgram);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    if (posix_spawn(&pid_, kProgram, &files, nullptr, argv.data(), env.data()) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&files);
  }
  ~Process() { end(SIGKILL); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Sends `signal` (0: none) and answers the wait status.
  int end(int signal) {
    int status = -1;
    if (pid_ > 0) {
      if (signal != 0) kill(pid_, signal);
      waitpid(pid_, &status, 0);
    }
    pid_ = -1;
    return status;
  }
  void tell(int signal) const { kill(pid_, signal); }
  [[nodiscard]] bool running() const { return pid_ > 0; }

 private:
  pid_t pid_ = -1;
};

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

class SchedulerProcessTest : public ::testing::Test {
 protected:
  SchedulerProcessTest() {
    std::ofstream{file} << kEntries;
    store = open_sqlite_store({.path = dir.file("s.db")}, clock, Log::none()).value();
    broker = open_sqlite_broker({.path = dir.file("b.db")}, clock, Log::none()).value();
  }

  std::unique_ptr<Process> spawn(std::vector<std::string> environment = {}) {
    return std::make_unique<Process>(
        std::vector<std::string>{"--schedule", file, "--store", "sqlite:" + dir.file("s.db"),
                                 "--broker", "sqlite:" + dir.file("b.db"), "--metrics-port", "0"},
        dir.file("log"), std::move(environment));
  }

  std::vector<TickRecord> rows() { return store->ticks().recent(100'000).value(); }

  std::size_t enqueued(const std::string& name) {
    return static_cast<std::size_t>(std::ranges::count_if(rows(), [&](const TickRecord& row) {
      return row.schedule == name && row.outcome == TickOutcome::Enqueued;
    }));
  }

  // Every instant of every schedule from its first row to its last was enqueued once, or is part of
  // one recorded miss, never both; the broker holds the tasks of exactly the enqueued ones.
  void expect_each_tick_once(const std::map<std::string, seconds>& more = {}) {
    std::set<std::string> accepted;
    auto intervals = kIntervals;
    intervals.insert(more.begin(), more.end());
    for (const auto& [name, interval] : intervals) {
      std::set<WallTime> fired, covered;
      const auto cover = [&](WallTime due) {
        EXPECT_TRUE(covered.insert(due).second) << name << " twice at " << iso8601(due);
      };
      for (const auto& row : rows()) {
        if (row.schedule != name) continue;
        if (row.outcome == TickOutcome::Enqueued) {
          EXPECT_EQ(row.task, tick_task_id(name, row.due));
          EXPECT_TRUE(fired.insert(row.due).second);
          accepted.insert(row.task.str());
          cover(row.due);
        }
        for (std::uint64_t i = 0; i < row.missed; ++i) {
          cover(row.due - static_cast<std::int64_t>(i) * interval);
        }
      }
      ASSERT_FALSE(fired.empty()) << name;
      std::set<WallTime> expected;
      for (auto at = *covered.begin(); at <= *covered.rbegin(); at += interval) expected.insert(at);
      EXPECT_EQ(covered, expected) << name;
    }
    EXPECT_EQ(published(), accepted);
  }

  // What is in the queue, after what a killed process left in the outbox has been relayed.
  std::set<std::string> published() {
    Enqueuer enqueuer{*store, *broker, clock, Log::none(), "gen1@test"};
    EXPECT_TRUE(eventually([&] {
      const auto relayed = enqueuer.relay(milliseconds{0});
      return relayed && *relayed == 0;
    }));
    std::set<std::string> ids;
    const auto consumer = broker->consume(
        {.queues = {QueueName{kDefaultQueue}}, .prefetch = 100'000, .consumer = "test"});
    if (!consumer) return ids;
    for (;;) {
      const auto batch = (*consumer)->next(1'000, milliseconds{200}, {});
      if (!batch || batch->empty()) return ids;
      for (const auto& delivery : *batch) ids.insert(delivery.message.correlation_id);
    }
  }

  TempDir dir;
  SystemClock clock;
  std::string file = dir.file("schedule.yaml");
  std::unique_ptr<Store> store;
  std::unique_ptr<Broker> broker;
};

TEST_F(SchedulerProcessTest, two_in_one_process_on_one_store_enqueue_each_tick_once) {
  struct Whole {
    Whole(const std::string& folder, const Clock& clock, std::vector<ScheduleEntry> entries)
        : store{open_sqlite_store({.path = folder + "/s.db"}, clock, Log::none()).value()},
          broker{open_sqlite_broker({.path = folder + "/b.db"}, clock, Log::none()).value()},
          enqueuer{*store, *broker, clock, Log::none(), "gen1@test"},
          ticker{submit_through(enqueuer), store->ticks(), clock, metrics, Log::none()},
          scheduler{ticker, Log::none()} {
      ticker.replace(std::move(entries));
    }
    std::unique_ptr<Store> store;
    std::unique_ptr<Broker> broker;
    metrics::Metrics metrics{"test"};
    Enqueuer enqueuer;
    Ticker ticker;
    Scheduler scheduler;
  };
  const auto entries = parse_schedule(kEntries, "s.yaml").value();
  Whole one{dir.path().string(), clock, entries};
  Whole two{dir.path().string(), clock, entries};
  ASSERT_TRUE(one.scheduler.start());
  ASSERT_TRUE(two.scheduler.start());
  EXPECT_TRUE(eventually([&] { return enqueued("a") >= 3 && enqueued("c") >= 2; }));
  one.scheduler.stop();
  two.scheduler.stop();
  expect_each_tick_once();
  double counted = 0;
  for (auto* node : {&one, &two}) {
    for (const auto& entry : entries) {
      counted += node->metrics.counter(metrics::kScheduleTicks, {entry.name, "enqueued"}).Value();
    }
  }
  EXPECT_EQ(counted, static_cast<double>(enqueued("a") + enqueued("b") + enqueued("c")));
}

TEST_F(SchedulerProcessTest, two_processes_killed_at_random_instants_enqueue_each_tick_once) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  std::array<std::unique_ptr<Process>, 2> nodes{spawn(), spawn()};
  ASSERT_TRUE(eventually([&] { return !rows().empty(); }, seconds{30})) << content(dir.file("log"));
  for (int i = 0; i < 20; ++i) {
    // The instant of the kill is what is random here; nothing is waited for.
    std::this_thread::sleep_for(milliseconds{std::uniform_int_distribution<int>{0, 700}(random)});
    auto& node = nodes[std::uniform_int_distribution<std::size_t>{0, 1}(random)];
    node->end(SIGKILL);
    node = spawn();
    ASSERT_TRUE(node->running());
  }
  const auto before = clock.wall();
  EXPECT_TRUE(eventually(
      [&] {
        const auto all = rows();
        return std::ranges::all_of(kIntervals, [&](const auto& schedule) {
          return std::ranges::any_of(all, [&](const TickRecord& row) {
            return row.schedule == schedule.first && row.due > before;
          });
        });
      },
      seconds{30}))
      << content(dir.file("log"));
  for (auto& node : nodes) EXPECT_EQ(node->end(SIGTERM), 0) << content(dir.file("log"));
  expect_each_tick_once();
}

TEST_F(SchedulerProcessTest, one_alone_catches_up_after_it_was_killed) {
  auto node = spawn();
  ASSERT_TRUE(eventually([&] { return enqueued("a") > 0; }, seconds{30}))
      << content(dir.file("log"));
  node->end(SIGKILL);
  const auto seen = rows().front().due;
  // Down for three ticks: the passing of wall time is the event.
  ASSERT_TRUE(eventually([&] { return clock.wall() > seen + milliseconds{3'500}; }));
  node = spawn();
  ASSERT_TRUE(eventually(
      [&] {
        return std::ranges::any_of(rows(), [](const TickRecord& row) {
          return row.schedule == "a" && row.outcome == TickOutcome::Missed && row.missed >= 2;
        });
      },
      seconds{30}))
      << content(dir.file("log"));
  ASSERT_TRUE(eventually([&] {
    return std::ranges::all_of(kIntervals, [&](const auto& schedule) {
      const auto latest = store->ticks().latest(schedule.first).value();
      return latest && latest->outcome == TickOutcome::Enqueued && latest->due > seen + seconds{2};
    });
  }));
  EXPECT_EQ(node->end(SIGTERM), 0);
  expect_each_tick_once();
}

TEST_F(SchedulerProcessTest, a_changed_file_is_taken_and_a_bad_one_is_not) {
  auto node = spawn();
  const auto said = [&](const std::string& text) {
    return eventually([&] { return content(dir.file("log")).find(text) != std::string::npos; },
                      seconds{30});
  };
  ASSERT_TRUE(eventually([&] { return enqueued("c") > 0; }, seconds{30}))
      << content(dir.file("log"));
  std::ofstream{file} << "schedules:\n  - {name: a, every: 1s, task: noop, oops: 1}\n";
  ASSERT_TRUE(said(file + ":2:38: entry 'a': oops: unknown key")) << content(dir.file("log"));
  const auto broken = enqueued("c");
  ASSERT_TRUE(eventually([&] { return enqueued("c") > broken; }, seconds{30}))
      << "the old schedule stays in force";
  node->tell(SIGHUP);
  ASSERT_TRUE(said("told to read the schedule's file again"));
  // An editor's way: another file in place of the old one.
  std::ofstream{file + ".new"} << kEntries << "  - {name: d, every: 1s, task: noop}\n";
  std::filesystem::rename(file + ".new", file);
  ASSERT_TRUE(eventually([&] { return enqueued("d") >= 2; }, seconds{30}))
      << content(dir.file("log"));
  EXPECT_EQ(node->end(SIGTERM), 0);
  expect_each_tick_once({{"d", seconds{1}}});
}

TEST_F(SchedulerProcessTest, a_pause_stops_one_schedule_and_what_is_in_force_is_told) {
  auto node = spawn();
  ASSERT_TRUE(eventually([&] { return enqueued("a") > 0; }, seconds{30}))
      << content(dir.file("log"));
  const auto page = store->schedules().read(clock.wall()).value();
  ASSERT_EQ(page.entries.size(), 3U);
  EXPECT_EQ(page.entries[1].args, "[1, 2]");
  EXPECT_EQ(page.entries[2].expression, "every 2s");
  ASSERT_TRUE(store->schedules().pause("a", "migration", clock.wall()).value());
  const auto at_pause = enqueued("a");
  const auto others = enqueued("b");
  ASSERT_TRUE(eventually([&] { return enqueued("b") >= others + 3; }, seconds{30}))
      << content(dir.file("log"));
  EXPECT_EQ(enqueued("a"), at_pause) << "not one tick, from the pause on";
  ASSERT_TRUE(store->schedules().resume("a", clock.wall()).value());
  const auto resumed = clock.wall();
  ASSERT_TRUE(eventually([&] { return enqueued("a") > at_pause; }, seconds{30}))
      << content(dir.file("log"));
  EXPECT_EQ(node->end(SIGTERM), 0);
  std::uint64_t missed = 0;
  for (const auto& row : rows()) {
    if (row.schedule != "a") continue;
    missed += row.missed;
  }
  EXPECT_EQ(missed, 0U) << "what was due while it was paused has not been missed";
  EXPECT_GT(store->ticks().latest("a").value()->due, resumed);
  EXPECT_THAT(content(dir.file("log")), HasSubstr("schedule paused"));
  EXPECT_THAT(content(dir.file("log")), HasSubstr("schedule resumed"));
}

// libfaketime moves the wall clock of one process, not the one that measures.
TEST_F(SchedulerProcessTest, a_clock_that_jumps_stops_nothing_and_fires_nothing_twice) {
  const std::string preload = testing::faketime_preload();
  ASSERT_FALSE(preload.empty()) << "the package faketime is missing";
  const auto offset = [&](const std::string& text) {
    std::ofstream{dir.file("offset.new")} << text << "\n";
    std::filesystem::rename(dir.file("offset.new"), dir.file("offset"));
  };
  offset("+0");
  auto node = spawn({"LD_PRELOAD=" + preload, "FAKETIME_TIMESTAMP_FILE=" + dir.file("offset"),
                     "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"});
  const auto newest = [&] { return store->ticks().latest("a").value()->due; };
  ASSERT_TRUE(eventually([&] { return enqueued("a") >= 2; }, seconds{30}))
      << content(dir.file("log"));
  const auto in_an_hour = clock.wall() + std::chrono::hours{1};
  offset("+3600");
  EXPECT_TRUE(eventually([&] { return newest() >= in_an_hour + seconds{2}; }, seconds{30}))
      << content(dir.file("log"));
  offset("+0");
  const auto returned = clock.wall();
  EXPECT_TRUE(eventually(
      [&] {
        return std::ranges::any_of(rows(), [&](const TickRecord& row) {
          return row.schedule == "a" && row.outcome == TickOutcome::Enqueued &&
                 row.due > returned + seconds{2} && row.due < in_an_hour - std::chrono::minutes{1};
        });
      },
      seconds{30}))
      << content(dir.file("log"));
  EXPECT_EQ(node->end(SIGTERM), 0);
  const auto log = content(dir.file("log"));
  EXPECT_THAT(log, HasSubstr("direction=forward"));
  EXPECT_THAT(log, HasSubstr("direction=backward"));
  std::set<std::string> tasks;
  std::uint64_t missed = 0, accepted = 0;
  for (const auto& row : rows()) {
    if (row.outcome == TickOutcome::Missed) missed += row.missed;
    if (row.outcome != TickOutcome::Enqueued) continue;
    ++accepted;
    EXPECT_TRUE(tasks.insert(row.task.str()).second);
  }
  EXPECT_GT(missed, 3'590U) << "what the clock passed over is counted";
  EXPECT_EQ(published().size(), accepted);
}

TEST_F(SchedulerProcessTest, a_bad_file_is_refused_with_line_and_reason) {
  std::ofstream{file} << "schedules:\n  - {name: a, cron: \"61 * * * *\", task: noop}\n";
  const auto refused = [&](std::vector<std::string> arguments) {
    Process process{std::move(arguments), dir.file("out")};
    const int status = process.end(0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 2);
  };
  refused({"check", file});
  EXPECT_THAT(content(dir.file("out")), HasSubstr(file + ":2:21: entry 'a': cron: "));
  refused({"--schedule", file});
  refused({"check", dir.file("none.yaml")});
  EXPECT_THAT(content(dir.file("out")), HasSubstr("none.yaml cannot be read"));
  refused({"check"});
  refused({"czech", file});
  EXPECT_THAT(content(dir.file("out")), HasSubstr("check FILE"));
}

TEST_F(SchedulerProcessTest, check_shows_the_next_five_runs) {
  Process process{{"check", file}, dir.file("out")};
  EXPECT_EQ(process.end(0), 0);
  const auto text = content(dir.file("out"));
  EXPECT_THAT(text, HasSubstr("b: every 1s, task add args [1, 2] kwargs {}\n  2"));
  EXPECT_EQ(std::ranges::count(text, '\n'), 3 * 6);
}

}  // namespace
}  // namespace umbel
