// The task loop's peer: what SQLite itself can do, with nothing of ours.
#pragma once

#include <cstddef>
#include <string>

namespace umbel::bench {

// `tasks` tasks through one file (WAL, synchronous NORMAL), each published, claimed, given a result
// and acknowledged, every step a transaction of `batch`. Answers seconds.
[[nodiscard]] double run_sqlite_loop(const std::string& path, std::size_t tasks, std::size_t batch);

}  // namespace umbel::bench
