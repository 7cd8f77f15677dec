#include "rate_budget.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace umbel::reddit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kProbe{20};  // longer than a request may take
constexpr milliseconds kProbeWait{200};
constexpr seconds kUnlimited{60};          // then it is asked again whether there are headers
constexpr std::chrono::hours kLongest{2};  // no window is longer: the clock was set back

std::int64_t lowered(std::int64_t count) { return std::max<std::int64_t>(count - 1, 0); }

}  // namespace

void RateBudget::roll_over(WallTime end) {
  ++window_;
  stale_ = pending_;
  pending_ = 0;
  used_ = stale_;  // may have been counted in this window
  end_ = end;
}

RateGrant RateBudget::reserve(WallTime now) {
  if (end_ > now + kLongest || blocked_ > now + kLongest) {
    const auto window = window_;
    *this = RateBudget{};
    window_ = window + 1;
  }
  if (blocked_ > now) return {.granted = false, .until = blocked_};
  if (kind_ == Kind::Unlimited && now >= end_) kind_ = Kind::Unknown;
  if (kind_ == Kind::Unknown) {
    if (pending_ > 0 && now < end_) return {.granted = false, .until = now + kProbeWait};
    roll_over(now + kProbe);
    stale_ = used_ = 0;
  } else if (kind_ == Kind::Limited) {
    if (now >= end_) roll_over(now + seconds{length_});
    if (used_ >= limit_) return {.granted = false, .until = end_};
  }
  ++used_;
  ++pending_;
  return {.granted = true, .until = {}, .window = window_, .finished = finished_};
}

void RateBudget::finish(const RateGrant& grant, const RateAnswer& answer) {
  const bool current = grant.window == window_;
  if (current) pending_ = lowered(pending_);
  if (grant.window + 1 == window_) stale_ = lowered(stale_);
  const std::int64_t meanwhile = finished_ - grant.finished;
  ++finished_;
  if (answer.wait) blocked_ = std::max(blocked_, answer.received + *answer.wait);
  if (current && !answer.counted) used_ = lowered(used_);

  if (!answer.headers) {
    if (kind_ == Kind::Unknown && answer.answered && answer.counted && !answer.wait) {
      kind_ = Kind::Unlimited;
      end_ = answer.received + kUnlimited;
    }
    return;
  }
  const RateHeaders& told = *answer.headers;
  // The window ends between these two: `reset` is rounded up, and was said somewhere in between.
  const WallTime earliest = answer.sent + told.reset - seconds{1};
  const WallTime latest = answer.received + told.reset;
  const bool is_next = kind_ != Kind::Limited || earliest > end_;
  if (!is_next && !current) return;  // of a window that is over
  limit_ = told.used + told.remaining;
  length_ = std::clamp<std::int64_t>(told.reset.count(), length_, 3600);
  const std::int64_t under_way = pending_ + stale_ + std::max<std::int64_t>(meanwhile, 0);
  if (is_next) {
    const std::int64_t pending = pending_ + stale_;
    if (kind_ == Kind::Limited) {
      roll_over(latest);
      stale_ = pending;
    }
    end_ = latest;
  } else {
    end_ = std::min(end_, latest);
  }
  kind_ = Kind::Limited;
  used_ = told.used + under_way;
}

std::optional<std::int64_t> RateBudget::remaining() const {
  if (kind_ != Kind::Limited) return std::nullopt;
  return std::max<std::int64_t>(limit_ - used_, 0);
}

std::string RateBudget::text() const {
  return fmt::format("1 {} {} {} {} {} {} {} {} {} {}", static_cast<std::int64_t>(kind_), window_,
                     to_micros(end_), length_, limit_, used_, pending_, stale_, finished_,
                     to_micros(blocked_));
}

std::optional<RateBudget> RateBudget::from(std::string_view text) {
  std::array<std::int64_t, 11> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ' ')) return std::nullopt;
    const auto [rest, bad] = std::from_chars(at, end, numbers[i]);
    if (bad != std::errc{}) return std::nullopt;
    at = rest;
  }
  if (at != end || numbers[0] != 1 || numbers[1] < 0 || numbers[1] > 2) return std::nullopt;
  RateBudget read;
  read.kind_ = static_cast<Kind>(numbers[1]);
  read.window_ = numbers[2];
  read.end_ = from_micros(numbers[3]);
  read.length_ = std::clamp<std::int64_t>(numbers[4], 1, 3600);
  read.limit_ = numbers[5];
  read.used_ = numbers[6];
  read.pending_ = numbers[7];
  read.stale_ = numbers[8];
  read.finished_ = numbers[9];
  read.blocked_ = from_micros(numbers[10]);
  return read;
}

}  // namespace umbel::reddit
