// Files that another process locks for longer than anybody waits: an error that says so, nothing
// lost, and no lease that runs out meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "disk.hpp"
#include "disk_under_test.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

using ::testing::HasSubstr;

class DiskLocks : public Disk {};

TEST_P(DiskLocks, LockedByAnotherProcessForLongerThanTheTimeout) {
  LockHolder holder;
  const TempDir dir;
  const auto folder = dir.file("var");
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps->add("first", 10));
  ASSERT_TRUE(holder.hold(path(folder)));

  const auto before = std::chrono::steady_clock::now();
  const auto ready = keeps->ping();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds{3})
      << "readiness does not wait as long as work does";
  if (GetParam().pings_by_writing) {
    ASSERT_FALSE(ready);
    EXPECT_THAT(ready.error().what, HasSubstr("locked"));
  }
  const auto refused = keeps->add("second", 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  EXPECT_THAT(refused.error().what, HasSubstr("locked by others"));
  EXPECT_THAT(refused.error().what, HasSubstr(GetParam().file()));

  holder.let_go();
  EXPECT_TRUE(keeps->ping());
  EXPECT_TRUE(keeps->add("second", 10));
  EXPECT_EQ(keeps->ids().value(), (Ids{"first", "second"}));
}

UMBEL_INSTANTIATE_DISK_SUITE(DiskLocks);

// A live consumer keeps its messages though nobody could renew a lease while the file was locked.
TEST(DiskLeases, ALockedFileCostsNobodyHisLease) {
  LockHolder holder;
  const TempDir dir;
  const SystemClock clock;
  const SqliteBrokerOptions options{.path = dir.file("broker.db"),
                                    .lease = std::chrono::milliseconds{1000}};
  const auto workers = open_sqlite_broker(options, clock, Log::none()).value();
  const auto others = open_sqlite_broker(options, clock, Log::none()).value();
  const OutgoingMessage message{.queue = QueueName{"q"}, .message = {}, .not_before = {}};
  ASSERT_TRUE(workers->publish({&message, 1}));
  const auto consumer =
      workers->consume({.queues = {QueueName{"q"}}, .prefetch = 1, .consumer = "w"}).value();
  const auto taken = consumer->next(1, std::chrono::seconds{5}, {}).value();
  ASSERT_EQ(taken.size(), 1U);

  const bool long_form = std::getenv("UMBEL_LONG_TESTS") != nullptr;
  ASSERT_TRUE(holder.hold(options.path));
  // The lock's length is what is tried, three leases of it: nothing happens that could be waited
  // for.
  std::this_thread::sleep_for(std::chrono::seconds{long_form ? 30 : 3});
  holder.let_go();
  // Time for whoever would take it back: that nothing happens is what is tried.
  std::this_thread::sleep_for(options.lease);

  EXPECT_THAT(consumer->ack({&taken.front().tag, 1}).value(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace umbel::testing
