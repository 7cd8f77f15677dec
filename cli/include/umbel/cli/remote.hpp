// `umbel inspect`, `umbel control` and `umbel status`: asks workers by remote control and shows
// what they answer, as the `celery` commands of these names do. Umbel's workers and Celery's alike.
#pragma once

#include <chrono>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "umbel/base/result.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/celery/control.hpp"

namespace umbel {

struct RemoteOptions {
  std::vector<std::string> destination;  // node names; empty: every node
  std::chrono::milliseconds timeout{1000};
  bool json = false;  // one JSON document instead of words
};

struct RemoteCall {
  celery::ControlRequest request;
  bool answered = true;  // false: nobody answers that (shutdown)
  bool brief = false;    // only who is there (status)
};

// What `umbel WORDS…` asks: `{"control", "rate_limit", "tasks.add", "10/m"}`. Errc::Invalid says
// what is allowed.
[[nodiscard]] Result<RemoteCall> remote_call(const std::vector<std::string>& words);

// Replies by node: until the timeout, or until every destination has answered.
[[nodiscard]] Result<std::map<std::string, boost::json::value>> ask_workers(
    Broker& broker, const RemoteCall& call, const RemoteOptions& options);

// As lines for people, or as JSON.
[[nodiscard]] std::string shown_replies(const std::map<std::string, boost::json::value>& replies,
                                        bool brief, bool json);

inline constexpr int kNobodyAnswered = 69;  // exit status, as Celery's (EX_UNAVAILABLE)

// The whole command; answers the exit status.
[[nodiscard]] int run_remote(Broker& broker, const RemoteCall& call, const RemoteOptions& options,
                             std::ostream& out, std::ostream& err);

}  // namespace umbel
