// Reddit submissions as fetched, and how far each subreddit has been listed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/store/outbox.hpp"

namespace umbel {

// Field names follow Reddit's API (a `t3` object); what may be absent or null there is optional
// here.
struct Submission {
  std::string fullname;  // `t3_…`, unique
  std::string subreddit;
  std::string author;  // `[deleted]` as Reddit says it
  std::string title;
  std::string selftext;  // empty for links
  std::string url;
  std::string permalink;  // path, beginning with /r/
  std::string domain;
  std::int64_t score = 0;
  std::int64_t num_comments = 0;
  std::optional<double> upvote_ratio;
  WallTime created{};
  std::optional<WallTime> edited;
  bool is_self = false, over_18 = false, stickied = false, locked = false;
  std::optional<std::string> link_flair_text;
  std::optional<std::string> thumbnail;  // a URL, or Reddit's words `self`, `default`, …
  std::string source;                    // `api` or `scrape`
  bool simulated = false;                // came from the simulator
  WallTime fetched{};

  friend bool operator==(const Submission&, const Submission&) = default;
};

// Thread-safe.
class SubmissionStore {
 public:
  virtual ~SubmissionStore() = default;

  // Inserts, or replaces what was stored under the same fullname unless that was fetched later.
  [[nodiscard]] virtual Result<void> upsert(std::span<const Submission> submissions) = 0;
  [[nodiscard]] virtual Result<Submission> find(const std::string& fullname) = 0;
  // Newest by fetch first.
  [[nodiscard]] virtual Result<std::vector<Submission>> latest(std::size_t limit) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> count() = 0;

  // Which of these were sighted before (accepted with an Acceptance); one answer for each, in
  // order.
  [[nodiscard]] virtual Result<std::vector<bool>> sighted(
      std::span<const std::string> fullnames) = 0;
  [[nodiscard]] virtual Result<std::optional<WallTime>> watermark(const std::string& subreddit) = 0;
};

}  // namespace umbel
