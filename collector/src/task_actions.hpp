// What may be done to a task, and why not. Pure: the detail of a task says it beforehand, and who
// does it asks again.
#pragma once

#include <string>

#include "umbel/model/task.hpp"

namespace umbel::collector {

struct Permission {
  bool allowed = false;
  std::string why;  // when it is not allowed; else what will happen
};

// As a new task of the same name, arguments and queue. `arguments_known`: whole, not as a shortened
// text.
[[nodiscard]] Permission may_retry(const Task& task, bool arguments_known);

// So that it never starts.
[[nodiscard]] Permission may_revoke(const Task& task);

}  // namespace umbel::collector
