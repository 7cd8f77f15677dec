#include "api_failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace umbel::reddit {
namespace {

constexpr long long kDefaultWait = 60, kLongestWait = 900;  // seconds

std::optional<long long> seconds_in(const std::string& text) {
  long long value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{} || value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::string_view to_text(Reason reason) {
  switch (reason) {
    case Reason::Timeout:
      return "timeout";
    case Reason::Network:
      return "network";
    case Reason::Http4xx:
      return "http_4xx";
    case Reason::Http5xx:
      return "http_5xx";
    case Reason::RateLimited:
      return "rate_limited";
    case Reason::Parse:
      return "parse";
    case Reason::Store:
      break;
  }
  return "store";
}

ApiFailure failure_of_status(int status, const std::string& asked, const std::string& retry_after,
                             const std::string& reset) {
  using Next = ApiFailure::Next;
  if (status == 429) {
    const auto header = seconds_in(retry_after);
    const long long wait = header ? *header : seconds_in(reset).value_or(kDefaultWait);
    return {Reason::RateLimited, Next::RetryAfter, "ConnectionError",
            fmt::format("Reddit limits our rate (429) on {}", asked),
            std::chrono::seconds{std::clamp(wait, 1LL, kLongestWait)}};
  }
  if (status >= 500) {
    return {Reason::Http5xx,
            Next::Retry,
            "ConnectionError",
            fmt::format("Reddit answered {} on {}", status, asked),
            {}};
  }
  switch (status) {
    case 401:
      return {Reason::Http4xx,
              Next::Retry,
              "PermissionError",
              fmt::format("Reddit refuses our credentials (401) on {}", asked),
              {}};
    case 403:
      return {Reason::Http4xx,
              Next::GiveUp,
              "PermissionError",
              fmt::format("Reddit forbids {} (403): private, quarantined or banned", asked),
              {}};
    case 404:
      return {Reason::Http4xx,
              Next::GiveUp,
              "LookupError",
              fmt::format("Reddit does not know {} (404): deleted, banned or never there", asked),
              {}};
    case 408:
      return {Reason::Timeout,
              Next::Retry,
              "TimeoutError",
              fmt::format("Reddit answered 408 on {}", asked),
              {}};
    default:
      // 3xx: how Reddit sends the askers of unknown subreddits to its search.
      return {Reason::Http4xx,
              Next::GiveUp,
              "LookupError",
              fmt::format("Reddit answered {} on {}", status, asked),
              {}};
  }
}

ApiFailure failure_of_transport(const Error& error, const std::string& asked) {
  using Next = ApiFailure::Next;
  const std::string what = fmt::format("{}: {}", asked, error.what);
  switch (error.code) {
    case Errc::TimedOut:
      return {Reason::Timeout, Next::Retry, "TimeoutError", what, {}};
    case Errc::Cancelled:
      return {Reason::Network, Next::Stopped, "ConnectionError", what, {}};
    case Errc::Invalid:
      return {Reason::Parse, Next::Retry, "ValueError", what, {}};
    default:
      return {Reason::Network, Next::Retry, "ConnectionError", what, {}};
  }
}

}  // namespace umbel::reddit
