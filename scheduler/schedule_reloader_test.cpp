// The file while the program runs: changed, broken, swapped, deleted and back.
#include "umbel/scheduler/schedule_reloader.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "memory_ledger.hpp"
#include "umbel/base/text.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/scheduler/tick_retention.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::eventually;
using testing::FakeClock;
using ::testing::HasSubstr;
using ::testing::Not;

using Ask = ScheduleSource::Ask;

std::string file_with(const std::vector<std::string>& names, const std::string& task = "noop") {
  std::string text = "schedules:\n";
  for (const auto& name : names) {
    text.append("  - {name: ")
        .append(name)
        .append(", every: 1s, task: ")
        .append(task)
        .append("}\n");
  }
  return text;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << text;
}

std::vector<std::string> names_of(const std::vector<ScheduleEntry>& entries) {
  std::vector<std::string> names;
  for (const auto& entry : entries) names.push_back(entry.name);
  return names;
}

class ScheduleSourceTest : public ::testing::Test {
 protected:
  ScheduleSourceTest() {
    write(path, file_with({"a"}));
    EXPECT_TRUE(source.look(clock.wall(), Ask::Now)->has_value());
  }
  // Two looks, as a change needs.
  std::optional<Result<std::vector<ScheduleEntry>>> look() {
    EXPECT_FALSE(source.look(clock.wall(), Ask::IfChanged).has_value()) << "after one look";
    return source.look(clock.wall(), Ask::IfChanged);
  }
  std::vector<std::string> taken() {
    const auto entries = look();
    if (!entries) return {"nothing"};
    if (!*entries) return {entries->error().what};
    return names_of(**entries);
  }

  testing::TempDir dir;
  FakeClock clock;
  std::string path = dir.file("s.yaml");
  ScheduleSource source{path};
};

TEST_F(ScheduleSourceTest, TakesAChangedFileOnceAndLeavesAnUnchangedOne) {
  EXPECT_THAT(taken(), ElementsAre("nothing"));
  write(path, file_with({"a", "b"}));
  EXPECT_THAT(taken(), ElementsAre("a", "b"));
  EXPECT_THAT(taken(), ElementsAre("nothing"));
  EXPECT_EQ(names_of(**source.look(clock.wall(), Ask::Now)), (std::vector<std::string>{"a", "b"}));
}

TEST_F(ScheduleSourceTest, WaitsUntilAFileThatIsBeingWrittenStandsStill) {
  write(path, "");
  EXPECT_FALSE(source.look(clock.wall(), Ask::IfChanged).has_value());
  write(path, "schedules: [{name: a, every: 1s, task: noop}]\n");  // could be all
  EXPECT_FALSE(source.look(clock.wall(), Ask::IfChanged).has_value());
  write(path, file_with({"a", "b", "c"}));
  EXPECT_THAT(taken(), ElementsAre("a", "b", "c"));
}

TEST_F(ScheduleSourceTest, SeesAChangeThatKeepsSizeAndTimeOfTheFile) {
  struct stat before {};
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  write(path, file_with({"z"}));
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_THAT(taken(), ElementsAre("z"));
}

TEST_F(ScheduleSourceTest, FollowsAnEditorThatRenamesAndASymbolicLinkThatIsSwapped) {
  write(dir.file("s.yaml.tmp"), file_with({"renamed"}));
  fs::rename(dir.file("s.yaml.tmp"), path);
  EXPECT_THAT(taken(), ElementsAre("renamed"));

  // As Kubernetes mounts a config map: FILE -> ..data/FILE, ..data -> a folder for each version.
  for (const std::string version : {"v1", "v2"}) {
    fs::create_directory(dir.file(version));
    write(dir.file(version) + "/map.yaml", file_with({version}));
  }
  fs::create_directory_symlink("v1", dir.file("..data"));
  fs::create_symlink("..data/map.yaml", dir.file("map.yaml"));
  source = ScheduleSource{dir.file("map.yaml")};
  EXPECT_THAT(taken(), ElementsAre("v1"));
  fs::create_directory_symlink("v2", dir.file("..data_tmp"));
  fs::rename(dir.file("..data_tmp"), dir.file("..data"));
  EXPECT_THAT(taken(), ElementsAre("v2"));
}

TEST_F(ScheduleSourceTest, TellsOfADeletedFileOnceAndTakesItWhenItIsBack) {
  const auto read_at = source.read_at();
  clock.advance(std::chrono::seconds{60});
  fs::remove(path);
  EXPECT_THAT(taken(), ElementsAre(HasSubstr("there is no such file")));
  EXPECT_THAT(taken(), ElementsAre("nothing"));
  EXPECT_EQ(source.read_at(), read_at);
  write(path, file_with({"a"}));
  EXPECT_THAT(taken(), ElementsAre("a"));
  EXPECT_EQ(source.read_at(), clock.wall());
}

TEST_F(ScheduleSourceTest, DoesNotWaitForAPipe) {
  fs::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(taken(), ElementsAre(HasSubstr("no regular file")));
}

class ReloaderTest : public ::testing::Test {
 protected:
  ReloaderTest() { write(path, file_with({"a"})); }
  // Tells its names to whoever waits.
  ScheduleReloader::PutInForce note() {
    return [this](std::vector<ScheduleEntry> entries) {
      const std::lock_guard lock{mutex_};
      in_force_ = names_of(entries);
    };
  }
  std::vector<std::string> in_force() {
    const std::lock_guard lock{mutex_};
    return in_force_;
  }
  std::string said() {
    const std::lock_guard lock{mutex_};
    return said_;
  }
  // What the store holds of the file's error.
  std::optional<ScheduleError> told() {
    const auto value = shared.get(kScheduleErrorKey, clock.wall()).value();
    return value ? schedule_error_from(*value) : std::nullopt;
  }
  double reloads(const char* outcome) {
    return metrics.counter(metrics::kScheduleReloads, {outcome}).Value();
  }

  class NoTasks final : public TaskCatalogue {
   public:
    Result<void> upsert(std::span<const CatalogueEntry>, WallTime) override { return {}; }
    Result<CatalogueEntry> find(const std::string&) override { return not_found("none"); }
    Result<std::vector<CatalogueEntry>> all() override { return entries; }
    std::vector<CatalogueEntry> entries;
  };

  // One value, which does not run out; each second put fails.
  class OneValue final : public SharedValues {
   public:
    Result<std::optional<std::string>> get(const std::string& key, WallTime) override {
      const std::lock_guard lock{mutex_};
      return key == key_ ? std::optional{value_} : std::nullopt;
    }
    Result<void> put(const std::string& key, const std::string& value, WallTime) override {
      const std::lock_guard lock{mutex_};
      if (++puts_ % 2 == 1) return unavailable("out, says the test");
      key_ = key;
      value_ = value;
      return {};
    }
    Result<std::int64_t> add(const std::string&, std::int64_t, std::int64_t, WallTime,
                             WallTime) override {
      return unavailable("not here");
    }
    Result<bool> replace(const std::string&, const std::optional<std::string>&, const std::string&,
                         WallTime, WallTime) override {
      return unavailable("not here");
    }

   private:
    std::mutex mutex_;
    std::string key_, value_;
    int puts_ = 0;
  };

 private:
  std::mutex mutex_;
  std::vector<std::string> in_force_;
  std::string said_;

 protected:
  testing::TempDir dir;
  std::string path = dir.file("s.yaml");
  SystemClock clock;
  NoTasks catalogue;
  OneValue shared;
  Readiness ready;
  metrics::Metrics metrics{"test"};
  Log log{"test", LogLevel::Info, [this](LogLevel, std::string_view, std::string_view text) {
            const std::lock_guard lock{mutex_};
            said_.append(text).append("\n");
          }};
  ScheduleReloader reloader{ScheduleSource{path},
                            note(),
                            TaskNames{catalogue, clock, log},
                            ready,
                            shared,
                            clock,
                            metrics,
                            log,
                            std::chrono::milliseconds{10}};
};

TEST_F(ReloaderTest, KeepsTheOldScheduleInForceWhileTheFileHasAnErrorAndSaysSo) {
  ASSERT_TRUE(reloader.load().has_value());
  ASSERT_TRUE(reloader.start().has_value());
  EXPECT_THAT(in_force(), ElementsAre("a"));
  EXPECT_TRUE(ready.all().has_value());
  const auto first = metrics.gauge(metrics::kScheduleReloaded).Value();
  EXPECT_GT(first, 0);

  write(path, "schedules:\n  - {name: a, every: 5x, task: noop}\n  - {name: b, task: noop}\n");
  ASSERT_TRUE(eventually([&] { return reloads("failure") == 1; }));
  const auto state = ready.all();
  ASSERT_TRUE(state.has_error());
  EXPECT_THAT(state.error().what,
              AllOf(HasSubstr("running on the schedule of 20"), HasSubstr("the file has an error"),
                    HasSubstr(path + ":2:22: entry 'a': every: '5x'"), HasSubstr("(and 1 more)")));
  EXPECT_EQ(metrics.gauge(metrics::kScheduleFileError).Value(), 1);
  EXPECT_THAT(in_force(), ElementsAre("a"));
  EXPECT_EQ(metrics.gauge(metrics::kScheduleReloaded).Value(), first);

  ASSERT_TRUE(eventually([&] { return told().has_value(); })) << "the first try failed";
  const auto error = *told();
  EXPECT_THAT(error.what, HasSubstr(path + ":2:22: entry 'a': every: '5x'"));
  EXPECT_LT(error.in_force_since, error.since);
  write(path, "schedules: 5");
  ASSERT_TRUE(
      eventually([&] { return told() && told()->what.find("a list") != std::string::npos; }));
  EXPECT_EQ(told()->since, error.since) << "it has not been well in between";

  write(path, file_with({"b"}));
  ASSERT_TRUE(eventually([&] { return in_force() == std::vector<std::string>{"b"}; }));
  ASSERT_TRUE(eventually([&] { return ready.all().has_value(); }));
  EXPECT_TRUE(eventually([&] { return !told(); }));
  EXPECT_EQ(metrics.gauge(metrics::kScheduleFileError).Value(), 0);
  reloader.stop();
  const auto lines = said();
  EXPECT_EQ(reloads("failure"), 2) << lines;
  const auto first_line = lines.find("has an error");
  const auto second_line = lines.find("has an error", first_line + 1);
  EXPECT_EQ(second_line, lines.rfind("has an error")) << "once each: " << lines;
}

TEST_F(ReloaderTest, ReadsAgainOnDemandChangedOrNot) {
  ASSERT_TRUE(reloader.load().has_value());
  ASSERT_TRUE(reloader.start().has_value());
  reloader.reload();
  EXPECT_TRUE(eventually([&] { return reloads("success") == 2; }));
  write(path, file_with({"b"}));
  EXPECT_TRUE(eventually([&] { return in_force() == std::vector<std::string>{"b"}; }));
  reloader.stop();
  reloader.stop();
}

TEST_F(ReloaderTest, AnswersTheErrorsOfAFileThatIsBadFromTheStart) {
  write(path, "schedules: 5");
  const auto loaded = reloader.load();
  ASSERT_TRUE(loaded.has_error());
  EXPECT_THAT(loaded.error().what, HasSubstr(":1:1: 'schedules': must be a list"));
  EXPECT_TRUE(in_force().empty());
}

TEST_F(ReloaderTest, WarnsOnceOfATaskThatNobodyRegistered) {
  FakeClock fake;
  CatalogueEntry known;
  known.name = "reddit.discover";
  catalogue.entries = {known};
  TaskNames names{catalogue, fake, log};
  names.expect(parse_schedule(file_with({"a"}, "reddit.discver"), "s.yaml").value());
  names.look();
  EXPECT_THAT(said(), Not(HasSubstr("reddit"))) << "workers may still be starting";
  for (int i = 0; i < 5; ++i) {
    fake.advance(TaskNames::kLookEvery);
    names.look();
  }
  const auto lines = said();
  EXPECT_THAT(lines, AllOf(HasSubstr("no worker has registered"), HasSubstr("reddit.discver"),
                           HasSubstr("did_you_mean=reddit.discover")));
  EXPECT_EQ(lines.find("discver"), lines.rfind("discver"));
  known.name = "reddit.discver";
  catalogue.entries.push_back(known);
  fake.advance(TaskNames::kLookEvery);
  names.look();
  EXPECT_THAT(said(), HasSubstr("is registered now"));
}

TEST(ScheduleError, IsReadAsItWasLaidDown) {
  const ScheduleError error{from_micros(1'700'000'000'000'000), from_micros(12),
                            "s.yaml:1:2: no 1"};
  EXPECT_EQ(schedule_error_from(to_shared(error)), error);
  EXPECT_EQ(schedule_error_from(to_shared(std::nullopt)), std::nullopt);
  for (const auto* foreign :
       {"", " ", "x", "12", "12 ", "12 x", "12 13", "99999999999999999999 1 x"}) {
    EXPECT_EQ(schedule_error_from(foreign), std::nullopt) << foreign;
  }
}

class OneLease final : public Leases {
 public:
  Result<bool> acquire(const std::string&, const std::string& owner, std::chrono::milliseconds,
                       WallTime) override {
    return Result<bool>{owner == holder};
  }
  Result<void> release(const std::string&, const std::string&) override { return {}; }
  std::string holder = "me";
};

TEST(TickRetention, ForgetsOldTicksInBatchesIfItHoldsTheLease) {
  testing::MemoryLedger ledger;
  OneLease leases;
  const FakeClock clock;
  metrics::Metrics metrics{"test"};
  const auto now = clock.wall();
  for (int i = 0; i < 1'700; ++i) {
    TaskRequest request;
    request.id = TaskId{"t"};
    ASSERT_TRUE(
        ledger.accept(request, {"a", now - std::chrono::hours{48} - std::chrono::seconds{i}}));
  }
  TickRetention other{ledger, leases,  "not me",   std::chrono::hours{24},
                      clock,  metrics, Log::none()};
  EXPECT_EQ(other.pass().value(), 0U);
  TickRetention mine{ledger, leases, "me", std::chrono::hours{24}, clock, metrics, Log::none()};
  EXPECT_EQ(mine.pass().value(), 1'699U) << "the newest stays";
  EXPECT_EQ(metrics.counter(metrics::kTicksForgotten).Value(), 1'699);
  EXPECT_EQ(ledger.rows().size(), 1U);
  ASSERT_TRUE(mine.start().has_value());
  mine.stop();
  mine.stop();
}

}  // namespace
}  // namespace umbel
