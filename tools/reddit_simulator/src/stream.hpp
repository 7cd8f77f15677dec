// The endless stream of submissions, as a pure function of seed, epoch and rate: nothing is stored,
// any submission can be asked for by its number at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/clock.hpp"

namespace umbel::reddit_simulator {

enum class PostKind { Self, Link, Image, Video };

// What of a submission does not depend on when one looks, and when the rest happens to it.
struct Post {
  std::uint64_t number = 0;
  std::string id, fullname;  // base 36, rising; `t3_` + id
  std::string subreddit;
  WallTime created{};
  PostKind kind = PostKind::Self;
  std::string author, title, selftext, permalink, domain, url;
  std::optional<std::string> flair, author_flair;
  bool over_18 = false, spoiler = false, locked = false;
  double upvote_ratio = 1.0;
  std::int64_t final_score = 1, final_comments = 0;
  double growth_seconds = 600;  // after this long, 63 % of score and comments are there
  std::optional<WallTime> edited, deleted;

  [[nodiscard]] std::int64_t score_at(WallTime now) const;
  [[nodiscard]] std::int64_t comments_at(WallTime now) const;
};

struct StreamOptions {
  std::uint64_t seed = 1;
  double rate = 0.7;
  WallTime epoch{};
  std::vector<std::string> subreddits;  // not empty; busiest first
};

// Immutable, hence thread-safe.
class Stream {
 public:
  explicit Stream(StreamOptions options);

  // How many submissions were created up to and including `now`: numbers 0 … count - 1 exist.
  [[nodiscard]] std::uint64_t count_at(WallTime now) const;
  [[nodiscard]] WallTime created(std::uint64_t number) const;
  [[nodiscard]] std::size_t subreddit_index(std::uint64_t number) const;
  [[nodiscard]] std::optional<WallTime> deleted(
      std::uint64_t number) const;  // when its author takes it away, if ever
  [[nodiscard]] Post post(std::uint64_t number) const;

  [[nodiscard]] const std::vector<std::string>& subreddits() const { return options_.subreddits; }
  [[nodiscard]] std::uint64_t seed() const { return options_.seed; }

 private:
  StreamOptions options_;
  std::vector<double> shares_;  // cumulative
};

[[nodiscard]] std::string to_base36(std::uint64_t value);
[[nodiscard]] std::string id_of(std::uint64_t number);
// The number behind an id, or nothing if it is no id of this stream.
[[nodiscard]] std::optional<std::uint64_t> number_of(std::string_view id);

}  // namespace umbel::reddit_simulator
