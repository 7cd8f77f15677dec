// A real collector that is fed more names than anybody can look at: 10,000 tasks, 1,000 workers,
// 1,500 queues, and a subreddit for each of 20,000 runs. Its metrics stay within their budget and
// say what they left out, and as much again costs it no more memory.
//
// UMBEL_LONG_TESTS=1 goes on up to 120,000 runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "lone_collector.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::seconds;
using umbel::testing::eventually;

constexpr std::size_t kNames = 10'000, kWorkers = 1'000, kQueues = 1'500;
constexpr std::ptrdiff_t kMostLines = 30'000;
constexpr std::int64_t kMegabyte = 1'000'000;
// What waits for the disk when it is behind is up to 20,000 tasks, now more, now less.
constexpr std::int64_t kMoreMemory = 80 * kMegabyte;

bool sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

class CollectorBounds : public ::testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << collector.program().end_of_log();
  }

  // So many tasks from beginning to end, each with a subreddit of its own; true once all are
  // counted and kept.
  [[nodiscard]] bool feed(std::size_t tasks) {
    constexpr std::size_t kAtOnce = 500;
    for (const auto end = fed_ + tasks; fed_ < end;) {
      std::vector<Event> events;
      for (std::size_t i = 0; i < kAtOnce && fed_ < end; ++i, ++fed_) {
        const auto id = fmt::format("task-{}", fed_);
        const auto worker = fmt::format("worker-{}@farm", fed_ % kWorkers);
        const auto now = collector.now();
        auto received = task_event(TaskEventType::Received, id, worker, now);
        auto& task = std::get<TaskEvent>(received);
        task.name = fmt::format("module.task_{}", fed_ % kNames);
        task.args = fmt::format("('subreddit_{}',)", fed_);
        events.push_back(std::move(received));
        events.push_back(task_event(TaskEventType::Started, id, worker, now));
        events.push_back(task_event(TaskEventType::Succeeded, id, worker, now));
        std::get<TaskEvent>(events.back()).runtime = 0.1;
        if (fed_ < kWorkers) events.push_back(heartbeat(worker, now, 1));
      }
      collector.publish(events);
    }
    return eventually(
        [&] {
          return collector.total("succeeded") == fed_ &&
                 collector.metric("umbel_history_waiting_tasks") == 0;
        },
        seconds{100});
  }

  LoneCollector collector{{"--max-tasks=10000"}};
  std::size_t fed_ = 0;
};

TEST_F(CollectorBounds, ManyNamesCostNoMoreThanTheirBounds) {
  const std::size_t portion = sanitized() ? 6'000 : 10'000;
  const int portions = std::getenv("UMBEL_LONG_TESTS") != nullptr ? 12 : 2;
  std::vector<QueueName> queues;
  for (std::size_t i = 0; i < kQueues; ++i) queues.emplace_back(fmt::format("queue_{}", i));
  collector.declare(queues);

  std::vector<std::int64_t> memory;
  for (int i = 0; i < portions; ++i) {
    ASSERT_TRUE(feed(portion)) << collector.total("succeeded") << " of " << fed_
                               << " were counted, "
                               << collector.metric("umbel_history_waiting_tasks") << " wait";
    memory.push_back(collector.memory());
  }

  const auto text = collector.get("/metrics").value_or("");
  const auto lines = std::count(text.begin(), text.end(), '\n');
  const auto folded = collector.metric("umbel_metric_labels_folded_total");
  const auto evicted = collector.metric("umbel_tasks_evicted_total");
  std::cout << fmt::format(
      "{} lines of metrics, {} label values folded, {} tasks evicted; MB:", lines, folded, evicted);
  for (const auto bytes : memory) std::cout << ' ' << bytes / kMegabyte;
  std::cout << '\n';
  EXPECT_GT(lines, 250) << "the queues are not there at all";
  EXPECT_LE(lines, kMostLines);
  EXPECT_GT(folded, 0) << "what was left out is not counted";
  EXPECT_GT(evicted, 0) << "what was let go is not counted";
  // A sanitizer keeps freed memory back.
  if (!sanitized()) {
    EXPECT_LT(*std::ranges::max_element(memory) - memory.front(), kMoreMemory);
  }
}

}  // namespace
}  // namespace umbel::e2e
