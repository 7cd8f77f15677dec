// The few operations on text that every program needs when it speaks to people or to other
// programs.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"

namespace umbel {

// `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_quoted(std::string_view text);

// A URL as it may be shown: the password, if any, replaced by `**`. Not a URL: unchanged.
[[nodiscard]] std::string without_password(std::string_view url);

// `2026-11-22T12:31:40.109429+00:00`: six digits and an explicit offset, which every Celery version
// reads alike.
[[nodiscard]] std::string iso8601(WallTime time);
// Reads ISO 8601 with `T` or a space, optional fraction, `Z` or an offset; without a zone it is
// UTC, as in Celery. In UTC it must lie in the years 1 to 9999, which is what iso8601() can write.
[[nodiscard]] std::optional<WallTime> parse_iso8601(std::string_view text);

// A duration as people say it: `420 ms`, `2.4 s`, `3 min 12 s`, `5 h 2 min`.
[[nodiscard]] std::string spoken(std::chrono::microseconds duration);

// `text` cut to at most `limit` bytes at a character boundary, ending in `...` if anything was cut.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t limit);

// The candidate nearest to `word` (edit distance at most 2, or a third of its length), for "did you
// mean".
[[nodiscard]] std::optional<std::string> nearest(std::string_view word,
                                                 std::span<const std::string> candidates);

}  // namespace umbel
