// Listings as Reddit would send them, of submissions that a test makes up.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"

namespace umbel::reddit {

inline boost::json::object submission_data(const std::string& id, double created_utc) {
  return {{"name", "t3_" + id},
          {"id", id},
          {"subreddit", "Cpp"},
          {"author", "someone"},
          {"title", "Title of " + id},
          {"selftext", ""},
          {"url", "https://www.reddit.com/r/Cpp/comments/" + id + "/title/"},
          {"permalink", "/r/Cpp/comments/" + id + "/title/"},
          {"domain", "self.Cpp"},
          {"score", 3},
          {"num_comments", 1},
          {"created_utc", created_utc},
          {"edited", false},
          {"is_self", true},
          {"over_18", false},
          {"stickied", false},
          {"locked", false},
          {"link_flair_text", nullptr},
          {"thumbnail", "self"}};
}

inline boost::json::object listing_of(const std::vector<boost::json::object>& submissions,
                                      const std::optional<std::string>& after = std::nullopt) {
  boost::json::array children;
  for (const auto& data : submissions) children.push_back({{"kind", "t3"}, {"data", data}});
  return {{"kind", "Listing"},
          {"data", boost::json::object{
                       {"children", children},
                       {"after", after ? boost::json::value(*after) : boost::json::value(nullptr)},
                       {"before", nullptr}}}};
}

inline std::string listing_text(const std::vector<boost::json::object>& submissions,
                                const std::optional<std::string>& after = std::nullopt) {
  return boost::json::serialize(listing_of(submissions, after));
}

inline std::string comments_text(const std::vector<boost::json::object>& submissions) {
  return boost::json::serialize(boost::json::array{listing_of(submissions), listing_of({})});
}

}  // namespace umbel::reddit
