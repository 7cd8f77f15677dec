#include "api_failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <optional>

#include "http_date.hpp"

namespace umbel::reddit {
namespace {

namespace json = boost::json;
using Next = ApiFailure::Next;
using std::chrono::seconds;

constexpr seconds kDefaultWait{60}, kShortestWait{1}, kLongestWait{900};
constexpr std::size_t kLongestReason = 64 * 1024;  // bytes of a refusal that are read

std::optional<seconds> seconds_in(const std::string& text) {
  double value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value < 1e9)) {
    return std::nullopt;
  }
  return seconds{static_cast<std::int64_t>(std::ceil(value))};
}

// The member `reason` of a refusal; empty: none.
std::string reason_in(const std::string& body) {
  if (body.size() > kLongestReason) return {};
  boost::system::error_code bad;
  const json::value value = json::parse(body, bad);
  const json::object* object = bad ? nullptr : value.if_object();
  const json::value* reason = object == nullptr ? nullptr : object->if_contains("reason");
  return reason != nullptr && reason->is_string() ? std::string{reason->get_string()}
                                                  : std::string{};
}

ApiFailure for_good(Reason reason, const char* type, std::string what) {
  return {reason, Next::GiveUp, type, std::move(what), {}};
}

ApiFailure refused(int status, const std::string& asked, const std::string& why) {
  const bool forbidden = status == 403;
  const char* type = forbidden ? "PermissionError" : "LookupError";
  const auto says = [&](std::string_view it) {
    return fmt::format("Reddit refuses {} ({}): {}", asked, status, it);
  };
  if (why == "private") return for_good(Reason::Private, type, says("it is private"));
  if (why == "banned") return for_good(Reason::Banned, type, says("it is banned"));
  if (why == "quarantined") {
    return for_good(Reason::Quarantined, type, says("it is quarantined"));
  }
  if (forbidden) {
    return for_good(Reason::Forbidden, type,
                    says(why.empty() ? "forbidden" : "forbidden, " + why.substr(0, 50)));
  }
  return for_good(Reason::NotFound, type, says("deleted, or never there"));
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
    case Reason::Redirect:
      return "redirect";
    case Reason::Forbidden:
      return "forbidden";
    case Reason::NotFound:
      return "not_found";
    case Reason::Private:
      return "private";
    case Reason::Banned:
      return "banned";
    case Reason::Quarantined:
      return "quarantined";
    case Reason::Store:
      break;
  }
  return "store";
}

std::string header_of(const http::ClientResponse& answer, const char* name) {
  const auto found = answer.headers.find(name);
  return found == answer.headers.end() ? std::string{} : found->second;
}

seconds wait_asked_for(const http::ClientResponse& answer, WallTime now) {
  const std::string after = header_of(answer, "retry-after");
  std::optional<seconds> wait = seconds_in(after);
  if (!wait) {
    if (const auto until = parse_http_date(after)) {
      const WallTime from = parse_http_date(header_of(answer, "date")).value_or(now);
      wait = std::chrono::ceil<seconds>(*until - from);
    }
  }
  if (!wait) wait = seconds_in(header_of(answer, "x-ratelimit-reset"));
  return std::clamp(wait.value_or(kDefaultWait), kShortestWait, kLongestWait);
}

ApiFailure failure_of_status(const http::ClientResponse& answer, const std::string& asked,
                             WallTime now) {
  const int status = answer.status;
  if (status == 429) {
    return {Reason::RateLimited, Next::Later, "ConnectionError",
            fmt::format("Reddit limits our rate (429) on {}", asked), wait_asked_for(answer, now)};
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
    case 404:
    case 410:
    case 451:
      return refused(status, asked, reason_in(answer.body));
    case 408:
      return {Reason::Timeout,
              Next::Retry,
              "TimeoutError",
              fmt::format("Reddit answered 408 on {}", asked),
              {}};
    default:
      if (status >= 200 && status < 300) {  // 204, 206: no answer to what was asked
        return failure_of_parsing(invalid(fmt::format("status {}", status)), asked);
      }
      return for_good(Reason::Http4xx, "LookupError",
                      fmt::format("Reddit answered {} on {}", status, asked));
  }
}

ApiFailure failure_of_transport(const Error& error, const std::string& asked) {
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

ApiFailure failure_of_parsing(const Error& error, const std::string& asked) {
  if (error.code == Errc::NotFound) {
    return for_good(Reason::NotFound, "LookupError", asked + ": " + error.what);
  }
  return {Reason::Parse,
          Next::Retry,
          "ValueError",
          fmt::format("Reddit's answer to {}: {}", asked, error.what),
          {}};
}

ApiFailure failure_of_store(const Error& error, const char* call) {
  return {Reason::Store,
          Next::Retry,
          "ConnectionError",
          fmt::format("store, {}: {}", call, error.what),
          {}};
}

ApiFailure out_of_budget(const std::string& asked, std::chrono::milliseconds wait) {
  return {Reason::RateLimited, Next::Later, "ConnectionError",
          fmt::format("our rate budget is used up; {} waits for the next window", asked), wait};
}

}  // namespace umbel::reddit
