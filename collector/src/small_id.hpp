// Ids of tasks in 16 bytes, so that a hundred thousand of them stay small.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace umbel::collector {

// A task's id in 16 bytes: a UUID's own, or for any other text its place in the pool.
struct SmallId {
  enum class Kind : std::uint8_t { None, Uuid, Text };
  std::uint64_t high = 0, low = 0;
  Kind kind = Kind::None;

  friend bool operator==(const SmallId&, const SmallId&) = default;
};

// Only the canonical form (lower case, with dashes) counts as a UUID, so that the text comes back
// as it was.
[[nodiscard]] std::optional<SmallId> uuid_from(std::string_view text);
[[nodiscard]] std::string uuid_text(const SmallId& id);

}  // namespace umbel::collector
