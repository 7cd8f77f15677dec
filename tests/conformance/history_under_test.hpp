// What every history engine is tested with: an empty place, on which a writer and readers can be
// opened, as different processes would.
//
// An engine joins with one line in history_engines.cpp.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "umbel/history/history.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel::testing {

class HistoryPlace {
 public:
  virtual ~HistoryPlace() = default;
  [[nodiscard]] virtual std::unique_ptr<History> open(
      const Clock& clock) = 0;  // throws if it cannot
};

struct HistoryUnderTest {
  std::string name;
  std::function<std::unique_ptr<HistoryPlace>()>
      make;  // an empty one; null: its server is not here
  friend std::ostream& operator<<(std::ostream& out, const HistoryUnderTest& engine) {
    return out << engine.name;
  }
};

[[nodiscard]] std::vector<HistoryUnderTest> history_engines();

class HistoryConformance : public ::testing::TestWithParam<HistoryUnderTest> {
 protected:
  void SetUp() override {
    place = GetParam().make();
    if (place) {
      history = place->open(clock);
      return;
    }
    if (std::getenv("UMBEL_REQUIRE_SERVERS") != nullptr) FAIL() << "server required, not reached";
    // An engine with a server runs where there is one; where it must be, the line above fails.
    GTEST_SKIP() << "server not reached";
  }

  FakeClock clock;
  std::unique_ptr<HistoryPlace> place;
  std::unique_ptr<History> history;
};

}  // namespace umbel::testing
