// The text of single JSON values as Python's json.dumps writes them. For whoever writes a document
// without building a value first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace umbel::celery {

// Quotes included, ASCII only: \uXXXX with surrogate pairs; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// As Python's repr: the shortest digits that read back equal, with a fraction or an exponent (1.0,
// 1e+16). `value` must be finite.
void append_float(std::string& out, double value);

void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);

}  // namespace umbel::celery
