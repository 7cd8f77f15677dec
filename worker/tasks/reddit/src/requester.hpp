// One request to Reddit, done as it must be: within the shared rate budget, with our name, bounded
// in time and size, following redirects only where Reddit itself is.
#pragma once

#include <string>

#include "client_pool.hpp"
#include "origin.hpp"
#include "shared_budget.hpp"
#include "source.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/tasks_reddit/reddit_tasks.hpp"

namespace umbel::reddit {

// As configured, or one that says who we are.
[[nodiscard]] std::string user_agent_of(const RedditOptions& options);

// Thread-safe.
class Requester {
 public:
  static constexpr int kMostRedirects = 5;

  // `budget_key`: of the shared rate budget. References outlive it.
  Requester(const RedditOptions& options, SharedValues& shared, std::string budget_key,
            ClientPool& clients);

  struct Ask {
    std::string base;    // `https://oauth.reddit.com`
    std::string target;  // path and query
    std::string bearer;  // sent to base's origin alone; empty: none
  };
  struct Got {
    http::ClientResponse response;
    std::optional<std::int64_t> budget_left;
  };
  // An answer of any status but a redirect's. Failures: transport, budget (Later, with the wait),
  // redirects that are not followed, the store.
  [[nodiscard]] ApiResult<Got> get(const Ask& ask, const Asking& asking);

 private:
  [[nodiscard]] ApiResult<RateGrant> admitted(const std::string& asked, const Asking& asking);
  [[nodiscard]] ApiResult<Got> send(const Address& to, const std::string& bearer,
                                    const std::string& asked, const Asking& asking);

  const RedditOptions& options_;
  std::string user_agent_;
  SharedBudget budget_;
  ClientPool& clients_;
};

// Sleeps, unless `stop` is requested: then false, at once.
[[nodiscard]] bool pause(const std::stop_token& stop, std::chrono::milliseconds duration);

}  // namespace umbel::reddit
