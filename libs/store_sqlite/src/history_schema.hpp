// The tables of one day's file, as the steps that lead to them. README.md explains them.
#pragma once

#include <cstdint>
#include <span>

#include "umbel/sqlite/database.hpp"

namespace umbel::store_sqlite {

inline constexpr std::int32_t kHistoryApplicationId = 0x556D6248;  // `UmbH`

[[nodiscard]] std::span<const sqlite::Migration> history_migrations();

}  // namespace umbel::store_sqlite
