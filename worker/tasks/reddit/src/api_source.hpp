// Reddit's OAuth API as a source of answers: requests with token and User-Agent, failures in our
// terms.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "api_failure.hpp"
#include "client_pool.hpp"
#include "token_cache.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/tasks_reddit/reddit_tasks.hpp"

namespace umbel::reddit {

// What Reddit says about our budget with each answer. Here a shared budget would begin: today only
// a 429 is acted upon.
struct RateBudget {
  std::optional<double> used, remaining, reset_seconds;
};

struct ApiAnswer {
  std::string body;
  RateBudget rate;
};

// Thread-safe.
class ApiSource {
 public:
  // References outlive the source.
  ApiSource(const RedditOptions& options, SharedValues& shared);

  // GET api_url + `target` (path and query). An expired or revoked token is renewed once.
  [[nodiscard]] ApiResult<ApiAnswer> get(const std::string& target, const Clock& clock,
                                         const std::stop_token& stop);

 private:
  [[nodiscard]] Result<http::ClientResponse> send(const std::string& target,
                                                  const std::string& token,
                                                  const std::stop_token& stop);

  const RedditOptions& options_;
  std::string user_agent_;
  ClientPool clients_;
  TokenCache tokens_;
};

}  // namespace umbel::reddit
