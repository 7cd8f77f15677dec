// For tests: tasks that do to their process what tasks should not, and others that ask it about
// itself. Registered by the test's worker and by child_peer, its task process.
#pragma once

#include "umbel/worker/task.hpp"

namespace umbel::testing {

void add_child_tasks(TaskRegistry& tasks);

}  // namespace umbel::testing
