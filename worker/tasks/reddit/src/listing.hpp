// Reddit's answers, read: pure functions from bytes to submissions, strict about what we store and
// blind to the rest.
//
// Entities (`&amp;`) stay as they are: with raw_json=1 there are none but those that people typed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/result.hpp"
#include "umbel/store/submissions.hpp"

namespace umbel::reddit {

struct ListingPage {
  std::vector<Submission> children;  // as listed; source, simulated and fetched are not set
  std::optional<std::string> after;  // the anchor of the next page; nothing: this was the last
};

// A Listing of submissions. Invalid names the field, as `data.children[3].data.score: expected a
// number, got a string`. Null or `""` as an author is `[deleted]`. Flags and `upvote_ratio` may be
// absent; whatever else we store may not.
[[nodiscard]] Result<ListingPage> parse_listing(std::string_view text);

// What /comments/<id> answers: two Listings, of which the first has the submission. NotFound: its
// Listing is empty.
[[nodiscard]] Result<Submission> parse_comments(std::string_view text);

// `t3_` and an id of 1 to 13 characters in base 36.
[[nodiscard]] bool is_fullname(std::string_view text);
[[nodiscard]] bool is_id(std::string_view text);

}  // namespace umbel::reddit
