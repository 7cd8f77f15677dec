// Compressed bodies, as kombu's `compression` option makes them. Its "gzip" is a zlib stream
// (RFC 1950) under the name application/x-gzip; a gzip file (RFC 1952) is not read, by Celery
// neither.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::celery {

inline constexpr std::string_view kZlib = "application/x-gzip";

// Errc::Invalid says what is wrong. Never holds more than `most` bytes, whatever the stream claims.
[[nodiscard]] Result<std::string> inflated(std::string_view compressed, std::size_t most);

}  // namespace umbel::celery
