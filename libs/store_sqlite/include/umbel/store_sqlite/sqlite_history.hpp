// The embedded history: one SQLite file per UTC day in a folder, written by one process. Forgetting
// a day is deleting its file.
//
// A task lies in the file of the day on which it was first seen. A batch that spans days
// is committed whole in the newest file, with the position; the rows of older days wait there until
// they are brought to their files, right after the commit, or by the next writer if this one was
// killed.
#pragma once

#include <memory>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/history/history.hpp"

namespace umbel {

struct SqliteHistoryOptions {
  std::string folder;
};

[[nodiscard]] Result<std::unique_ptr<History>> open_sqlite_history(SqliteHistoryOptions options,
                                                                   const Clock& clock, Log log);

}  // namespace umbel
