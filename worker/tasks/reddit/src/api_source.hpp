// Reddit's OAuth API as a source of answers: https://oauth.reddit.com, with a token.
#pragma once

#include <string>

#include "client_pool.hpp"
#include "requester.hpp"
#include "source.hpp"
#include "token_cache.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/tasks_reddit/reddit_tasks.hpp"

namespace umbel::reddit {

class ApiSource final : public Source {
 public:
  // References outlive the source.
  ApiSource(const RedditOptions& options, SharedValues& shared);

  [[nodiscard]] std::string_view name() const override { return "api"; }
  [[nodiscard]] ApiResult<Answer> listing(const std::string& subreddit, const std::string& after,
                                          const Asking& asking) override;
  [[nodiscard]] ApiResult<Answer> submission(const Permalink& link, const Asking& asking) override;

  // GET api_url + `target` (path and query). An expired or revoked token is renewed once.
  [[nodiscard]] ApiResult<Answer> get(const std::string& target, const Asking& asking);

 private:
  [[nodiscard]] ApiResult<std::string> token(const Asking& asking, const std::string& rejected);

  const RedditOptions& options_;
  ClientPool clients_;
  Requester requester_;
  TokenCache tokens_;
};

}  // namespace umbel::reddit
