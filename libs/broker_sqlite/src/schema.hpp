// The tables of the broker's file. README.md says what each is for.
#pragma once

#include <cstdint>
#include <span>

#include "umbel/sqlite/database.hpp"

namespace umbel::broker_sqlite {

inline constexpr std::int32_t kApplicationId = 0x556d'4272;  // "UmBr"

[[nodiscard]] std::span<const sqlite::Migration> schema();

}  // namespace umbel::broker_sqlite
