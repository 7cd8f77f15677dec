#include "api_source.hpp"

#include <fmt/format.h>

#include <utility>

#include "umbel/base/ids.hpp"

namespace umbel::reddit {

ApiSource::ApiSource(const RedditOptions& options, SharedValues& shared)
    : options_{options},
      requester_{options, shared,
                 "reddit.budget." + named_uuid("api|" + options.api_url + "|" + options.client_id),
                 clients_},
      tokens_{options, user_agent_of(options), shared, clients_} {}

ApiResult<std::string> ApiSource::token(const Asking& asking, const std::string& rejected) {
  const auto began = asking.clock.steady();
  auto token = tokens_.token(asking.clock, asking.stop, rejected);
  asking.phases.add(Phase::Token,
                    std::chrono::duration<double>(asking.clock.steady() - began).count());
  return token;
}

ApiResult<Answer> ApiSource::get(const std::string& target, const Asking& asking) {
  const std::string asked = target.substr(0, target.find('?'));
  auto bearer = token(asking, "");
  if (!bearer) return bearer.error();
  auto got = requester_.get({options_.api_url, target, *bearer}, asking);
  if (got && got->response.status == 401) {
    bearer = token(asking, *bearer);
    if (!bearer) return bearer.error();
    got = requester_.get({options_.api_url, target, *bearer}, asking);
  }
  if (!got) return got.error();
  if (got->response.status != 200) {
    return failure_of_status(got->response, asked, asking.clock.wall());
  }
  return Answer{std::move(got->response.body), got->budget_left};
}

ApiResult<Answer> ApiSource::listing(const std::string& subreddit, const std::string& after,
                                     const Asking& asking) {
  return get(fmt::format("/r/{}/new?limit=100&raw_json=1{}{}", subreddit,
                         after.empty() ? "" : "&after=", after),
             asking);
}

ApiResult<Answer> ApiSource::submission(const Permalink& link, const Asking& asking) {
  // limit and depth: one comment comes along at most, as none is stored.
  return get(fmt::format("/comments/{}/?raw_json=1&limit=1&depth=1", link.id), asking);
}

}  // namespace umbel::reddit
