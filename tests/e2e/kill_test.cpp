// The kill matrix: SIGKILL of each program at random instants, under load, loses nothing, and work
// goes on within seconds: from fifty kills on, within the ten that are promised.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "kill_matrix.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::milliseconds;
using umbel::testing::eventually;
using umbel::testing::gone;

class EmbeddedKillMatrix : public KillMatrix {
 protected:
  void start_line(bool under_up) {
    LineOptions options;
    options.under_up = under_up;
    start(std::move(options));
  }
};

TEST_F(EmbeddedKillMatrix, LosesNothing) {
  start_line(false);
  auto rows = kill_all({{"worker", {"worker-1", "worker-2"}},
                        {"scheduler", {"scheduler"}},
                        {"collector", {"collector"}},
                        {"simulator", {"simulator"}}},
                       line_->names());
  conclude(rows, kPromised);
}

// Killed with everything it runs, and before that one of its programs alone, which it has to bring
// back.
TEST_F(EmbeddedKillMatrix, OfTheSupervisorLosesNothingAndLeavesNoOrphan) {
  start_line(true);
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
  conclude(rows, kPromised);
}

}  // namespace
}  // namespace umbel::e2e
