#include "listing_window.hpp"

#include <algorithm>
#include <iterator>

namespace umbel::reddit_simulator {
namespace {

std::vector<std::uint64_t> everything(const Stream& stream, const ListingQuery& query,
                                      WallTime floor, WallTime now) {
  std::vector<std::uint64_t> found;
  for (std::uint64_t number = stream.count_at(now); number-- > 0 && found.size() < kMostListed;) {
    if (stream.created(number) < floor) break;
    if (query.subreddit && stream.subreddit_index(number) != *query.subreddit) continue;
    if (const auto deleted = stream.deleted(number); deleted && *deleted <= now) continue;
    found.push_back(number);
  }
  return found;
}

// Where `fullname` stands in `found`, or its end.
auto place_of(const std::vector<std::uint64_t>& found, const std::string& fullname) {
  const auto number =
      fullname.starts_with("t3_") ? number_of(std::string_view{fullname}.substr(3)) : std::nullopt;
  if (!number) return found.end();
  return std::find(found.begin(), found.end(), *number);
}

}  // namespace

ListingWindow list(const Stream& stream, const ListingQuery& query, WallTime floor, WallTime now) {
  const auto found = everything(stream, query, floor, now);
  const auto limit = static_cast<std::ptrdiff_t>(query.limit);
  auto first = found.begin();
  auto last = found.end();
  ListingWindow window;
  if (!query.after.empty()) {
    const auto anchor = place_of(found, query.after);
    if (anchor == found.end()) return window;
    first = std::next(anchor);
  } else if (!query.before.empty()) {
    const auto anchor = place_of(found, query.before);
    if (anchor == found.end()) return window;
    first = anchor - std::min(limit, std::distance(found.begin(), anchor));
    window.numbers.assign(first, anchor);
    return window;
  }
  last = first + std::min(limit, std::distance(first, found.end()));
  window.numbers.assign(first, last);
  if (last != found.end()) window.after = "t3_" + id_of(window.numbers.back());
  return window;
}

}  // namespace umbel::reddit_simulator
