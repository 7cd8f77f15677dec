// Submissions and comments as Reddit's API writes them: the same keys, the same JSON types.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "stream.hpp"
#include "umbel/base/clock.hpp"

namespace umbel::reddit_simulator {

// `{"kind": "t3", "data": …}` as it looks at `now`.
[[nodiscard]] boost::json::object submission_json(const Post& post, WallTime now);

[[nodiscard]] boost::json::object listing_json(boost::json::array children,
                                               const std::optional<std::string>& after);

// The answer of /comments/<id>: a Listing with the submission, a Listing with at most `limit` of
// its comments.
[[nodiscard]] boost::json::array comments_json(const Post& post, std::uint64_t seed, WallTime now,
                                               std::size_t limit);

// Without raw_json=1, Reddit writes &, < and > in every text as HTML entities.
void escape_texts(boost::json::value& value);

// {"message": …, "error": status}
[[nodiscard]] std::string refusal_json(int status, std::string_view message);

}  // namespace umbel::reddit_simulator
