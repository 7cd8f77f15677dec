#include "submissions.hpp"

namespace umbel::store_sqlite {
namespace {

#define UMBEL_SUBMISSION_COLUMNS                                                               \
  "fullname, subreddit, author, title, selftext, url, permalink, domain, score, num_comments," \
  " upvote_ratio, created, edited, is_self, over_18, stickied, locked, link_flair_text,"       \
  " thumbnail, source, simulated, fetched"

constexpr const char* kUpsert =
    "INSERT INTO submissions (" UMBEL_SUBMISSION_COLUMNS
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (fullname) DO UPDATE SET subreddit = excluded.subreddit, author = "
    "excluded.author,"
    " title = excluded.title, selftext = excluded.selftext, url = excluded.url,"
    " permalink = excluded.permalink, domain = excluded.domain, score = excluded.score,"
    " num_comments = excluded.num_comments, upvote_ratio = excluded.upvote_ratio,"
    " created = excluded.created, edited = excluded.edited, is_self = excluded.is_self,"
    " over_18 = excluded.over_18, stickied = excluded.stickied, locked = excluded.locked,"
    " link_flair_text = excluded.link_flair_text, thumbnail = excluded.thumbnail,"
    " source = excluded.source, simulated = excluded.simulated, fetched = excluded.fetched"
    " WHERE excluded.fetched >= submissions.fetched";

Submission submission(const Query& row) {
  Submission s;
  s.fullname = row.text(0);
  s.subreddit = row.text(1);
  s.author = row.text(2);
  s.title = row.text(3);
  s.selftext = row.text(4);
  s.url = row.text(5);
  s.permalink = row.text(6);
  s.domain = row.text(7);
  s.score = row.integer(8);
  s.num_comments = row.integer(9);
  s.upvote_ratio = row.real_or_null(10);
  s.created = row.time(11);
  s.edited = row.time_or_null(12);
  s.is_self = row.flag(13);
  s.over_18 = row.flag(14);
  s.stickied = row.flag(15);
  s.locked = row.flag(16);
  s.link_flair_text = row.text_or_null(17);
  s.thumbnail = row.text_or_null(18);
  s.source = row.text(19);
  s.simulated = row.flag(20);
  s.fetched = row.time(21);
  return s;
}

}  // namespace

Result<void> SqliteSubmissions::upsert(std::span<const Submission> submissions) {
  if (submissions.empty()) return {};
  return file_.write("store submissions", [&](Connection& connection) -> Result<void> {
    for (const auto& s : submissions) {
      connection.run(kUpsert, s.fullname, s.subreddit, s.author, s.title, s.selftext, s.url,
                     s.permalink, s.domain, s.score, s.num_comments, s.upvote_ratio, s.created,
                     s.edited, s.is_self, s.over_18, s.stickied, s.locked, s.link_flair_text,
                     s.thumbnail, s.source, s.simulated, s.fetched);
    }
    return {};
  });
}

Result<Submission> SqliteSubmissions::find(const std::string& fullname) {
  return file_.read("find a submission", [&](Connection& connection) -> Result<Submission> {
    auto row = connection.query(
        "SELECT " UMBEL_SUBMISSION_COLUMNS " FROM submissions WHERE fullname = ?", fullname);
    if (!row.next()) return not_found("no submission has the name " + fullname);
    return submission(row);
  });
}

Result<std::vector<Submission>> SqliteSubmissions::latest(std::size_t limit) {
  return file_.read(
      "read submissions", [&](Connection& connection) -> Result<std::vector<Submission>> {
        std::vector<Submission> newest;
        auto row = connection.query("SELECT " UMBEL_SUBMISSION_COLUMNS
                                    " FROM submissions ORDER BY fetched DESC, rowid DESC LIMIT ?",
                                    limit);
        while (row.next()) newest.push_back(submission(row));
        return newest;
      });
}

Result<std::uint64_t> SqliteSubmissions::count() {
  return file_.read("count submissions", [&](Connection& connection) -> Result<std::uint64_t> {
    auto row = connection.query("SELECT count(*) FROM submissions");
    return row.next() ? row.number(0) : 0;
  });
}

Result<std::vector<bool>> SqliteSubmissions::sighted(std::span<const std::string> fullnames) {
  return file_.read("look up sightings", [&](Connection& connection) -> Result<std::vector<bool>> {
    std::vector<bool> known;
    known.reserve(fullnames.size());
    for (const auto& fullname : fullnames) {
      known.push_back(
          connection.query("SELECT 1 FROM sightings WHERE fullname = ?", fullname).next());
    }
    return known;
  });
}

Result<std::optional<WallTime>> SqliteSubmissions::watermark(const std::string& subreddit) {
  return file_.read(
      "read a watermark", [&](Connection& connection) -> Result<std::optional<WallTime>> {
        auto row = connection.query("SELECT newest FROM watermarks WHERE subreddit = ?", subreddit);
        if (!row.next()) return std::optional<WallTime>{};
        return std::optional{row.time(0)};
      });
}

}  // namespace umbel::store_sqlite
