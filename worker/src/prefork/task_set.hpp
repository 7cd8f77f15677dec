// What tells whether a worker and its task process know the same tasks.
#pragma once

#include <string>

#include "umbel/base/ids.hpp"
#include "umbel/worker/task.hpp"

namespace umbel::prefork {

[[nodiscard]] inline std::string task_set_of(const TaskRegistry& tasks) {
  std::string words;
  for (const auto& entry : tasks.entries()) {
    words += entry.name;
    for (const auto& parameter : entry.parameters) {
      words += '|' + parameter.name + ':' + parameter.type + '=' + parameter.default_value;
    }
    words += '\n';
  }
  return named_uuid(words);
}

}  // namespace umbel::prefork
