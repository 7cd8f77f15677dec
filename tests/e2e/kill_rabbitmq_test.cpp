// The kill matrix over RabbitMQ: our programs and the server itself are killed under load, its
// connections are closed, and nothing is lost.
//
// UMBEL_KILLS sets how often each is killed (2; 50 with UMBEL_LONG_TESTS), UMBEL_SEED repeats a
// run, UMBEL_TASKS_PER_SECOND sets the load.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "kill_rows.hpp"
#include "line.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/rabbit_server.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::testing::eventually;
using umbel::testing::RabbitQueue;
using umbel::testing::RabbitServer;

constexpr seconds kMost{60};  // then it is held to stand still for good

class RabbitKillMatrix : public ::testing::Test {
 protected:
  void SetUp() override {
    std::cout << "UMBEL_SEED=" << seed_ << " UMBEL_KILLS=" << kills_ << std::endl;
    const auto vhost = rabbit_.fresh_vhost();
    LineOptions options;
    options.tasks_per_second = from_environment("UMBEL_TASKS_PER_SECOND", sanitized() ? 30 : 100);
    options.broker_url = rabbit_.url(vhost);
    options.broker_idle = [this, vhost] { return idle(vhost); };
    line_ = std::make_unique<Line>(std::move(options));
    line_->start();
  }
  void TearDown() override {
    if (!HasFailure() || !line_) return;
    line_->print_logs();
    std::cout << rabbit_.end_of_log() << std::endl;
  }

  // Events and remote control are the collector's to read, in its own time.
  [[nodiscard]] bool idle(const std::string& vhost) {
    const auto queues = rabbit_.queues(vhost);
    return std::ranges::all_of(queues, [](const RabbitQueue& queue) {
      return queue.ready + queue.unacked == 0 || queue.name.starts_with("umbel.events.") ||
             queue.name.starts_with("celeryev.") || queue.name.ends_with(".celery.pidbox");
    });
  }

  [[nodiscard]] int between(int least, int most) {
    return std::uniform_int_distribution{least, most}(random_);
  }
  void any_time(int most_milliseconds) {
    // The instant of the kill is what is random here; nothing is waited for.
    std::this_thread::sleep_for(milliseconds{between(0, most_milliseconds)});
  }

  void attack(const std::string& name) {
    if (name == "connections") {
      rabbit_.close_connections();
    } else if (name == "rabbitmq") {
      rabbit_.kill();
      any_time(300);
      rabbit_.start();
    } else {
      line_->at(name).kill();
      any_time(150);
      line_->at(name).start();
    }
  }

  void one_by_one(const std::vector<std::string>& victims, KillRow& row) {
    while (row.kills < kills_) {
      const std::string& name = victims[row.kills % victims.size()];
      any_time(700);
      const auto since = Steady::now();
      const auto wall = clock_.wall();
      attack(name);
      ++row.kills;
      if (!eventually(line_->works_again(name, since, wall), kMost)) {
        ADD_FAILURE() << "after " << name << " nothing works again, kill " << row.kills;
        return;
      }
      row.recoveries.push_back(std::chrono::duration_cast<milliseconds>(Steady::now() - since));
    }
  }

  // Whatever comes, without waiting for anybody.
  void all_at_once(KillRow& row) {
    auto names = line_->names();
    names.insert(names.end(), {"rabbitmq", "connections"});
    auto since = Steady::now();
    auto wall = clock_.wall();
    while (row.kills < kills_) {
      any_time(700);
      since = Steady::now();
      wall = clock_.wall();
      attack(names[static_cast<std::size_t>(between(0, static_cast<int>(names.size()) - 1))]);
      ++row.kills;
    }
    for (const std::string& name : names) {
      EXPECT_TRUE(eventually(line_->works_again(name, since, wall), kMost)) << name;
    }
    row.recoveries.push_back(std::chrono::duration_cast<milliseconds>(Steady::now() - since));
  }

  const bool long_form_ = std::getenv("UMBEL_LONG_TESTS") != nullptr;
  unsigned kills_ = static_cast<unsigned>(from_environment("UMBEL_KILLS", long_form_ ? 50 : 2));
  unsigned seed_ = static_cast<unsigned>(from_environment("UMBEL_SEED", std::random_device{}()));
  std::mt19937 random_{seed_};
  SystemClock clock_;
  RabbitServer rabbit_;
  std::unique_ptr<Line> line_;
};

TEST_F(RabbitKillMatrix, LosesNothing) {
  std::vector<KillRow> rows;
  for (const auto& [name, victims] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"worker", {"worker-1", "worker-2"}},
           {"scheduler", {"scheduler"}},
           {"collector", {"collector"}},
           {"rabbitmq", {"rabbitmq"}},
           {"connections", {"connections"}},
           {"any", {}}}) {
    rows.emplace_back().victim = name;
    line_->load().set_phase(rows.size());
    if (victims.empty()) {
      all_at_once(rows.back());
    } else {
      one_by_one(victims, rows.back());
    }
  }
  const Account account = line_->settle();
  assign(account, rows);
  print(rows);
  std::cout << account;
  EXPECT_TRUE(account.clean());
  EXPECT_GT(account.submissions, 50U);
  EXPECT_GT(account.ticks, 10U);
  if (kills_ < 50) return;
  for (KillRow& row : rows) EXPECT_LE(row.recovery(1), kMost) << row.victim;
}

}  // namespace
}  // namespace umbel::e2e
