// How many tasks of one name may start: Celery's rates and its token bucket (celery/utils/time.py,
// kombu/utils/limits.py). Pure.
#pragma once

#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// `"10/s"`, `"10/m"`, `"10/h"`, `"10"` and `"0.5/s"` as tasks per second; empty: 0, which is no
// limit. What is wrong is said as Python would, as the repr of its exception.
struct Rate {
  double per_second = 0;
  std::string fault;         // empty: none
  bool value_error = false;  // the fault is a ValueError, which Celery words in its own way
};
[[nodiscard]] Rate parse_rate(std::string_view text);

// Holds one token. Like Celery's it does not look at the time while it is full, so that after a
// pause two tasks may start at once.
class TokenBucket {
 public:
  TokenBucket(double per_second, Steady::time_point now) : rate_{per_second}, looked_{now} {}

  [[nodiscard]] double rate() const { return rate_; }
  // Takes a token, if there is one.
  [[nodiscard]] bool take(Steady::time_point now);
  // Until there is one.
  [[nodiscard]] std::chrono::microseconds until_next(Steady::time_point now);

 private:
  double tokens(Steady::time_point now);

  double rate_;
  double tokens_ = 1;
  Steady::time_point looked_;
};

}  // namespace umbel
