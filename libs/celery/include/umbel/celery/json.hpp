// JSON as Python's json module reads and writes it.
//
// Reading also takes the bare tokens NaN, Infinity and -Infinity, and unwraps kombu's typed values
// ({"__type__": "datetime", …}) to their text. Writing gives `", "` and `": "` separators and ASCII
// only, floats that read back equal, and null for what JSON has no number for.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::celery {

inline constexpr std::size_t kMaxDepth = 64;

// Errc::Invalid says what is wrong and at which byte. NaN and the infinities are doubles of that
// value; an integer beyond 64 bits is the nearest double. Of a typed `base64` the text stays as it
// is, a `uuid` gets its dashes. Nested deeper than kMaxDepth: Invalid.
[[nodiscard]] Result<boost::json::value> parse_json(std::string_view text);
[[nodiscard]] std::string to_json(const boost::json::value& value);
// As to_json, but with NaN, Infinity and -Infinity as Python's bare tokens: for a body that only
// workers read. No browser does.
[[nodiscard]] std::string to_python_json(const boost::json::value& value);

// Whether NaN or an infinity is in it.
[[nodiscard]] bool has_not_finite(const boost::json::value& value);

// Whether arrays and objects stand in one another more than `most` deep. Looks no deeper than that.
[[nodiscard]] bool deeper_than(const boost::json::value& value, std::size_t most);

// {"exc_type", "exc_message", "exc_module"}, the message as the only argument, none if it is empty:
// what a Python caller's .get() turns back into an exception.
[[nodiscard]] boost::json::object exception_document(std::string_view type,
                                                     std::string_view message,
                                                     std::string_view module = "builtins");

}  // namespace umbel::celery
