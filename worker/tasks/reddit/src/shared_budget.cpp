#include "shared_budget.hpp"

#include <chrono>

namespace umbel::reddit {
namespace {

constexpr int kTries = 100;  // somebody else succeeds at each that does not
constexpr std::chrono::hours kKept{3};

}  // namespace

// Reads, applies, and replaces what was read, until nobody came in between.
template <class Change>
Result<void> SharedBudget::change(WallTime now, const Change& apply) {
  for (int i = 0; i < kTries; ++i) {
    const auto seen = shared_.get(key_, now);
    if (!seen) return seen.error();
    RateBudget budget;
    if (*seen) budget = RateBudget::from(**seen).value_or(RateBudget{});
    apply(budget);
    const std::string text = budget.text();
    if (text == seen->value_or("")) return {};
    const auto done = shared_.replace(key_, *seen, text, now + kKept, now);
    if (done && *done) return {};
    if (!done && done.error().code != Errc::OutcomeUnknown) return done.error();
    if (!done) {
      const auto there = shared_.get(key_, now);
      if (there && *there == text) return {};
    }
  }
  return unavailable("the rate budget is contended");
}

Result<RateGrant> SharedBudget::reserve(const Clock& clock) {
  RateGrant grant;
  const WallTime now = clock.wall();
  const auto done = change(now, [&](RateBudget& budget) { grant = budget.reserve(now); });
  if (!done) return done.error();
  return grant;
}

std::optional<std::int64_t> SharedBudget::finish(const RateGrant& grant, const RateAnswer& answer) {
  std::optional<std::int64_t> left;
  const auto apply = [&](RateBudget& budget) {
    budget.finish(grant, answer);
    left = budget.remaining();
  };
  // Once more, as a reservation that stays costs others a request.
  if (!change(answer.received, apply) && !change(answer.received, apply)) return std::nullopt;
  return left;
}

}  // namespace umbel::reddit
