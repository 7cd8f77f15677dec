#include "told_runs.hpp"

#include <gtest/gtest.h>

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WallTime kStart{seconds{1'795'348'800}};

// A worker whose heartbeats come every two seconds.
struct Worker {
  ToldRuns runs{};
  WallTime now = kStart;
  std::int64_t pid = 4711, processed = 0;

  void beat(int times = 1) {
    for (; times > 0; --times) {
      runs.heartbeat(pid, processed, now, now);
      now += seconds{2};
    }
  }
  void run(int tasks, int told) {
    processed += tasks;
    for (; told > 0; --told) runs.told();
  }
};

TEST(ToldRuns, nothing_is_missing_where_all_are_told) {
  Worker worker{.processed = 40};  // seen late
  worker.beat(3);
  for (int i = 0; i < 100; ++i) {
    worker.run(7, 7);
    worker.beat();
    EXPECT_EQ(worker.runs.untold(), 0);
  }
}

TEST(ToldRuns, what_is_on_its_way_is_not_missing) {
  Worker worker;
  worker.beat();
  int late = 0;
  for (int i = 0; i < 100; ++i) {  // a heartbeat is ahead of up to 24 starts
    worker.run(30, 30 - 24 + late);
    late = 24;
    worker.beat();
    EXPECT_EQ(worker.runs.untold(), 0) << i;
  }
}

TEST(ToldRuns, what_was_run_when_it_was_first_seen_is_told_by_its_end) {
  Worker worker{.processed = 3};
  worker.beat();
  for (int i = 0; i < 3; ++i) worker.runs.told();  // ends of tasks that began before
  worker.beat(5);
  EXPECT_EQ(worker.runs.untold(), 0);
}

TEST(ToldRuns, what_no_event_told_of_is_counted_once_it_is_sure) {
  Worker worker;
  worker.beat(2);
  worker.run(12, 5);
  worker.beat();
  EXPECT_EQ(worker.runs.untold(), 0) << "they may be on their way";
  worker.beat(2);
  EXPECT_EQ(worker.runs.untold(), 7);
  worker.run(3, 3);
  worker.beat(3);
  EXPECT_EQ(worker.runs.untold(), 7);
  EXPECT_EQ(worker.runs.since(), kStart);
}

TEST(ToldRuns, what_comes_late_after_all_is_told) {
  Worker worker;
  worker.beat();
  worker.run(4, 0);
  worker.beat(4);
  EXPECT_EQ(worker.runs.untold(), 4);
  for (int i = 0; i < 4; ++i) worker.runs.told();
  worker.beat(3);
  EXPECT_EQ(worker.runs.untold(), 0);
}

TEST(ToldRuns, a_busy_worker_is_not_too_busy_to_be_missed) {
  Worker worker;
  worker.beat();
  worker.run(2000, 0);  // an overflow of the queue
  for (int i = 0; i < 15; ++i) {
    worker.run(1000, 1000);
    worker.beat();
  }
  EXPECT_EQ(worker.runs.untold(), 2000);
}

TEST(ToldRuns, another_process_of_the_same_name_begins_anew) {
  Worker worker;
  worker.beat();
  worker.run(5, 0);
  worker.beat(3);
  EXPECT_EQ(worker.runs.untold(), 5);
  worker.pid = 4712;
  worker.processed = 2;
  worker.beat(4);
  EXPECT_EQ(worker.runs.untold(), 0);
  worker.processed = 0;  // the same number for its process, as in a container
  worker.beat(4);
  EXPECT_EQ(worker.runs.untold(), 0);
}

TEST(ToldRuns, goes_on_over_a_restart_of_the_monitor) {
  Worker worker;
  worker.beat();
  worker.run(5, 5);
  worker.beat();
  ToldRuns restarted;
  restarted.restore(worker.runs.state());
  worker.runs = restarted;
  worker.run(30, 10);  // of those of the meantime only ten were still in the queue
  worker.beat(4);
  EXPECT_EQ(worker.runs.untold(), 20);
  EXPECT_EQ(worker.runs.since(), kStart);
}

TEST(ToldRuns, a_heartbeat_that_comes_again_changes_nothing) {
  Worker worker;
  worker.beat();
  worker.run(2, 2);
  worker.beat(2);
  worker.runs.heartbeat(worker.pid, 0, kStart, worker.now);
  worker.beat(3);
  EXPECT_EQ(worker.runs.untold(), 0);
}

}  // namespace
}  // namespace umbel::collector
