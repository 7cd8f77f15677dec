// The argument of reddit.fetch_submission: where people copy a submission's address from, there are
// many forms of it.
#pragma once

#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::reddit {

struct Permalink {
  std::string id;
  std::string subreddit;  // as written; empty: not given, or a user's own page
};

// What `https://www.reddit.com/r/cpp/comments/<id>/some_title/` names, in the same on any host of
// reddit.com or on the host of `base_url`, or in the path alone, with or without /r/<subreddit> or
// /user/<name>. Anything else: Invalid, naming what is allowed. The address is never fetched: only
// what it names is used.
[[nodiscard]] Result<Permalink> permalink_of(std::string_view url, std::string_view base_url);

// Its id alone.
[[nodiscard]] Result<std::string> submission_id(std::string_view url, std::string_view base_url);

// 2 to 21 letters, digits and `_`.
[[nodiscard]] bool is_subreddit(std::string_view name);

}  // namespace umbel::reddit
