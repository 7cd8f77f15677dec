#include "number.hpp"

#include <cmath>

#include "umbel/worker/task.hpp"

namespace umbel {
namespace {

double as_double(const Number& number) {
  return std::visit([](auto value) { return static_cast<double>(value); }, number.value);
}

}  // namespace

boost::json::result<Number> tag_invoke(const boost::json::try_value_to_tag<Number>&,
                                       const boost::json::value& json) {
  if (const auto* integer = json.if_int64()) return Number{*integer};
  if (const auto* fraction = json.if_double()) return Number{*fraction};
  return boost::system::errc::make_error_code(boost::system::errc::result_out_of_range);
}

void tag_invoke(const boost::json::value_from_tag&, boost::json::value& json,
                const Number& number) {
  std::visit([&json](auto value) { json = value; }, number.value);
}

Number operator+(const Number& x, const Number& y) {
  const auto* a = std::get_if<std::int64_t>(&x.value);
  const auto* b = std::get_if<std::int64_t>(&y.value);
  if (a != nullptr && b != nullptr) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*a, *b, &sum)) {
      throw FinalTaskError{"OverflowError", "the sum does not fit a 64-bit integer"};
    }
    return {sum};
  }
  const double left = as_double(x);
  const double right = as_double(y);
  if (std::isfinite(left) && std::isfinite(right) && !std::isfinite(left + right)) {
    throw FinalTaskError{"OverflowError", "the sum does not fit a double"};
  }
  return {left + right};
}

}  // namespace umbel
