// What every kill matrix does: things in the way of tasks are killed at random instants under load,
// one by one and all at once, and in the end an account is drawn up.
//
// UMBEL_KILLS sets how often each is killed (2; 50 with UMBEL_LONG_TESTS), UMBEL_SEED repeats a
// run, UMBEL_TASKS_PER_SECOND sets the load.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "line.hpp"
#include "umbel/base/clock.hpp"

namespace umbel::e2e {

inline constexpr std::chrono::seconds kPromised{10};  // until work goes on after a kill

// What came of killing one thing.
struct KillRow {
  std::string victim;
  unsigned kills = 0;
  std::size_t asked = 0, lost = 0, twice = 0, late = 0;
  std::vector<std::chrono::milliseconds> recoveries;

  [[nodiscard]] std::chrono::milliseconds recovery(double quantile);
};

class KillMatrix : public ::testing::Test {
 protected:
  // A name, and whoever is killed in turn under it.
  using Victims = std::vector<std::pair<std::string, std::vector<std::string>>>;

  KillMatrix();
  void TearDown() override;

  void start(LineOptions options);
  // Kills it and starts it again.
  virtual void attack(const std::string& name);

  [[nodiscard]] int between(int least, int most);
  void any_time(int most_milliseconds);

  // One row for each, and a last one in which any of `names` is killed without waiting for anybody.
  [[nodiscard]] std::vector<KillRow> kill_all(const Victims& victims,
                                              const std::vector<std::string>& names);
  // The account, which must be clean. From fifty kills on nothing may have taken longer than `most`
  // to go on.
  void conclude(std::vector<KillRow>& rows, std::chrono::seconds most);

  static constexpr std::chrono::seconds kMost{60};  // then it is held to stand still for good
  const unsigned kills_;
  const unsigned seed_;
  std::mt19937 random_{seed_};
  SystemClock clock_;
  std::unique_ptr<Line> line_;

 private:
  void one_by_one(const std::vector<std::string>& victims, KillRow& row);
  void all_at_once(const std::vector<std::string>& names, KillRow& row);
};

}  // namespace umbel::e2e
