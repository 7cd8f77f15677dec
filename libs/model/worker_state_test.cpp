#include "umbel/model/worker_state.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

namespace umbel {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kStart{std::chrono::seconds{1'795'350'740}};

WorkerEvent event(WorkerEventType type = WorkerEventType::Heartbeat) {
  WorkerEvent made;
  made.type = type;
  made.origin.hostname = "w1@cap";
  made.origin.timestamp = kStart - 2h;  // the sender's clock may be anything
  made.origin.pid = 7;
  made.origin.clock = 98;
  return made;
}

TEST(WorkerState, takes_every_field_of_a_heartbeat) {
  WorkerEvent beat = event();
  beat.freq = 5.0;
  beat.active = 2;
  beat.processed = 8;
  beat.loadavg = {3.71, 1.67, 0.74};
  beat.sw_ident = "py-celery";
  beat.sw_ver = "5.2.6";
  beat.sw_sys = "Linux";
  beat.metrics_address = "h:9101";
  beat.slots = 4;
  beat.stuck = 1;
  beat.queues = "a,b";
  WorkerState worker;
  apply(worker, beat, kStart);
  EXPECT_EQ(worker.name, WorkerName{"w1@cap"});
  EXPECT_EQ(worker.pid, 7);
  EXPECT_EQ(worker.clock, 98);
  EXPECT_EQ(worker.freq, 5.0);
  EXPECT_EQ(worker.active, 2);
  EXPECT_EQ(worker.processed, 8);
  EXPECT_EQ(worker.loadavg, (std::array{3.71, 1.67, 0.74}));
  EXPECT_EQ(worker.sw_ident, "py-celery");
  EXPECT_EQ(worker.sw_ver, "5.2.6");
  EXPECT_EQ(worker.sw_sys, "Linux");
  EXPECT_EQ(worker.metrics_address, "h:9101");
  EXPECT_EQ(worker.slots, 4);
  EXPECT_EQ(worker.stuck, 1);
  EXPECT_EQ(worker.queues, "a,b");
  EXPECT_EQ(worker.first_seen, kStart);
  EXPECT_EQ(worker.last_seen, kStart);
}

TEST(WorkerState, keeps_what_a_later_event_does_not_carry) {
  WorkerEvent first = event();
  first.active = 2;
  first.loadavg = {1, 2, 3};
  first.queues = "a";
  WorkerState worker;
  apply(worker, first, kStart);
  WorkerEvent bare = event();
  bare.origin.pid = 0;
  bare.origin.clock.reset();
  apply(worker, bare, kStart + 1s);
  EXPECT_EQ(worker.active, 2);
  EXPECT_EQ(worker.loadavg, (std::array{1.0, 2.0, 3.0}));
  EXPECT_EQ(worker.queues, "a");
  EXPECT_EQ(worker.pid, 7);
  EXPECT_EQ(worker.clock, 98);
  EXPECT_EQ(worker.first_seen, kStart);
  EXPECT_EQ(worker.last_seen, kStart + 1s);
}

TEST(WorkerState, is_lost_two_intervals_after_the_last_sign_of_life) {
  WorkerState worker;
  EXPECT_EQ(worker.status(kStart), WorkerStatus::Lost) << "never seen";
  WorkerEvent beat = event();
  beat.freq = 2.0;
  apply(worker, beat, kStart);
  EXPECT_EQ(worker.status(kStart), WorkerStatus::Online);
  EXPECT_EQ(worker.status(kStart + 4s - 1us), WorkerStatus::Online);
  EXPECT_EQ(worker.status(kStart + 4s), WorkerStatus::Lost);
  apply(worker, beat, kStart + 100s);
  EXPECT_EQ(worker.status(kStart + 103s), WorkerStatus::Online);
}

TEST(WorkerState, goes_by_the_receivers_clock_alone) {
  WorkerEvent ahead = event();
  ahead.origin.timestamp = kStart + 2h;
  WorkerState worker;
  apply(worker, ahead, kStart);
  EXPECT_EQ(worker.status(kStart + 1h), WorkerStatus::Lost);
}

TEST(WorkerState, has_left_after_a_goodbye_and_is_back_with_the_next_sign) {
  for (const auto type :
       {WorkerEventType::Online, WorkerEventType::Heartbeat, WorkerEventType::Other}) {
    WorkerState worker;
    apply(worker, event(WorkerEventType::Online), kStart);
    apply(worker, event(WorkerEventType::Offline), kStart + 1s);
    EXPECT_EQ(worker.status(kStart + 1s), WorkerStatus::Left);
    EXPECT_EQ(worker.status(kStart + 1h), WorkerStatus::Left) << "not lost: it said so";
    apply(worker, event(type), kStart + 2s);
    EXPECT_EQ(worker.status(kStart + 2s), WorkerStatus::Online);
  }
}

TEST(WorkerState, is_not_made_older_by_an_event_that_was_received_earlier) {
  WorkerState worker;
  apply(worker, event(), kStart + 10s);
  apply(worker, event(), kStart);
  EXPECT_EQ(worker.last_seen, kStart + 10s);
}

TEST(WorkerState, does_not_believe_an_absurd_interval) {
  for (const double freq : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::infinity()}) {
    WorkerState worker;
    WorkerEvent beat = event();
    beat.freq = freq;
    apply(worker, beat, kStart);
    EXPECT_EQ(worker.freq, 2.0) << freq;
  }
  WorkerState worker;
  WorkerEvent beat = event();
  beat.freq = 1e300;
  apply(worker, beat, kStart);
  EXPECT_EQ(worker.status(kStart + 1h), WorkerStatus::Online);
  EXPECT_EQ(worker.status(kStart + 3h), WorkerStatus::Lost);
}

}  // namespace
}  // namespace umbel
