// The bearer token: asked for once, kept in memory, and shared with the other workers through the
// store, sealed.
#pragma once

#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "api_failure.hpp"
#include "client_pool.hpp"
#include "sealed.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/tasks_reddit/reddit_tasks.hpp"

namespace umbel::reddit {

struct Token {
  std::string text;
  WallTime
      ends{};  // not used from here on; a minute, or a tenth of its life, before Reddit ends it
};

// Reads the token endpoint's answer. Invalid names the field.
[[nodiscard]] Result<Token> parse_token(std::string_view text, WallTime now);

// Thread-safe. One thread of all workers asks at a time: within a process a lock sees to that, and
// between processes a claim in the store, which ends by itself. The others wait for what it gets,
// some seconds at most, and then ask for themselves. A store that cannot be reached costs requests
// for tokens, nothing else.
class TokenCache {
 public:
  // References outlive the cache.
  TokenCache(const RedditOptions& options, std::string user_agent, SharedValues& shared,
             ClientPool& clients);

  // `rejected`: a token that Reddit has just refused, which is not answered again.
  [[nodiscard]] ApiResult<std::string> token(const Clock& clock, const std::stop_token& stop,
                                             const std::string& rejected = {});

 private:
  [[nodiscard]] bool usable(const std::optional<Token>& token, WallTime now,
                            const std::string& rejected) const;
  [[nodiscard]] const Sealer& sealer();
  [[nodiscard]] std::optional<Token> shared_token(WallTime now);
  void share(const Token& token);
  // True: it is for us to ask. False: another worker's token is in token_.
  [[nodiscard]] bool claim(const Clock& clock, const std::stop_token& stop,
                           const std::string& rejected);
  void release(const Clock& clock);
  [[nodiscard]] ApiResult<Token> request(const Clock& clock, const std::stop_token& stop);

  const RedditOptions& options_;
  std::string user_agent_;
  SharedValues& shared_;
  ClientPool& clients_;
  std::string key_;  // of the shared value; different for each client and endpoint
  std::mutex mutex_;
  std::optional<Sealer> sealer_;
  std::optional<Token> token_;
};

}  // namespace umbel::reddit
