#include "retention.hpp"

#include <optional>
#include <vector>

namespace umbel::store_sqlite {
namespace {

// Results are numbered as they come, so the oldest lie together; how far one step looks for them
// past results that a wrong clock dated into the future.
constexpr std::uint64_t kSequencesLookedThrough = 5000;
constexpr std::size_t kSubredditsLookedThrough = 20;

std::vector<std::int64_t> old_tasks(Connection& connection, WallTime before, std::size_t most) {
  std::vector<std::int64_t> rows;
  auto row = connection.query(
      "SELECT rowid FROM tasks WHERE sequence IS NOT NULL AND done < ?1 AND sequence <"
      " (SELECT min(sequence) FROM tasks WHERE sequence IS NOT NULL) + ?2"
      " ORDER BY sequence LIMIT ?3",
      before, kSequencesLookedThrough, most);
  while (row.next()) rows.push_back(row.integer(0));
  return rows;
}

// One subreddit's sightings that are old enough and deeper than any listing.
struct Deep {
  std::string subreddit;
  std::int64_t created_before = 0;
};

std::vector<Deep> deep_sightings(Connection& connection, const RetentionLimits& limits,
                                 const std::string& after, std::string& last) {
  std::vector<std::string> subreddits;
  {
    auto row = connection.query(
        "SELECT subreddit FROM watermarks WHERE subreddit > ? ORDER BY subreddit LIMIT ?", after,
        kSubredditsLookedThrough);
    while (row.next()) subreddits.push_back(row.text(0));
  }
  last = subreddits.size() < kSubredditsLookedThrough ? std::string{} : subreddits.back();
  std::vector<Deep> deep;
  for (auto& subreddit : subreddits) {
    // The oldest one that is kept; none: there are fewer.
    auto row = connection.query(
        "SELECT created FROM sightings WHERE subreddit = ? ORDER BY created DESC LIMIT 1 OFFSET ?",
        subreddit, limits.sightings_kept == 0 ? 0 : limits.sightings_kept - 1);
    if (row.next()) deep.push_back({std::move(subreddit), row.integer(0)});
  }
  return deep;
}

}  // namespace

Result<Forgotten> SqliteRetention::forget(const RetentionLimits& limits, std::size_t most) {
  const std::scoped_lock lock{mutex_};
  // What to delete is looked up without the write lock; nothing found here comes back to life.
  std::vector<std::int64_t> tasks;
  std::vector<Deep> deep;
  std::string last;
  auto looked =
      file_.read("look for what is past its time", [&](Connection& connection) -> Result<void> {
        tasks = old_tasks(connection, limits.finished_before, most);
        deep = deep_sightings(connection, limits, subreddit_, last);
        return {};
      });
  if (!looked) return looked.error();

  auto forgotten =
      file_.write("forget what is past its time", [&](Connection& connection) -> Result<Forgotten> {
        Forgotten done;
        const auto count = [](std::int64_t rows) { return static_cast<std::uint64_t>(rows); };
        done.outbox += count(connection.run(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM (SELECT id, task, written FROM outbox"
            " ORDER BY id LIMIT ?2) AS first WHERE written < ?1 AND EXISTS (SELECT 1 FROM tasks"
            " WHERE tasks.id = first.task AND sequence IS NOT NULL))",
            limits.finished_before, most));
        for (const auto row : tasks) {
          done.tasks += count(connection.run(
              "DELETE FROM tasks WHERE rowid = ? AND sequence IS NOT NULL AND done < ?", row,
              limits.finished_before));
        }
        for (const auto& one : deep) {
          if (done.sightings >= most) break;
          done.sightings += count(connection.run(
              "DELETE FROM sightings WHERE fullname IN (SELECT fullname FROM sightings"
              " WHERE subreddit = ? AND created < ? AND sighted < ? LIMIT ?)",
              one.subreddit, one.created_before, limits.sighted_before, most - done.sightings));
        }
        done.shared_values += count(connection.run(
            "DELETE FROM shared_values WHERE key IN"
            " (SELECT key FROM shared_values WHERE expires < ? ORDER BY expires LIMIT ?)",
            limits.expired_before, most));
        done.more = tasks.size() == most || done.sightings >= most || done.shared_values == most ||
                    !last.empty();
        return done;
      });
  // A step that ended within a subreddit looks at the same ones again.
  if (forgotten && forgotten->sightings < most) subreddit_ = last;
  return forgotten;
}

Result<StoreSize> SqliteRetention::size() {
  return file_.read("measure", [](Connection& connection) -> Result<StoreSize> {
    const auto pragma = [&connection](const char* sql) {
      auto row = connection.query(sql);
      return row.next() ? row.number(0) : 0;
    };
    const auto page = pragma("PRAGMA page_size");
    return StoreSize{.bytes = page * pragma("PRAGMA page_count"),
                     .free_bytes = page * pragma("PRAGMA freelist_count")};
  });
}

}  // namespace umbel::store_sqlite
