// Arguments of a request that are one of a few numbers, or a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/http/message.hpp"

namespace umbel::collector {

// One of `allowed`; the first of them when it is not given. Errc::Invalid names all of them.
[[nodiscard]] Result<std::int64_t> choice_argument(const http::Request& request,
                                                   std::string_view name,
                                                   std::span<const std::int64_t> allowed);

// Unix seconds, with or without a fraction. Nothing: not given.
[[nodiscard]] Result<std::optional<WallTime>> time_argument(const http::Request& request,
                                                            std::string_view name);

}  // namespace umbel::collector
