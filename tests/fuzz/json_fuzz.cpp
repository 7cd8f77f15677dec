// JSON as Python writes it: what is read can be written and read again without a change, and
// whatever is plain JSON is read.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "fuzz_one.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel::fuzz {
namespace {

namespace json = boost::json;

// It equals nothing, itself included.
bool has_nan(const json::value& value) {
  if (const auto* array = value.if_array()) {
    return std::ranges::any_of(*array, has_nan);
  }
  if (const auto* object = value.if_object()) {
    return std::ranges::any_of(*object, [](const auto& member) { return has_nan(member.value()); });
  }
  return value.is_double() && std::isnan(value.get_double());
}

bool plain_json(const std::string& text) {
  json::parse_options options;
  options.max_depth = celery::kMaxDepth;
  boost::system::error_code bad;
  static_cast<void>(json::parse(text, bad, {}, options));
  return !bad;
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  const auto value = celery::parse_json(text);
  if (!value) {
    require(value.error().code == Errc::Invalid, "what is refused is invalid", value.error().what);
    require(!value.error().what.empty(), "a refusal says why");
    require(!plain_json(text), "plain JSON is read", value.error().what);
    return;
  }
  const std::string written = celery::to_json(*value);
  for (const char c : written) require(c >= 0x20 && c < 0x7f, "JSON is written as ASCII", written);
  const auto again = celery::parse_json(written);
  require(again.has_value(), "what was written can be read", written);
  require(celery::to_json(*again) == written, "writing twice gives the same text", written);
  const std::string python = celery::to_python_json(*value);
  const auto exact = celery::parse_json(python);
  require(exact.has_value(), "what was written for Python can be read", python);
  require(celery::to_python_json(*exact) == python, "writing twice gives the same text", python);
  require(has_nan(*value) || *exact == *value, "what was written reads as it was", python);
  require(celery::repr(*value).size() <= 8 * celery::kReprLimit, "a display text is bounded");
}

}  // namespace umbel::fuzz
