// What every store engine is tested with: an empty place, on which any number of Store objects can
// be opened, as many processes would.
//
// An engine joins with one line in store_engines.cpp.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "umbel/store/store.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel::testing {

class StorePlace {
 public:
  virtual ~StorePlace() = default;
  [[nodiscard]] virtual std::unique_ptr<Store> open(const Clock& clock) = 0;  // throws if it cannot
};

struct StoreUnderTest {
  std::string name;
  std::function<std::unique_ptr<StorePlace>()> make;  // an empty one; null: its server is not here
  friend std::ostream& operator<<(std::ostream& out, const StoreUnderTest& engine) {
    return out << engine.name;
  }
};

[[nodiscard]] std::vector<StoreUnderTest> store_engines();

class StoreConformance : public ::testing::TestWithParam<StoreUnderTest> {
 protected:
  void SetUp() override {
    place = GetParam().make();
    if (place) {
      store = place->open(clock);
      return;
    }
    if (std::getenv("UMBEL_REQUIRE_SERVERS") != nullptr) FAIL() << "server required, not reached";
    // An engine with a server runs where there is one; where it must be, the line above fails.
    GTEST_SKIP() << "server not reached";
  }

  FakeClock clock;
  std::unique_ptr<StorePlace> place;
  std::unique_ptr<Store> store;
};

// A task with a message that fills every field.
[[nodiscard]] AcceptedTask a_task(const std::string& id, const std::string& queue = "mail");
[[nodiscard]] Acceptance accepting(std::vector<AcceptedTask> tasks, WallTime at);
// A successful end of run `run`.
[[nodiscard]] FinishedRun a_success(const std::string& id, std::int64_t run, WallTime done);
[[nodiscard]] FinishedRun a_retry(const std::string& id, std::int64_t run, WallTime done);

#define UMBEL_INSTANTIATE_STORE_SUITE(Suite)                                                       \
  INSTANTIATE_TEST_SUITE_P(Engines, Suite, ::testing::ValuesIn(::umbel::testing::store_engines()), \
                           [](const auto& engine) { return engine.param.name; })

}  // namespace umbel::testing
