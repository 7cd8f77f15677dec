// What goes wrong, and how often: Reddit's bad days as rates, drawn from the seed.
//
// A transient fault belongs to one request: request number n of this simulator's life, however
// often it was restarted. A lasting one belongs to a submission, which then refuses every request
// in the same way.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel::reddit_simulator {

enum class Fault {
  // Transient.
  Unauthorized,       // 401: the token is worth nothing from here on
  TimedOut,           // 408
  RateLimited,        // 429, with Retry-After in seconds or as a date
  ServerError,        // 500
  BadGateway,         // 502, a page of HTML
  Unavailable,        // 503
  Html,               // 200 with a page instead of JSON
  Truncated,          // ends in the middle, as JSON or on the wire
  WrongType,          // a member is of another type than it should
  Empty,              // 200 without a body
  Reset,              // closed without an answer
  Hang,               // nothing for long, then closed
  Drip,               // a byte now and then, then closed
  Oversized,          // more than anybody wants to hold
  Bomb,               // the same, compressed to next to nothing
  BadGzip,            // said to be compressed, and is not
  Gzip,               // compressed; nothing is wrong
  Redirect,           // to where the answer is
  RedirectLoop,       // to itself, for ever
  RedirectElsewhere,  // to a host that is not Reddit's
  // Lasting.
  Private,
  Banned,
  Quarantined,
  Deleted,
};

struct FaultName {
  Fault fault;
  std::string_view name;
  bool lasting;
};
inline constexpr std::array kFaults{
    FaultName{Fault::Unauthorized, "401", false},
    FaultName{Fault::TimedOut, "408", false},
    FaultName{Fault::RateLimited, "429", false},
    FaultName{Fault::ServerError, "500", false},
    FaultName{Fault::BadGateway, "502", false},
    FaultName{Fault::Unavailable, "503", false},
    FaultName{Fault::Html, "html", false},
    FaultName{Fault::Truncated, "truncated", false},
    FaultName{Fault::WrongType, "type", false},
    FaultName{Fault::Empty, "empty", false},
    FaultName{Fault::Reset, "reset", false},
    FaultName{Fault::Hang, "hang", false},
    FaultName{Fault::Drip, "drip", false},
    FaultName{Fault::Oversized, "oversized", false},
    FaultName{Fault::Bomb, "bomb", false},
    FaultName{Fault::BadGzip, "badgzip", false},
    FaultName{Fault::Gzip, "gzip", false},
    FaultName{Fault::Redirect, "redirect", false},
    FaultName{Fault::RedirectLoop, "loop", false},
    FaultName{Fault::RedirectElsewhere, "elsewhere", false},
    FaultName{Fault::Private, "private", true},
    FaultName{Fault::Banned, "banned", true},
    FaultName{Fault::Quarantined, "quarantined", true},
    FaultName{Fault::Deleted, "deleted", true},
};

[[nodiscard]] std::string_view to_text(Fault fault);

// Immutable, hence thread-safe.
class FaultTable {
 public:
  // Each `KIND=RATE`, or `all=RATE` for every kind at once; a later one replaces an earlier one.
  // Invalid: names the entry and what is allowed. Transient rates may sum to 1 at most, lasting
  // ones too.
  [[nodiscard]] static Result<FaultTable> parse(const std::vector<std::string>& entries);

  [[nodiscard]] std::optional<Fault> of_request(std::uint64_t seed, std::uint64_t number) const;
  [[nodiscard]] std::optional<Fault> of_submission(std::uint64_t seed, std::uint64_t number) const;
  [[nodiscard]] bool has(Fault fault) const;

 private:
  using Rates = std::vector<std::pair<Fault, double>>;
  [[nodiscard]] static std::optional<Fault> drawn(const Rates& rates, double place);
  Rates transient_, lasting_;
};

}  // namespace umbel::reddit_simulator
