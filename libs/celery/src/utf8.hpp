// UTF-8 by hand, because what crosses the wire is checked character by character: a broken byte is
// either named in an error (reading) or shown as U+FFFD (writing).
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace umbel::celery {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  // bytes; 0: no UTF-8 sequence starts here
};

// The character that starts at text[i]; `i` must be below text.size().
[[nodiscard]] CodePoint code_point_at(std::string_view text, std::size_t i);

// Where the first byte stands that is not UTF-8.
[[nodiscard]] std::optional<std::size_t> first_invalid_utf8(std::string_view text);

}  // namespace umbel::celery
