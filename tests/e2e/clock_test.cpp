// The clock is put forward and back while everything runs, for one program and for all of them:
// nothing is lost, no tick is fired twice, nothing waits for ever.
//
// Debian's libfaketime moves the wall clock of running programs; the steady clock goes on as it
// would. Of single programs the scheduler and a worker in the short form, each one from
// UMBEL_KILLS=50 on.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "line.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/faketime.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::seconds;
using umbel::testing::eventually;
using umbel::testing::TempDir;

constexpr int kHour = 3600;

class ClockJumps : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string preload = umbel::testing::faketime_preload();
    ASSERT_FALSE(preload.empty()) << "the package faketime is missing";
    LineOptions options;
    options.tasks_per_second = 50;
    options.submissions_per_second = 0.5;  // an hour's are there at once
    options.unlucky = false;  // a task that was put off until a time is due at that time
    options.clocks_jump = true;
    options.environment = [this, preload](const std::string& name) {
      set(name, 0);
      return Process::Environment{
          {"LD_PRELOAD", preload},          {"FAKETIME_TIMESTAMP_FILE", clocks_.file(name)},
          {"FAKETIME_CACHE_DURATION", "1"}, {"FAKETIME_DONT_FAKE_MONOTONIC", "1"},
          {"DONT_FAKE_MONOTONIC", "1"},     {"NO_FAKE_STAT", "1"}};
    };
    line_ = std::make_unique<Line>(std::move(options));
    line_->start();
  }
  void TearDown() override {
    if (HasFailure() && line_) line_->print_logs();
  }

  void set(const std::string& name, int offset) const {
    const std::string file = clocks_.file(name);
    std::ofstream{file + ".new"} << (offset < 0 ? "" : "+") << offset << '\n';
    std::filesystem::rename(file + ".new", file);  // nobody reads half of it
  }

  [[nodiscard]] std::size_t beats() const {
    std::size_t count = 0;
    for (const TickRecord& tick : line_->store().ticks().recent(100'000).value()) {
      if (tick.schedule == "beat" && tick.outcome == TickOutcome::Enqueued) ++count;
    }
    return count;
  }

  // Everything goes on: what was asked for before gets its results, the schedule fires, the
  // collector tells of a task that it takes in now.
  void expect_all_works(const std::string& when) {
    // libfaketime looks at its file once a second; only then have they jumped.
    const auto since = Steady::now() + seconds{2};
    const std::size_t before = beats();
    EXPECT_TRUE(
        eventually([&] { return Steady::now() > since && beats() >= before + 4; }, seconds{30}))
        << when << ": the schedule stands still";
    const auto asked = Steady::now();
    EXPECT_TRUE(eventually([&] { return line_->load().open_before(asked) == 0; }, seconds{30}))
        << when << ": tasks stand still";
    EXPECT_TRUE(eventually(line_->works_again("collector", asked, {}), seconds{30}))
        << when << ": the collector does not follow";
  }

  void settle() {
    const Account account = line_->settle();
    std::cout << account;
    EXPECT_TRUE(account.clean());
  }

  TempDir clocks_;
  std::unique_ptr<Line> line_;
};

TEST_F(ClockJumps, OfAllProgramsTogether) {
  expect_all_works("before");
  for (const int offset : {kHour, 0, -5, -kHour, 0}) {
    for (const std::string& name : line_->names()) set(name, offset);
    expect_all_works("all at " + std::to_string(offset));
  }
  settle();
}

TEST_F(ClockJumps, OfOneProgramAtATime) {
  expect_all_works("before");
  const bool all = from_environment("UMBEL_KILLS", 2) >= 50;
  for (const std::string& name :
       all ? line_->names() : std::vector<std::string>{"scheduler", "worker-1"}) {
    for (const int offset : all ? std::vector{kHour, -5, -kHour, 0} : std::vector{kHour, -kHour}) {
      set(name, offset);
      expect_all_works(name + " at " + std::to_string(offset));
      if (HasFailure()) return;
    }
    set(name, 0);
  }
  settle();
}

}  // namespace
}  // namespace umbel::e2e
