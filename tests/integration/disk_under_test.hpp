// What every trouble with the disk is tried on: broker, store and history, as three things that
// keep ids in one file.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel::testing {

using Ids = std::set<std::string>;

// What keeps things by their id, in one file.
class Keeps {
 public:
  virtual ~Keeps() = default;
  virtual Result<void> add(const std::string& id, std::size_t bytes) = 0;
  virtual Result<Ids> ids() = 0;
  virtual Result<void> ping() = 0;
};

struct DiskEngine {
  std::string name;
  std::function<Result<std::unique_ptr<Keeps>>(const std::string& folder)> open;
  std::function<std::string()> file;  // within the folder
  bool pings_by_writing = true;       // readiness says so while nothing can be written
  friend std::ostream& operator<<(std::ostream& out, const DiskEngine& engine) {
    return out << engine.name;
  }
};

[[nodiscard]] std::vector<DiskEngine> disk_engines();

class Disk : public ::testing::TestWithParam<DiskEngine> {
 protected:
  // Adds ids until one fails; answers what was told to be kept, and the error.
  [[nodiscard]] static std::pair<Ids, Error> add_until_it_fails(Keeps& keeps,
                                                                std::size_t bytes = 3000);
  // A failure of the test, and nothing, if it cannot be opened.
  [[nodiscard]] std::unique_ptr<Keeps> open(const std::string& folder) const;
  [[nodiscard]] std::string path(const std::string& folder) const;
  // Opens it, or if that works uses it; the error of either.
  [[nodiscard]] std::optional<Error> open_or_use(const std::string& folder) const;
};

}  // namespace umbel::testing

// One line in each file of tests.
#define UMBEL_INSTANTIATE_DISK_SUITE(suite)                                     \
  INSTANTIATE_TEST_SUITE_P(Engines, suite, ::testing::ValuesIn(disk_engines()), \
                           [](const auto& engine) { return engine.param.name; })
