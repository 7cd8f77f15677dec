// kill -9 of workers and of the scheduler at random instants, under load, loses nothing.
//
// What was listed is known from the simulator's own ledger, what was due from the schedule, what
// was asked for from this test: sets of ids are compared with the store, not counts. UMBEL_KILLS
// sets how often each program is killed (20), UMBEL_SEED repeats a run.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <thread>

#include "umbel/base/text.hpp"
#include "umbel/cli/child.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/http/client.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::testing::eventually;
using umbel::testing::free_port;
using umbel::testing::TempDir;

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::stoul(value));
}

// A program that is killed and started again, its output kept for when the test fails.
class Victim {
 public:
  Victim(std::string name, std::vector<std::string> argv)
      : name_{std::move(name)}, argv_{std::move(argv)} {}

  void start() {
    auto child = Child::spawn(
        {argv_, {{"UMBEL_REDDIT_CLIENT_ID", "test"}, {"UMBEL_REDDIT_CLIENT_SECRET", "test"}}});
    if (!child) throw std::runtime_error{child.error().what};
    child_.emplace(std::move(*child));
  }
  void kill() {
    drain();
    child_.reset();  // SIGKILL, and waits for it
  }
  // False: it did not end within ten seconds.
  [[nodiscard]] bool stop() {
    child_->signal(SIGTERM);
    const bool ended = eventually([&] {
      drain();
      return child_->ended().has_value();
    });
    child_.reset();
    return ended;
  }
  void drain() {
    if (!child_) return;
    for (std::string& line : child_->read_lines()) {
      lines_.push_back(std::move(line));
      if (lines_.size() > 200) lines_.pop_front();
    }
  }
  void print() {
    drain();
    std::cerr << "--- " << name_ << '\n';
    for (const std::string& line : lines_) std::cerr << line << '\n';
  }

 private:
  std::string name_;
  std::vector<std::string> argv_;
  std::optional<Child> child_;
  std::deque<std::string> lines_;
};

class KillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    {
      std::ofstream schedule{dir_.file("schedule.yaml")};
      schedule << "schedules:\n"
                  "  - {name: beat, every: 1s, task: touch, args: [beats, beat]}\n"
                  "  - {name: discover-cpp, every: 2s, task: reddit.discover, args: [cpp]}\n"
                  "  - {name: discover-linux, every: 2s, task: reddit.discover, args: [linux]}\n";
    }
    broker_ = open_broker(broker_url_, clock_, log_).value();
    store_ = open_store(store_url_, clock_, log_).value();
    enqueuer_ = std::make_unique<Enqueuer>(*store_, *broker_, clock_, log_, "gen1@test");

    add("simulator",
        {"umbel-reddit-simulator", "--port=" + std::to_string(simulator_port_), "--rate=8",
         "--subreddits=cpp,linux", "--history=20", "--ledger=" + dir_.file("ledger")});
    for (const char* name : {"worker-1", "worker-2"}) {
      const std::string simulator = "http://127.0.0.1:" + std::to_string(simulator_port_);
      add(name,
          {"umbel-worker", broker_flag(), store_flag(), std::string{"--hostname="} + name + "@test",
           "--metrics-port=0", "--concurrency=2", "--touch-dir=" + dir_.file("touch"),
           "--reddit-token-url=" + simulator + "/api/v1/access_token",
           "--reddit-api-url=" + simulator, "--reddit-simulated"});
    }
    add("scheduler", {"umbel-scheduler", broker_flag(), store_flag(), "--metrics-port=0",
                      "--schedule=" + dir_.file("schedule.yaml")});
    std::filesystem::create_directories(dir_.file("touch"));
    for (auto& [name, victim] : victims_) victim->start();
    ASSERT_TRUE(eventually([&] { return ledger().has_value(); }))
        << "the simulator does not answer";
    ASSERT_TRUE(eventually([&] { return store_->catalogue().find("reddit.discover").has_value(); },
                           seconds{20}))
        << "no worker has registered its tasks";
  }

  void TearDown() override {
    if (!HasFailure()) return;
    for (auto& [name, victim] : victims_) victim->print();
  }

  void add(const std::string& name, std::vector<std::string> argv) {
    argv[0] = std::string{UMBEL_BIN_DIR "/"} + argv[0];
    victims_[name] = std::make_unique<Victim>(name, std::move(argv));
  }
  [[nodiscard]] std::string broker_flag() const { return "--broker=" + broker_url_; }
  [[nodiscard]] std::string store_flag() const { return "--store=" + store_url_; }

  // Fullnames of everything the simulator ever listed to a client.
  std::optional<std::set<std::string>> ledger() {
    http::Client client;
    http::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(simulator_port_) + "/ledger";
    const auto answer = client.send(request);
    if (!answer || answer->status != 200) return std::nullopt;
    std::set<std::string> listed;
    const auto document = boost::json::parse(answer->body);
    for (const auto& entry : document.at("listed").as_array()) {
      listed.emplace(entry.at("fullname").as_string());
    }
    return listed;
  }

  TaskId ask(const std::string& name, const std::string& args) {
    TaskRequest request;
    request.name = name;
    request.args = args;
    const auto accepted = enqueuer_->submit(std::span{&request, 1});
    EXPECT_TRUE(accepted.has_value()) << accepted.error().what;
    return accepted->front().id;
  }

  [[nodiscard]] std::string state_of(const TaskId& id) const {
    const auto found = store_->results().find(id);
    return found ? std::string{to_text(found->state)} : "missing: " + found.error().what;
  }

  // Nothing waits anywhere: neither in a queue, nor with a worker, nor in the outbox.
  bool idle() {
    for (auto& [name, victim] : victims_) victim->drain();
    const auto unpublished = store_->outbox().unpublished(clock_.wall() + seconds{1}, 1);
    if (!unpublished || !unpublished->empty()) return false;
    const auto queues = broker_->queues();
    if (!queues) return false;
    for (const QueueFigures& queue : *queues) {
      if (queue.ready + queue.unacked + queue.delayed > 0) return false;
    }
    return true;
  }

  TempDir dir_;
  SystemClock clock_;
  Log log_ = Log::none();
  std::string broker_url_ = "sqlite:" + dir_.file("broker.db");
  std::string store_url_ = "sqlite:" + dir_.file("store.db");
  std::uint16_t simulator_port_ = free_port();
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Enqueuer> enqueuer_;
  std::map<std::string, std::unique_ptr<Victim>> victims_;
};

TEST_F(KillTest, OfWorkersAndSchedulerAtRandomInstantsLosesNothing) {
  const unsigned kills = from_environment("UMBEL_KILLS", 20);
  const unsigned seed = from_environment("UMBEL_SEED", std::random_device{}());
  std::cout << "seed " << seed << ", " << kills << " kills each\n";
  std::mt19937 random{seed};
  const auto between = [&](int least, int most) {
    return std::uniform_int_distribution{least, most}(random);
  };

  // Load of our own beside the schedule's: each token must be in the file in the end.
  std::atomic<bool> killing{true};
  std::set<TaskId> asked;
  std::jthread producer{[&] {
    for (int number = 0; killing || number < 100; ++number) {
      asked.insert(ask("touch", "[\"tokens\", \"token-" + std::to_string(number) + "\"]"));
      std::this_thread::sleep_for(milliseconds{20});  // the load's pace
    }
  }};

  // When each: the instants are random on purpose, so here a sleep is the thing itself.
  for (unsigned number = 0; number < kills; ++number) {
    for (const char* victim : {number % 2 == 0 ? "worker-1" : "worker-2", "scheduler"}) {
      std::this_thread::sleep_for(milliseconds{between(20, 700)});
      victims_.at(victim)->kill();
      std::this_thread::sleep_for(milliseconds{between(0, 150)});
      victims_.at(victim)->start();
      for (auto& [name, each] : victims_) each->drain();
    }
  }
  killing = false;
  producer.join();

  // The last tick, then one more look at each subreddit, so that all that was listed to a worker
  // that died has been listed again.
  const auto beat_before = store_->ticks().latest("beat").value();
  ASSERT_TRUE(eventually(
      [&] {
        const auto beat = store_->ticks().latest("beat");
        return beat && *beat && (!beat_before || (*beat)->due > beat_before->due);
      },
      seconds{20}))
      << "the scheduler does not go on";
  ASSERT_TRUE(victims_.at("scheduler")->stop());
  for (const char* subreddit : {"cpp", "linux"}) {
    asked.insert(ask("reddit.discover", std::string{"[\""} + subreddit + "\"]"));
  }
  ASSERT_TRUE(eventually([&] { return idle(); }, seconds{90})) << "work is left over";

  // Everything that was asked for has its result.
  for (const TaskId& id : asked) EXPECT_EQ(state_of(id), "SUCCESS") << id;
  std::map<std::string, int> tokens;
  {
    std::ifstream file{dir_.file("touch/tokens")};
    for (std::string line; std::getline(file, line);) ++tokens[line];
  }
  EXPECT_EQ(tokens.size(), asked.size() - 2) << "tasks that were accepted and never ran";

  // Every instant that was due was enqueued once or written down as missed, and what was enqueued
  // has run.
  std::map<std::string, std::set<WallTime>> enqueued;
  std::map<std::string, std::uint64_t> missed;
  std::uint64_t ticks = 0;
  for (const TickRecord& tick : store_->ticks().recent(100'000).value()) {
    if (tick.outcome == TickOutcome::Missed) {
      missed[tick.schedule] += tick.missed;
      continue;
    }
    EXPECT_TRUE(enqueued[tick.schedule].insert(tick.due).second)
        << tick.schedule << " at " << iso8601(tick.due);
    EXPECT_EQ(state_of(tick.task), "SUCCESS") << tick.schedule << " at " << iso8601(tick.due);
    ++ticks;
  }
  for (const auto& [schedule, dues] : enqueued) {
    const auto every = schedule == "beat" ? seconds{1} : seconds{2};
    const auto span = static_cast<std::uint64_t>((*dues.rbegin() - *dues.begin()) / every) + 1;
    EXPECT_GE(dues.size() + missed[schedule], span)
        << schedule << ": an instant is neither enqueued nor missed";
  }

  // Every submission that a listing showed is in the store.
  const auto listed = ledger();
  ASSERT_TRUE(listed.has_value());
  std::size_t lost = 0;
  for (const std::string& fullname : *listed) {
    if (!store_->submissions().find(fullname)) {
      ++lost;
      ADD_FAILURE() << fullname << " was listed and is not stored; its task is "
                    << state_of(TaskId{named_uuid("fetch|" + fullname)});
    }
  }
  int twice = 0;
  for (const auto& [token, runs] : tokens) twice += runs > 1 ? 1 : 0;
  std::cout << listed->size() << " submissions listed, " << lost << " lost; " << ticks
            << " ticks enqueued; " << tokens.size() << " tokens, " << twice
            << " run more than once\n";
  EXPECT_GT(listed->size(), 50U);
  EXPECT_GT(ticks, 10U);
}

}  // namespace
}  // namespace umbel
