// What every fuzz target is: one function over any bytes, in a file of its own.
//
// It returns when all is well. Broken promises end it: require() throws, which libFuzzer reports as
// a crash and the replay program as a failed file. Linked with libFuzzer (preset `fuzz`) it hunts;
// linked with replay_main.cpp it runs the corpus as a test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace umbel::fuzz {

// Defined once per target. Pure: the same bytes do the same, whatever ran before.
void fuzz_one(std::span<const std::uint8_t> input);

// The bytes as text, of at most `limit` bytes: longer inputs only slow the search down.
inline std::string text_of(std::span<const std::uint8_t> input, std::size_t limit = 64 * 1024) {
  input = input.subspan(0, std::min(input.size(), limit));
  return {input.begin(), input.end()};
}

// Takes what stands before the next newline off `rest`; all of it if there is none.
inline std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const auto line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return line;
}

inline void require(bool holds, std::string_view promise, std::string_view shown = {}) {
  if (holds) return;
  throw std::logic_error{"broken: " + std::string{promise} +
                         (shown.empty() ? "" : "\n" + std::string{shown})};
}

}  // namespace umbel::fuzz
