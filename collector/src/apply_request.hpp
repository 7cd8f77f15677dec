// The body of async-apply and send-task, in Flower's shape, as a task to be accepted. Pure.
#pragma once

#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/enqueue/enqueuer.hpp"

namespace umbel::collector {

// `{"args": [], "kwargs": {}, "task_id", "queue", "countdown", "eta", "expires", "priority"}`, all
// optional; an empty body is `{}`. Errc::Invalid names what is wrong and what is allowed.
[[nodiscard]] Result<TaskRequest> apply_request(const std::string& name, std::string_view body,
                                                WallTime now);

}  // namespace umbel::collector
