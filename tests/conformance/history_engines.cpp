#include <stdexcept>

#include "history_under_test.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

class SqliteHistoryPlace final : public HistoryPlace {
 public:
  std::unique_ptr<History> open(const Clock& clock) override {
    auto history = open_sqlite_history({.folder = folder_.file("history")}, clock, Log::none());
    if (!history) throw std::runtime_error{history.error().what};
    return std::move(*history);
  }

 private:
  TempDir folder_;
};

template <class Place>
std::unique_ptr<HistoryPlace> make() {
  return std::make_unique<Place>();
}

}  // namespace

std::vector<HistoryUnderTest> history_engines() {
  return {
      {"sqlite", &make<SqliteHistoryPlace>},
  };
}

}  // namespace umbel::testing
