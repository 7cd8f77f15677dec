// Everything that remote control revoked, asked together.
#pragma once

#include "revoked_set.hpp"
#include "umbel/celery/task_message.hpp"

namespace umbel {

// Thread-safe; `clock` outlives it.
struct Revocations {
  explicit Revocations(const Clock& clock) : ids{clock} {}

  RevokedSet ids;
  RevokedStamps stamps;

  // Whether this task is not to be run.
  [[nodiscard]] bool cover(const celery::TaskMessage& task) const;
};

}  // namespace umbel
