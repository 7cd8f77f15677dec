// A process that is killed while its thread carries the log over leaves a sound file with every row
// that it had committed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "umbel/sqlite/checkpointer.hpp"
#include "umbel/sqlite/database.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::sqlite {
namespace {

using testing::TempDir;

constexpr std::int32_t kId = 0x556d'0003;
constexpr std::array<Migration, 1> kSchema{"CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB)"};
constexpr int kKills = 20;
constexpr std::chrono::seconds kLongest{20};

// Commits row after row, most of its time beside a turn that carries them over, and writes the id
// of each into `told` afterwards.
[[noreturn]] void write_until_killed(const std::string& path, int told) {
  const auto give_up = std::chrono::steady_clock::now() + kLongest;
  try {
    Checkpointer checkpointer{path, {.enough = 4, .too_long = 40}};
    const auto opened = open(path, kId, kSchema, {});
    if (!opened) _exit(2);
    auto& database = **opened;
    checkpointer.watch(database);
    while (std::chrono::steady_clock::now() < give_up) {
      WriteTransaction transaction{database};
      database.exec("INSERT INTO note (text) VALUES (randomblob(3000))");
      transaction.commit();
      const std::int64_t id = database.getLastInsertRowid();
      if (write(told, &id, sizeof(id)) != static_cast<ssize_t>(sizeof(id))) _exit(3);
    }
  } catch (const std::exception&) {
    _exit(4);
  }
  _exit(5);
}

// Children that write, each into the same file. Forked while this process has one thread: the child
// does more than a child of a process with threads may.
class Writer {
 public:
  explicit Writer(const std::string& path) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      write_until_killed(path, ends[1]);
    }
    close(ends[1]);
    told_ = ends[0];
  }
  ~Writer() {
    kill();
    if (told_ >= 0) close(told_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // The next id that it had committed; nothing at its end.
  [[nodiscard]] std::optional<std::int64_t> next() const {
    std::int64_t id = 0;
    const auto got = read(told_, &id, sizeof(id));
    if (got != static_cast<ssize_t>(sizeof(id))) return std::nullopt;
    return id;
  }
  // Its wait status.
  int kill() {
    const auto child = std::exchange(pid_, -1);
    int status = 0;
    if (child <= 0) return status;
    ::kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
  int told_ = -1;
};

TEST(CheckpointerKilled, LeavesASoundFileWithAllThatWasCommitted) {
  const TempDir dir;
  const auto path = dir.file("n.db");
  ASSERT_TRUE(open(path, kId, kSchema, {}));
  const auto at_first = std::filesystem::file_size(path);
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  std::int64_t committed = 0;
  for (int round = 0; round < kKills; ++round) {
    SCOPED_TRACE("kill " + std::to_string(round));
    Writer writer{path};
    // Past the first turn, then any instant: most of them fall into a turn.
    const auto enough = std::uniform_int_distribution<int>{10, 120}(random);
    for (int i = 0; i < enough; ++i) {
      const auto id = writer.next();
      ASSERT_TRUE(id) << "the writer ended by itself";
      committed = *id;
    }
    // The instant of the kill is what is random here; nothing is waited for.
    std::this_thread::sleep_for(
        std::chrono::microseconds{std::uniform_int_distribution<int>{0, 5000}(random)});
    const auto status = writer.kill();
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "wait status " << status;
    while (const auto id = writer.next()) committed = *id;

    const auto opened = open(path, kId, kSchema, {});
    ASSERT_TRUE(opened) << opened.error().what;
    // A file whose last connection closes is carried over by SQLite itself: the next writer shall
    // find the log as the killed one left it.
    sqlite3_db_config((*opened)->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    EXPECT_EQ((*opened)->execAndGet("PRAGMA integrity_check").getString(), "ok");
    const auto rows = (*opened)->execAndGet("SELECT count(*) FROM note").getInt64();
    const auto newest = (*opened)->execAndGet("SELECT max(id) FROM note").getInt64();
    EXPECT_EQ(rows, newest) << "a row is missing in the middle";
    EXPECT_GE(newest, committed) << "a row that was committed is gone";
    EXPECT_LE(newest, committed + 1) << "a row that was never written";
  }
  // The turns did take place: the log alone did not hold it all.
  EXPECT_GT(std::filesystem::file_size(path), at_first);
}

}  // namespace
}  // namespace umbel::sqlite
