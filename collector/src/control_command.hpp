// What somebody wants of a worker, checked, in the words of remote control and of Flower's answers.
// Pure.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::collector {

struct ControlCommand {
  std::string method;
  boost::json::object arguments{};
  bool replies = true;   // shutdown alone does not
  std::string done{};    // what Flower answers; empty: the worker's own words
  std::string failed{};  // what Flower says in front of the reason
  std::string detail{};  // for the audit log: `n=3`
};

// What was given under a name, as text; nothing: not given.
using Given = std::function<std::optional<std::string>(std::string_view)>;

// `shutdown`, `restart_pool`, `grow` and `shrink` (`n`), `autoscale` (`min`, `max`), `add_consumer`
// and `cancel_consumer` (`queue`), `rate_limit` (`task`, `ratelimit`), `time_limit` (`task`,
// `soft`, `hard`), `enable_events`, `disable_events`. `slots`: the size of the worker's pool; 0:
// not known. Invalid names the argument and what it may be. NotFound: no such action.
[[nodiscard]] Result<ControlCommand> control_command(std::string_view action,
                                                     const std::string& worker, const Given& given,
                                                     std::int64_t slots);

// A signal's name as Celery takes it (`SIGTERM`), from `TERM`, `SIGTERM` or `sigterm`.
[[nodiscard]] Result<std::string> signal_name(const std::string& text);

// What a worker answered to a command: its words, or Errc::Conflict with its reason.
[[nodiscard]] Result<std::string> answer_of(const boost::json::value& value);

}  // namespace umbel::collector
