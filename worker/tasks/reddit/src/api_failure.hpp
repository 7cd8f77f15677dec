// Why a request to Reddit gave no answer, in the terms in which the tasks act on it and the metrics
// count it.
#pragma once

#include <array>
#include <boost/system/result.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::reddit {

enum class Reason { Timeout, Network, Http4xx, Http5xx, RateLimited, Parse, Store };
inline constexpr std::array kReasons{Reason::Timeout, Reason::Network,     Reason::Http4xx,
                                     Reason::Http5xx, Reason::RateLimited, Reason::Parse,
                                     Reason::Store};

[[nodiscard]] std::string_view to_text(Reason reason);  // the label: `timeout`, `http_4xx` …

struct ApiFailure {
  enum class Next {
    Retry,
    RetryAfter,
    GiveUp,
    Stopped
  };  // Stopped: the worker asked us to; nobody's failure
  Reason reason = Reason::Network;
  Next next = Next::Retry;
  std::string type;  // of the exception that a caller sees
  std::string what;
  std::chrono::seconds after{0};  // for RetryAfter
};

template <class T>
using ApiResult = boost::system::result<T, ApiFailure>;

[[noreturn]] inline void throw_exception_from_error(const ApiFailure& failure,
                                                    const boost::source_location&) {
  throw std::runtime_error{failure.what};  // reached only by value() on an error, that is, by a bug
}

// What a status other than 200 means. `retry_after` is the header of that name, `reset` is
// X-Ratelimit-Reset; either may be empty.
[[nodiscard]] ApiFailure failure_of_status(int status, const std::string& asked,
                                           const std::string& retry_after,
                                           const std::string& reset);
[[nodiscard]] ApiFailure failure_of_transport(const Error& error, const std::string& asked);

}  // namespace umbel::reddit
