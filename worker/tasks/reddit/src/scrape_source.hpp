// Reddit's public pages as a source of answers: https://www.reddit.com/….json, without a token.
#pragma once

#include <string>

#include "client_pool.hpp"
#include "requester.hpp"
#include "source.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/tasks_reddit/reddit_tasks.hpp"

namespace umbel::reddit {

class ScrapeSource final : public Source {
 public:
  // References outlive the source.
  ScrapeSource(const RedditOptions& options, SharedValues& shared);

  [[nodiscard]] std::string_view name() const override { return "scrape"; }
  [[nodiscard]] ApiResult<Answer> listing(const std::string& subreddit, const std::string& after,
                                          const Asking& asking) override;
  [[nodiscard]] ApiResult<Answer> submission(const Permalink& link, const Asking& asking) override;

 private:
  [[nodiscard]] ApiResult<Answer> get(const std::string& target, const Asking& asking);

  const RedditOptions& options_;
  ClientPool clients_;
  Requester requester_;
};

}  // namespace umbel::reddit
