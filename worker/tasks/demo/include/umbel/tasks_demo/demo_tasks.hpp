// Small tasks to try a stack with: add, delayed_add, total, echo, noop, sleep, hang, fail, flaky,
// touch. All on queue `umbel`.
#pragma once

#include <optional>
#include <string>

#include "umbel/worker/task.hpp"

namespace umbel {

struct DemoTaskOptions {
  std::optional<std::string>
      touch_dir;  // touch() writes below this folder alone; nothing: touch() is not registered
};

void add_demo_tasks(TaskRegistry& tasks, const DemoTaskOptions& options);

}  // namespace umbel
