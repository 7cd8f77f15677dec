// Calling a task off: in the store where it was accepted there, and by remote control at every
// worker, as a worker of Celery's asks no store.
#pragma once

#include <string>

#include "api.hpp"

namespace umbel::collector {

struct RevokeHow {
  bool terminate = false;          // also while it runs
  std::string signal = "SIGTERM";  // for that
};

// A value: it will not run, or is being killed. NotFound: nobody knows the task, and no worker is
// online that might. Conflict: it has ended, or runs and is not to be terminated, or its worker
// refuses. TimedOut: no worker answered.
[[nodiscard]] Result<void> revoke_task(const ApiParts& parts, const TaskId& id,
                                       const RevokeHow& how);

}  // namespace umbel::collector
