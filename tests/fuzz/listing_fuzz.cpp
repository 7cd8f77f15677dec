// Reddit's answers: a listing, or the page of one submission. Rows are fit to be stored, or a named
// error comes instead; what was read means the same when it is written as Reddit would.
#include <boost/json.hpp>
#include <cmath>

#include "fuzz_one.hpp"
#include "listing.hpp"

namespace umbel::fuzz {
namespace {

namespace json = boost::json;

json::value text_or_null(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value(nullptr);
}

json::value as_reddit(const Submission& row) {
  json::object data{{"name", row.fullname},
                    {"subreddit", row.subreddit},
                    {"author", row.author},
                    {"title", row.title},
                    {"selftext", row.selftext},
                    {"url", row.url},
                    {"permalink", row.permalink},
                    {"domain", row.domain},
                    {"score", row.score},
                    {"num_comments", row.num_comments},
                    {"created_utc", to_unix_seconds(row.created)},
                    {"is_self", row.is_self},
                    {"over_18", row.over_18},
                    {"stickied", row.stickied},
                    {"locked", row.locked},
                    {"link_flair_text", text_or_null(row.link_flair_text)},
                    {"thumbnail", text_or_null(row.thumbnail)}};
  data["edited"] = row.edited ? json::value(to_unix_seconds(*row.edited)) : json::value(false);
  data["upvote_ratio"] = row.upvote_ratio ? json::value(*row.upvote_ratio) : json::value(nullptr);
  return json::object{{"kind", "t3"}, {"data", std::move(data)}};
}

std::string as_reddit(const reddit::ListingPage& page) {
  json::array children;
  for (const Submission& row : page.children) children.push_back(as_reddit(row));
  return json::serialize(json::object{
      {"kind", "Listing"},
      {"data", json::object{{"after", text_or_null(page.after)}, {"children", children}}}});
}

void check_row(const Submission& row) {
  require(reddit::is_fullname(row.fullname), "a row has a fullname", row.fullname);
  require(!row.author.empty(), "a row has an author");
  require(row.permalink.starts_with('/'), "a permalink is a path", row.permalink);
  require(row.created >= WallTime{}, "nothing is older than 1970");
  require(!row.upvote_ratio || std::isfinite(*row.upvote_ratio), "a ratio is a number");
}

template <class T>
void check_refusal(const Result<T>& refused) {
  require(!refused.error().what.empty(), "a refusal says why");
  require(refused.error().what.size() < 1000, "a refusal is short", refused.error().what);
}

// Doubles are written exactly enough but read a little off: a microsecond, a last digit.
bool alike(const Submission& a, const Submission& b) {
  Submission c = b;
  if (std::abs(to_micros(a.created) - to_micros(b.created)) > 1) return false;
  c.created = a.created;
  if (a.edited && b.edited && std::abs(to_micros(*a.edited) - to_micros(*b.edited)) <= 1) {
    c.edited = a.edited;
  }
  if (a.upvote_ratio && b.upvote_ratio &&
      std::abs(*a.upvote_ratio - *b.upvote_ratio) <= 1e-9 * std::abs(*a.upvote_ratio)) {
    c.upvote_ratio = a.upvote_ratio;
  }
  return a == c;
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  const auto page = reddit::parse_listing(text);
  if (!page) check_refusal(page);
  const auto one = reddit::parse_comments(text);
  if (!one) check_refusal(one);
  require(!page || !one, "an answer is a listing or the page of a submission");
  if (one) check_row(*one);
  if (!page) return;
  require(!page->after || !page->after->empty(), "an anchor is not empty");
  for (const Submission& row : page->children) check_row(row);
  const std::string written = as_reddit(*page);
  const auto again = reddit::parse_listing(written);
  require(again.has_value(), "what was written can be read", written);
  require(again->after == page->after && again->children.size() == page->children.size(),
          "what was written reads as it was", written);
  for (std::size_t i = 0; i < page->children.size(); ++i) {
    require(alike(page->children[i], again->children[i]), "what was written reads as it was",
            written);
  }
  if (page->children.empty()) return;
  const auto first = reddit::parse_comments("[" + written + ", {}]");
  require(first && alike(*first, page->children.front()),
          "the page of a submission reads as its listing", written);
}

}  // namespace umbel::fuzz
