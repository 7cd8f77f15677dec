// The tables of the store's file, as the steps that lead to them. README.md explains them.
#pragma once

#include <span>

#include "umbel/sqlite/database.hpp"

namespace umbel::store_sqlite {

[[nodiscard]] std::span<const sqlite::Migration> store_migrations();

}  // namespace umbel::store_sqlite
