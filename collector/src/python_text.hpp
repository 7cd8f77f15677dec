// What Python writes of a value, read back: events tell arguments and results as `('a', 1)` or
// `{'x': None}`. Pure.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string_view>

namespace umbel::collector {

// Tuples and lists become arrays, dicts with text keys objects. Nothing: it is no such literal, as
// for objects (`<Thing at 0x…>`), sets, and texts that were cut (`...`).
[[nodiscard]] std::optional<boost::json::value> from_python_text(std::string_view text);

}  // namespace umbel::collector
