// GET /api/submissions: what was fetched lately, by subreddit, and how it is spread. Pure.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <vector>

#include "fetches.hpp"
#include "names.hpp"
#include "umbel/store/submissions.hpp"

namespace umbel::collector {

inline constexpr std::size_t kLookedAtSubmissions = 2'000, kShownSubmissions = 100;

// `latest`: by fetch, newest first, kLookedAtSubmissions at most; if there were more in the window,
// the answer is of these and says `cut`. `window`: of kFetchTask over the same minutes.
[[nodiscard]] boost::json::object submissions_answer(const std::vector<Submission>& latest,
                                                     const NameWindow& window,
                                                     const Fetches& fetches, std::int64_t minutes,
                                                     WallTime now);

}  // namespace umbel::collector
