// How a run ended, and what follows from it: pure decisions between what a task threw or returned
// and what is stored and told.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "umbel/model/retry_policy.hpp"
#include "umbel/model/task.hpp"

namespace umbel {

// Something thrown, in words.
struct Raised {
  enum class Kind {
    Ordinary,  // retried if the policy has retries left
    Final,     // never retried
    Retry,     // asked for another try
    Later,     // asked to be put off, which is no attempt
  };
  Kind kind = Kind::Ordinary;
  std::string type = "RuntimeError";
  std::string message;
  std::string module = "builtins";
  std::optional<std::chrono::milliseconds> delay;  // asked for, with Retry and Later
};

[[nodiscard]] Raised raised_by(const std::exception_ptr& thrown);

struct Ending {
  TaskState state = TaskState::Success;  // Success, Failure, Retry or Revoked
  std::string result = "null";           // JSON text for the store
  // With Success: what was returned. Nothing: `result` is the text of it.
  std::optional<boost::json::value> value;
  // The same for Python callers, who know NaN and the infinities. Nothing: it is `result`.
  std::optional<std::string> python;
  std::string traceback;  // empty: none
  std::string shown;      // repr of the value or exception, for events and logs
  std::string message;    // `Type: message`; empty for Success
  std::optional<std::chrono::milliseconds> retry_in;  // with Retry
  bool postponed = false;                             // with Retry: it counts as no attempt
  bool expired = false;                               // with Revoked
  std::optional<int> signal;  // with Revoked: it was running, and was terminated with this one
};

// A value that could not be read again (nested deeper than celery::kMaxDepth, larger than
// celery::kMaxBody) makes it a failure that says so.
[[nodiscard]] Ending succeeded(boost::json::value value, bool ignore_result);
[[nodiscard]] Ending failed(const Raised& raised);
[[nodiscard]] Ending hard_limit_passed(double seconds);
[[nodiscard]] Ending revoked_as_expired();
[[nodiscard]] Ending revoked_as_terminated(int signal);
[[nodiscard]] Ending revoked_by_request();

// What is known of the attempt that just ended.
struct Attempt {
  std::int64_t retries = 0;    // its number
  std::int64_t postponed = 0;  // how often the task was put off
  std::string called;          // `name[id]`, for the message
};

// `random` uniform in [0, 1).
[[nodiscard]] Ending after(const Raised& raised, const RetryPolicy& policy, const Attempt& attempt,
                           double random);

[[nodiscard]] Raised not_registered(const std::string& name);
[[nodiscard]] Raised undecodable(const std::string& reason);
[[nodiscard]] Raised worker_lost(std::int64_t times);
[[nodiscard]] Raised soft_limit_passed(double seconds);
[[nodiscard]] Raised never_returned(double seconds, double grace);
// `how`: `signal 11 (SIGSEGV)`; `job`: its number in this worker, as Celery tells it.
[[nodiscard]] Raised process_lost(const std::string& how, std::uint64_t job);
[[nodiscard]] Raised cannot_be_followed(const std::string& reason);
[[nodiscard]] Raised too_large_to_try_again(std::size_t bytes);

}  // namespace umbel
