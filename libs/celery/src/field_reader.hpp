// Looking at single JSON values that somebody else wrote.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace umbel::celery {

// The std view of a Boost text.
[[nodiscard]] inline std::string_view text_of(boost::json::string_view text) {
  return {text.data(), text.size()};
}

[[nodiscard]] std::optional<double> number_of(const boost::json::value& value);

// What stands there, for an error: the kind, and the value where it is a number (`the number 3`, `a
// string`).
[[nodiscard]] std::string described(const boost::json::value& value);

}  // namespace umbel::celery
