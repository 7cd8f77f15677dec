// What every message of ours is wrapped in: JSON by its content type, a table of headers, and a
// size that is looked at before anything else.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "umbel/base/result.hpp"
#include "umbel/model/message.hpp"

namespace umbel::celery {

inline constexpr std::string_view kJsonType = "application/json";

// Each answers Errc::Invalid with what is wrong and what is allowed.
[[nodiscard]] Result<void> check_content_type(const Message& message);
[[nodiscard]] Result<void> check_size(std::string_view what, std::size_t size);  // kMaxBody
// No headers are an empty table.
[[nodiscard]] Result<boost::json::object> parse_headers(const Message& message);

}  // namespace umbel::celery
