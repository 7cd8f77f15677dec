// How many requests Reddit still lets us make, whoever of us makes them: the decisions, without
// clock or store.
//
// Reddit tells with each answer how many requests of a window are used and left, and how soon the
// window ends. Answers arrive late and out of order, and other workers' requests are under way
// meanwhile. So every request is reserved before it is sent and finished when it is answered, and
// what counts as used is an upper bound: what the answer says, and all that may have arrived after
// it. Nothing is sent beyond the limit, at the price of a request or two that could have been.
//
// A state is a small value that its users hold in common and replace in one step.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"

namespace umbel::reddit {

// X-Ratelimit-Used, -Remaining and -Reset.
struct RateHeaders {
  std::int64_t used = 0, remaining = 0;
  std::chrono::seconds reset{0};
};

// A reservation, or how long there is none.
struct RateGrant {
  bool granted = false;
  WallTime until{};           // not granted: not before this instant
  std::int64_t window = 0;    // in which it was granted
  std::int64_t finished = 0;  // requests that were finished before
};

struct RateAnswer {
  WallTime sent{}, received{};
  bool answered = false;  // with any status; else nobody knows whether it arrived
  bool counted = true;    // false: refused before it was counted (401)
  std::optional<RateHeaders> headers;
  std::optional<std::chrono::seconds> wait;  // asked for by a 429
};

class RateBudget {
 public:
  // The limit is unknown: one request at a time finds out.
  RateBudget() = default;

  [[nodiscard]] RateGrant reserve(WallTime now);
  void finish(const RateGrant& grant, const RateAnswer& answer);

  // Requests left in this window; nothing: not known, or not limited.
  [[nodiscard]] std::optional<std::int64_t> remaining() const;

  [[nodiscard]] std::string text() const;
  // Nothing: not written by text().
  [[nodiscard]] static std::optional<RateBudget> from(std::string_view text);
  friend bool operator==(const RateBudget&, const RateBudget&) = default;

 private:
  enum class Kind : std::int64_t { Unknown, Limited, Unlimited };
  void roll_over(WallTime end);

  Kind kind_ = Kind::Unknown;
  std::int64_t window_ = 0;    // counts windows, so that a grant knows its own
  WallTime end_{};             // of the window, or of what is known; not before the real end
  std::int64_t length_ = 600;  // seconds; at least the length of a window
  std::int64_t limit_ = 0, used_ = 0;
  std::int64_t pending_ = 0, stale_ = 0;  // under way: granted in this window, in the one before
  std::int64_t finished_ = 0;
  WallTime blocked_{};  // by a 429
};

}  // namespace umbel::reddit
