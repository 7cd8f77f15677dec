// A number as Python callers mean it: integers stay integers, anything else is a double.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <variant>

namespace umbel {

struct Number {
  static constexpr const char* kJsonType = "number";
  std::variant<std::int64_t, double> value;

  // An integer beyond 64 bits is no JSON integer for us: invalid_argument as the conversion's
  // error.
  friend boost::json::result<Number> tag_invoke(const boost::json::try_value_to_tag<Number>&,
                                                const boost::json::value& json);
  friend void tag_invoke(const boost::json::value_from_tag&, boost::json::value& json,
                         const Number& number);
};

// Throws FinalTaskError("OverflowError", …) if the sum of two integers does not fit 64 bits, or of
// two finite doubles is not finite.
[[nodiscard]] Number operator+(const Number& x, const Number& y);

}  // namespace umbel
