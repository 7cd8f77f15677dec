// The one form of a date that HTTP servers send: `Wed, 21 Oct 2026 07:28:00 GMT`.
#pragma once

#include <optional>
#include <string_view>

#include "umbel/base/clock.hpp"

namespace umbel::reddit {

[[nodiscard]] std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace umbel::reddit
