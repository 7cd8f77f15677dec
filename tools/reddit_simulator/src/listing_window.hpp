// Which submissions a listing shows: Reddit's rules for `limit`, `after` and `before`, free of
// HTTP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stream.hpp"
#include "umbel/base/clock.hpp"

namespace umbel::reddit_simulator {

inline constexpr std::size_t kMostListed = 1000;

struct ListingQuery {
  std::optional<std::size_t> subreddit;  // index in the stream; nothing: all of them
  std::size_t limit = 25;                // 1 … 100
  std::string after, before;             // fullnames; empty: none. Both: `after` counts
};

struct ListingWindow {
  std::vector<std::uint64_t> numbers;  // newest first
  std::optional<std::string> after;    // the anchor for the next page; nothing: there is none
};

// What exists at `now`, was created at or after `floor`, and is not deleted; at most the newest
// kMostListed of it. An anchor that is not among it (unknown, deleted, too old) makes the answer
// empty. With `before`, the `limit` submissions next to the anchor are answered, and no `after`.
[[nodiscard]] ListingWindow list(const Stream& stream, const ListingQuery& query, WallTime floor,
                                 WallTime now);

}  // namespace umbel::reddit_simulator
