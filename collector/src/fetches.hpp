// What the tasks that list and fetch submissions tell themselves, as far as the live state holds
// their texts: where the time of a fetch went, and of which subreddit something failed. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "live_state.hpp"

namespace umbel::collector {

inline constexpr const char* kFetchTask = "reddit.fetch_submission";
inline constexpr const char* kDiscoverTask = "reddit.discover";

[[nodiscard]] std::string lower_case(std::string_view text);  // ASCII

struct EndedFetches {
  std::vector<Task> tasks;  // of the two names above, newest first
  bool whole = true;        // all that this program saw end since then
};

// Those that ended from `from` on. Looks at the tasks changed last, as many as have their texts.
[[nodiscard]] EndedFetches ended_fetches(const LiveState& state, WallTime from);

struct Fetches {
  std::map<std::string, std::uint64_t> failed;  // tasks, by subreddit in lower case
  bool whole = true;
  // Seconds of each phase, in the order in which the tasks name them.
  std::vector<std::pair<std::string, std::vector<double>>> phases;
};

[[nodiscard]] Fetches fetches_of(const EndedFetches& ended);

}  // namespace umbel::collector
