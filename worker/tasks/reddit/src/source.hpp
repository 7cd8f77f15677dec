// Where answers about submissions come from: Reddit's API, or its public pages. Both answer the
// same documents, so what is stored does not depend on which it was.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "api_failure.hpp"
#include "permalink.hpp"
#include "phases.hpp"
#include "umbel/base/clock.hpp"

namespace umbel::reddit {

// On whose behalf something is asked.
struct Asking {
  const Clock& clock;
  std::stop_token stop;
  Phases& phases;  // what the asking took is added here, also when it fails
};

struct Answer {
  std::string body;
  std::optional<std::int64_t> budget_left;  // requests in this window, if that is known
};

// Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  // `api` or `scrape`, as stored
  // The newest 100 submissions after `after`; empty: the newest of all.
  [[nodiscard]] virtual ApiResult<Answer> listing(const std::string& subreddit,
                                                  const std::string& after,
                                                  const Asking& asking) = 0;
  [[nodiscard]] virtual ApiResult<Answer> submission(const Permalink& link,
                                                     const Asking& asking) = 0;
};

}  // namespace umbel::reddit
