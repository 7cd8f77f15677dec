// JSON text to a value as it stands: kombu's typed values are left wrapped, so that what is only
// passed on is not altered.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::celery {

// As parse_json, but without unwrapping.
[[nodiscard]] Result<boost::json::value> parse_plain_json(std::string_view text);

// Replaces each typed value in `value` by its text.
void unwrap_typed_values(boost::json::value& value);

}  // namespace umbel::celery
