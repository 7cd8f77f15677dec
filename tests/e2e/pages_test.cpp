// Two hundred pages on the live stream of a real collector: all are told of each change, one that
// does not read is cut off, the others go on, and the collector's memory stays within a bound.
#include <gtest/gtest.h>

#include <iostream>
#include <memory>

#include "lone_collector.hpp"
#include "umbel/testing/raw_connection.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::seconds;
using umbel::testing::eventually;
using umbel::testing::RawConnection;
using umbel::testing::upgrade;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kPages = 40;  // these programs are many times slower
#else
constexpr std::size_t kPages = 200;
#endif
constexpr int kTasks = 100;  // at once
constexpr int kMostRounds = 200;
constexpr std::int64_t kMegabyte = 1'000'000;

class Pages : public ::testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << collector.program().end_of_log();
  }

  std::unique_ptr<RawConnection> open_page(int receive_buffer = 0) {
    auto page = std::make_unique<RawConnection>(collector.port(), receive_buffer);
    const auto answer = page->ask(upgrade("/api/live"));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 101")) << answer;
    return page;
  }
  // So many tasks with long arguments at once that the change is of some hundred kilobytes; the
  // name of one that is told of whatever else is left out.
  std::string change() {
    const auto now = collector.now();
    const std::string name = fmt::format("change_{}_", ++changes_);
    const std::string filler(1000, 'x');
    std::vector<Event> events;
    for (int i = 0; i < kTasks; ++i) {
      const auto id = fmt::format("task-{}-{}", changes_, i);
      events.push_back(task_event(TaskEventType::Received, id, "worker@farm", now));
      auto& task = std::get<TaskEvent>(events.back());
      task.name = name;
      task.args = filler;
      task.kwargs = filler;
    }
    collector.publish(events);
    return name;
  }
  // How many of them are told of it.
  [[nodiscard]] std::size_t told(const std::string& name) {
    std::size_t count = 0;
    for (const auto& page : pages) {
      for (auto text = page->frame(); text; text = page->frame()) {
        if (text->find(name) == std::string::npos) continue;
        ++count;
        break;
      }
    }
    return count;
  }

  LoneCollector collector;
  std::vector<std::unique_ptr<RawConnection>> pages;
  int changes_ = 0;
};

TEST_F(Pages, TwoHundredAreToldAndOneThatDoesNotReadIsCutOff) {
  for (std::size_t i = 0; i < kPages; ++i) pages.push_back(open_page());
  ASSERT_EQ(told(change()), kPages);
  const auto before = collector.memory();
  const auto stuck = open_page(2048);
  ASSERT_TRUE(eventually([&] { return collector.metric("umbel_live_clients") == kPages + 1; }));

  const auto cut = [&] { return collector.metric("umbel_live_clients_dropped_total") > 0; };
  int rounds = 0;
  std::int64_t most = before;
  for (; rounds < kMostRounds && !cut(); ++rounds) {
    ASSERT_EQ(told(change()), kPages) << "after " << rounds << " changes";
    most = std::max(most, collector.memory());
  }

  EXPECT_TRUE(cut()) << "one that does not read is kept after " << rounds << " changes";
  EXPECT_EQ(collector.metric("umbel_live_clients_dropped_total"), 1);
  EXPECT_EQ(told(change()), kPages) << "the others go on";
  EXPECT_EQ(collector.metric("umbel_live_clients"), kPages);
  std::cout << fmt::format("{} changes; {:.1f} MB with {} pages, {:.1f} MB at the most\n", rounds,
                           static_cast<double>(before) / 1e6, kPages,
                           static_cast<double>(most) / 1e6);
  EXPECT_LT(most - before, 60 * kMegabyte) << before << " bytes, then " << most;
}

}  // namespace
}  // namespace umbel::e2e
