// The kill matrix: SIGKILL of each program at random instants, under load, loses nothing, and work
// goes on within seconds.
//
// UMBEL_KILLS sets how often each program is killed, UMBEL_SEED repeats a run,
// UMBEL_TASKS_PER_SECOND sets the load. From fifty kills on the ten seconds within which work must
// go on are held to.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <thread>

#include "kill_rows.hpp"
#include "line.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::testing::eventually;

constexpr seconds kMost{60};  // then it is held to stand still for good

class KillMatrix : public ::testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure() && line_) line_->print_logs();
  }

  void start(bool under_up) {
    std::cout << "UMBEL_SEED=" << seed_ << " UMBEL_KILLS=" << kills_ << std::endl;
    LineOptions options;
    options.under_up = under_up;
    options.tasks_per_second = from_environment("UMBEL_TASKS_PER_SECOND", options.tasks_per_second);
    line_ = std::make_unique<Line>(std::move(options));
    line_->start();
  }

  [[nodiscard]] int between(int least, int most) {
    return std::uniform_int_distribution{least, most}(random_);
  }
  void any_time(int most_milliseconds) {
    // The instant of the kill is what is random here; nothing is waited for.
    std::this_thread::sleep_for(milliseconds{between(0, most_milliseconds)});
  }

  void kill_and_start(const std::string& name) {
    line_->at(name).kill();
    any_time(150);
    line_->at(name).start();
  }

  // One program again and again, each time until it works again; now and then a second time while
  // it still comes up.
  void one_by_one(const std::vector<std::string>& victims, KillRow& row) {
    while (row.kills < kills_) {
      const std::string& name = victims[row.kills % victims.size()];
      any_time(700);
      auto since = Steady::now();
      auto wall = clock_.wall();
      kill_and_start(name);
      ++row.kills;
      if (between(0, 3) == 0 && row.kills < kills_) {
        any_time(300);
        since = Steady::now();
        wall = clock_.wall();
        kill_and_start(name);
        ++row.kills;
      }
      const auto works = line_->works_again(name, since, wall);
      if (!eventually(works, kMost)) {
        ADD_FAILURE() << name << " does not work again after kill " << row.kills;
        return;
      }
      row.recoveries.push_back(std::chrono::duration_cast<milliseconds>(Steady::now() - since));
    }
  }

  // All of them, without waiting for anybody.
  void all_at_once(KillRow& row) {
    const auto names = line_->names();
    auto since = Steady::now();
    auto wall = clock_.wall();
    while (row.kills < kills_) {
      any_time(700);
      since = Steady::now();
      wall = clock_.wall();
      kill_and_start(
          names[static_cast<std::size_t>(between(0, static_cast<int>(names.size()) - 1))]);
      ++row.kills;
    }
    for (const std::string& name : names) {
      EXPECT_TRUE(eventually(line_->works_again(name, since, wall), kMost)) << name;
    }
    row.recoveries.push_back(std::chrono::duration_cast<milliseconds>(Steady::now() - since));
  }

  void conclude(std::vector<KillRow>& rows) {
    const Account account = line_->settle();
    assign(account, rows);
    print(rows);
    std::cout << account;
    EXPECT_TRUE(account.clean());
    EXPECT_GT(account.submissions, 50U);
    EXPECT_GT(account.ticks, 10U);
    if (kills_ < 50) return;
    for (KillRow& row : rows) EXPECT_LE(row.recovery(1), kPromised) << row.victim;
  }

  unsigned kills_ = static_cast<unsigned>(from_environment("UMBEL_KILLS", 2));
  unsigned seed_ = static_cast<unsigned>(from_environment("UMBEL_SEED", std::random_device{}()));
  std::mt19937 random_{seed_};
  SystemClock clock_;
  std::unique_ptr<Line> line_;
};

TEST_F(KillMatrix, LosesNothing) {
  start(false);
  std::vector<KillRow> rows;
  for (const auto& [name, victims] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"worker", {"worker-1", "worker-2"}},
           {"scheduler", {"scheduler"}},
           {"collector", {"collector"}},
           {"simulator", {"simulator"}},
           {"any", {}}}) {
    rows.emplace_back().victim = name;
    line_->load().set_phase(rows.size());
    if (victims.empty()) {
      all_at_once(rows.back());
    } else {
      one_by_one(victims, rows.back());
    }
  }
  conclude(rows);
}

// Killed with everything it runs, and before that one of its programs alone, which it has to bring
// back.
TEST_F(KillMatrix, OfTheSupervisorLosesNothingAndLeavesNoOrphan) {
  start(true);
  std::vector<KillRow> rows(2);
  rows[0].victim = "umbel up";
  rows[1].victim = "one under it";
  const std::vector<std::string> parts{"worker-1", "scheduler", "collector", "simulator"};
  while (rows[0].kills < kills_) {
    line_->load().set_phase(2);
    const auto children = line_->at("up").children();
    any_time(700);
    auto since = Steady::now();
    auto wall = clock_.wall();
    const pid_t unlucky = children.at(static_cast<std::size_t>(
        between(0, static_cast<int>(std::min<std::size_t>(children.size(), 5)) - 1)));
    ASSERT_EQ(kill(unlucky, SIGKILL), 0);
    ++rows[1].kills;
    for (const std::string& part : parts) {
      ASSERT_TRUE(eventually(line_->works_again(part, since, wall), kMost)) << part;
    }
    rows[1].recoveries.push_back(std::chrono::duration_cast<milliseconds>(Steady::now() - since));

    line_->load().set_phase(1);
    any_time(700);
    auto orphans = line_->at("up").children();
    since = Steady::now();
    wall = clock_.wall();
    line_->at("up").kill();
    ++rows[0].kills;
    EXPECT_TRUE(eventually([&] { return std::all_of(orphans.begin(), orphans.end(), gone); }))
        << "an orphan is left";
    line_->start_up();
    for (const std::string& part : parts) {
      ASSERT_TRUE(eventually(line_->works_again(part, since, wall), kMost)) << part;
    }
    rows[0].recoveries.push_back(std::chrono::duration_cast<milliseconds>(Steady::now() - since));
  }
  conclude(rows);
}

}  // namespace
}  // namespace umbel::e2e
