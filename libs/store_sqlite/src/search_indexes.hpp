// The indexes that searches go by. A day that an earlier version wrote has none of them, and making
// them takes seconds for a million tasks; so they are no step of the schema: the writer makes one
// after the other, and until then a search looks through such a day.
#pragma once

#include "connections.hpp"

namespace umbel::store_sqlite {

// All throw SQLite::Exception.
[[nodiscard]] bool has_index(Connection& connection, std::string_view name);

enum class Indexes { Complete, Missing };
// Inside a write transaction. Of a file without tasks all that are missing; else the first one.
// Answers whether others are missing then.
[[nodiscard]] Indexes make_next_index(Connection& connection);

}  // namespace umbel::store_sqlite
