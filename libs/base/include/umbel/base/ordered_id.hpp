// Ids of new tasks that sort by their time.
//
// Tables are keyed by task ids. Random ones land anywhere in an index, so that each of a hundred
// new rows dirties a page of its own, and each page is written to the log and carried over from it;
// ordered ones land side by side. To everybody else they are UUIDs like any others: nothing reads
// the time back, and order is never relied upon.
#pragma once

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"

namespace umbel {

// A UUID (version 7, RFC 9562), lower case with dashes: the time in 60 bits, to a quarter of a
// microsecond as far as the clock tells, then 62 random ones. Before the epoch: as at the epoch.
[[nodiscard]] TaskId ordered_task_id(WallTime now);

}  // namespace umbel
