// Why a request to Reddit gave no answer, in the terms in which the tasks act on it and the metrics
// count it.
#pragma once

#include <array>
#include <boost/system/result.hpp>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/http/client.hpp"

namespace umbel::reddit {

enum class Reason {
  Timeout,
  Network,
  Http4xx,
  Http5xx,
  RateLimited,
  Parse,
  Store,
  Redirect,  // to where we do not follow, or too often
  // What Reddit refuses for good.
  Forbidden,
  NotFound,  // deleted, or never there
  Private,
  Banned,
  Quarantined,
};
inline constexpr std::array kReasons{
    Reason::Timeout, Reason::Network, Reason::Http4xx,    Reason::Http5xx,   Reason::RateLimited,
    Reason::Parse,   Reason::Store,   Reason::Redirect,   Reason::Forbidden, Reason::NotFound,
    Reason::Private, Reason::Banned,  Reason::Quarantined};

[[nodiscard]] std::string_view to_text(Reason reason);  // the label: `timeout`, `http_4xx` …

struct ApiFailure {
  enum class Next {
    Retry,
    Later,  // after `after`, and it is no attempt: nobody failed
    GiveUp,
    Stopped,  // the worker asked us to; nobody's failure
  };
  Reason reason = Reason::Network;
  Next next = Next::Retry;
  std::string type;  // of the exception that a caller sees
  std::string what;
  std::chrono::milliseconds after{0};  // for Later
};

template <class T>
using ApiResult = boost::system::result<T, ApiFailure>;

[[noreturn]] inline void throw_exception_from_error(const ApiFailure& failure,
                                                    const boost::source_location&) {
  throw std::runtime_error{failure.what};  // reached only by value() on an error, that is, by a bug
}

// Empty: not sent.
[[nodiscard]] std::string header_of(const http::ClientResponse& answer, const char* name);

// What a 429 asks us to wait: Retry-After in seconds or as a date (measured from the answer's own
// Date, if it has one), else X-Ratelimit-Reset, else a minute; from 1 s to 15 min.
[[nodiscard]] std::chrono::seconds wait_asked_for(const http::ClientResponse& answer, WallTime now);

// What an answer with a status other than 200 means. Its body may say why: {"reason": "private"}.
[[nodiscard]] ApiFailure failure_of_status(const http::ClientResponse& answer,
                                           const std::string& asked, WallTime now);
[[nodiscard]] ApiFailure failure_of_transport(const Error& error, const std::string& asked);
[[nodiscard]] ApiFailure failure_of_parsing(const Error& error, const std::string& asked);
[[nodiscard]] ApiFailure failure_of_store(const Error& error, const char* call);
// No request may be made before `until`.
[[nodiscard]] ApiFailure out_of_budget(const std::string& asked, std::chrono::milliseconds wait);

}  // namespace umbel::reddit
