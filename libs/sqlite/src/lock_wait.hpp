// How a connection waits for a lock that another one has.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>

namespace umbel::sqlite {

// SQLite's own waiting grows to 100 ms a step, which is an age when the writer ahead needs 200 us:
// this looks again sooner. After `limit` the statement fails as busy.
void wait_for_locks(SQLite::Database& connection, std::chrono::milliseconds limit);

}  // namespace umbel::sqlite
