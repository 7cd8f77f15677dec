// Broker, store and history on disks that are full, read-only or slow, or on which any one write
// fails: what was told to be kept is kept, errors name the file and the remedy, and work goes on
// afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "disk.hpp"
#include "disk_under_test.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class DiskWrites : public Disk {};

TEST_P(DiskWrites, FullAndThenNot) {
  SmallDisk disk{"6m"};
  FaultyDisk simulated;  // where nobody may mount
  const auto folder = disk.file("var");
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps);
  ASSERT_TRUE(keeps->add("first", 10));
  if (disk.mounted()) {
    disk.fill();
  } else {
    simulated.fail_all(SQLITE_FULL);
  }

  auto [kept, full] = add_until_it_fails(*keeps);
  kept.insert("first");

  EXPECT_EQ(full.code, Errc::Unavailable);
  EXPECT_THAT(full.what, HasSubstr(GetParam().file()));
  EXPECT_THAT(full.what, AnyOf(HasSubstr("disk is full"), HasSubstr("-shm")));
  if (GetParam().pings_by_writing) {
    EXPECT_FALSE(keeps->ping()) << "not ready";
  }

  if (disk.mounted()) disk.make_room();
  simulated.fail_all(SQLITE_OK);
  EXPECT_TRUE(keeps->ping());
  ASSERT_TRUE(keeps->add("after", 10));
  kept.insert("after");
  EXPECT_EQ(keeps->ids().value(), kept);
}

TEST_P(DiskWrites, OpeningOnAFullDiskSaysSoAndWorksLater) {
  SmallDisk disk{"2m"};
  FaultyDisk simulated;
  if (disk.mounted()) {
    disk.fill();
  } else {
    simulated.fail_all(SQLITE_FULL);
  }

  const auto failed = open_or_use(disk.file("var"));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Errc::Unavailable);
  EXPECT_THAT(failed->what, HasSubstr(disk.file("var")));

  if (disk.mounted()) disk.make_room();
  simulated.fail_all(SQLITE_OK);
  EXPECT_EQ(open_or_use(disk.file("var")).value_or(Error{}).what, "");
}

// A limit on the size of files (ulimit -f) in a process of its own, where the write is refused by
// the kernel for everybody. The child may do as it likes because no thread exists yet when it is
// forked.
TEST_P(DiskWrites, ALimitOnTheSizeOfFilesIsLikeAFullDisk) {
  const TempDir dir;
  const auto child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    auto keeps = GetParam().open(dir.file("var"));
    if (!keeps) _exit(2);
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit small{.rlim_cur = 2'000'000, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    auto [kept, full] = add_until_it_fails(**keeps);
    if (full.code != Errc::Unavailable) _exit(3);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!(*keeps)->add("after", 10)) _exit(4);
    kept.insert("after");
    const auto ids = (*keeps)->ids();
    if (!ids) _exit(5);
    _exit(*ids == kept && kept.size() > 10 ? 0 : 6);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(WIFEXITED(status));
}

TEST_P(DiskWrites, EveryWriteToTheDiskFailsOnce) {
  const SmallDisk memory{"64m"};  // where it may be mounted, syncing costs nothing
  FaultyDisk disk;
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE("write " + std::to_string(nth) + ", code " + std::to_string(code));
      ASSERT_LT(nth, 500);
      const auto folder = memory.file("var" + std::to_string(nth));
      std::filesystem::remove_all(folder);
      disk.fail(nth, code);
      Ids asked;
      const auto try_twice = [&](const std::function<Result<void>()>& call) {
        const auto done = call();
        return done ? done : call();
      };
      std::unique_ptr<Keeps> keeps;
      const auto opened = try_twice([&]() -> Result<void> {
        auto made = GetParam().open(folder);
        if (!made) return made.error();
        keeps = std::move(*made);
        return {};
      });
      ASSERT_TRUE(opened) << opened.error().what;
      for (int i = 0; i < 4; ++i) {
        const auto id = "t" + std::to_string(i);
        asked.insert(id);
        // A broker's second publish is a second copy of the same id, which is harmless.
        const auto added = try_twice([&] { return keeps->add(id, 5000); });
        ASSERT_TRUE(added) << added.error().what;
      }
      // What a consumer held that could not say goodbye comes back when its lease ends.
      const auto holds_all = [&asked](Keeps& some) {
        return eventually([&] {
          const auto held = some.ids();
          return held && *held == asked;
        });
      };
      EXPECT_TRUE(holds_all(*keeps));
      keeps.reset();
      const auto again = open(folder);
      ASSERT_TRUE(again);
      EXPECT_TRUE(holds_all(*again));
      if (!disk.fired()) {
        EXPECT_GT(nth, 20) << "the disk was hardly met";
        break;
      }
    }
  }
}

TEST_P(DiskWrites, ReadOnlyAndThenNot) {
  SmallDisk disk{"6m"};
  FaultyDisk simulated;
  const auto folder = disk.file("var");
  {
    const auto keeps = open(folder);
    ASSERT_TRUE(keeps->add("first", 10));
    simulated.fail_all(SQLITE_READONLY);
    const auto refused = keeps->add("second", 10);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Unavailable);
    EXPECT_THAT(refused.error().what, HasSubstr("not writable"));
    if (GetParam().pings_by_writing) {
      EXPECT_FALSE(keeps->ping());
    }
    simulated.fail_all(SQLITE_OK);
    EXPECT_TRUE(keeps->add("second", 10));
  }
  if (!disk.mounted()) return;  // the simulated one was tried; a real one needs a mount

  ASSERT_TRUE(disk.read_only(true));
  const auto refused = open_or_use(folder);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Errc::Unavailable);
  EXPECT_THAT(refused->what, HasSubstr(folder));
  ASSERT_TRUE(disk.read_only(false));
  const auto keeps = open(folder);
  ASSERT_TRUE(keeps->add("third", 10));
  EXPECT_EQ(keeps->ids().value(), (Ids{"first", "second", "third"}));
}

TEST_P(DiskWrites, SlowIsNoFailure) {
  const TempDir dir;
  FaultyDisk disk;
  const auto keeps = open(dir.file("var"));
  disk.slow(std::chrono::milliseconds{20});

  Ids asked;
  for (int i = 0; i < 5; ++i) {
    asked.insert("t" + std::to_string(i));
    EXPECT_TRUE(keeps->add("t" + std::to_string(i), 100));
  }
  EXPECT_TRUE(keeps->ping());
  disk.slow(std::chrono::milliseconds{0});
  EXPECT_EQ(keeps->ids().value(), asked);
}

UMBEL_INSTANTIATE_DISK_SUITE(DiskWrites);

}  // namespace
}  // namespace umbel::testing
