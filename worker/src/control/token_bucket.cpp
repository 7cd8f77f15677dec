#include "token_bucket.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "umbel/celery/repr.hpp"

namespace umbel {
namespace {

constexpr double kMostPerSecond = 1e9;

std::string_view stripped(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

Rate parse_rate(std::string_view text) {
  Rate rate;
  if (text.empty()) return rate;
  const auto slash = text.find('/');
  const auto number = text.substr(0, slash);
  const auto unit = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
  double per = 0;
  if (unit.empty() || unit == "s") {
    per = 1;
  } else if (unit == "m") {
    per = 60;
  } else if (unit == "h") {
    per = 3600;
  } else {
    rate.fault = celery::repr_exception("KeyError", unit);
    return rate;
  }
  auto digits = stripped(number);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty()) {
    rate.fault = celery::repr_exception("ValueError",
                                        "could not convert string to float: " +
                                            celery::repr(boost::json::value(std::string{number})));
    rate.value_error = true;
    return rate;
  }
  if (!std::isfinite(value) || value < 0 || value > kMostPerSecond) {
    rate.fault =
        celery::repr_exception("ValueError", "a rate is from 0 to 1e9, not " + std::string{digits});
    rate.value_error = true;
    return rate;
  }
  rate.per_second = value / per;
  return rate;
}

double TokenBucket::tokens(Steady::time_point now) {
  if (tokens_ < 1) {
    const double passed = std::chrono::duration<double>(now - looked_).count();
    tokens_ = std::min(1.0, tokens_ + rate_ * std::max(0.0, passed));
    looked_ = now;
  }
  return tokens_;
}

bool TokenBucket::take(Steady::time_point now) {
  // A token that is whole but for the rounding of its parts is whole.
  if (tokens(now) < 1 - 1e-9) return false;
  tokens_ = std::max(0.0, tokens_ - 1);
  return true;
}

std::chrono::microseconds TokenBucket::until_next(Steady::time_point now) {
  constexpr double kMostMicros = 3.6e9;  // an hour; then it is asked again
  const double micros = (1 - tokens(now)) / rate_ * 1e6;
  return std::chrono::microseconds{
      static_cast<std::int64_t>(std::ceil(std::clamp(micros, 0.0, kMostMicros)))};
}

}  // namespace umbel
