// The argument of reddit.fetch_submission: where people copy a submission's address from, there are
// many forms of it.
#pragma once

#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::reddit {

// The id in `https://www.reddit.com/r/cpp/comments/<id>/some_title/`, in the same on any host of
// reddit.com or on the host of `api_url`, or in the path alone, with or without /r/<subreddit> or
// /user/<name>. Anything else: Invalid, naming what is allowed. The address is never fetched: only
// its id is used.
[[nodiscard]] Result<std::string> submission_id(std::string_view url, std::string_view api_url);

}  // namespace umbel::reddit
