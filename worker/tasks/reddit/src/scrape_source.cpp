#include "scrape_source.hpp"

#include <fmt/format.h>

#include <utility>

#include "umbel/base/ids.hpp"

namespace umbel::reddit {

ScrapeSource::ScrapeSource(const RedditOptions& options, SharedValues& shared)
    : options_{options},
      requester_{options, shared, "reddit.budget." + named_uuid("scrape|" + options.public_url),
                 clients_} {}

ApiResult<Answer> ScrapeSource::get(const std::string& target, const Asking& asking) {
  auto got = requester_.get({options_.public_url, target, ""}, asking);
  if (!got) return got.error();
  if (got->response.status != 200) {
    return failure_of_status(got->response, target.substr(0, target.find('?')),
                             asking.clock.wall());
  }
  return Answer{std::move(got->response.body), got->budget_left};
}

ApiResult<Answer> ScrapeSource::listing(const std::string& subreddit, const std::string& after,
                                        const Asking& asking) {
  return get(fmt::format("/r/{}/new.json?limit=100&raw_json=1{}{}", subreddit,
                         after.empty() ? "" : "&after=", after),
             asking);
}

ApiResult<Answer> ScrapeSource::submission(const Permalink& link, const Asking& asking) {
  const std::string where = link.subreddit.empty() ? "" : "/r/" + link.subreddit;
  return get(fmt::format("{}/comments/{}/.json?raw_json=1&limit=1&depth=1", where, link.id),
             asking);
}

}  // namespace umbel::reddit
