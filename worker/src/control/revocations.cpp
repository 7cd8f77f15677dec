#include "revocations.hpp"

#include <algorithm>

#include "held_task.hpp"

namespace umbel {

bool Revocations::cover(const celery::TaskMessage& task) const {
  if (ids.contains(task.id.str())) return true;
  if (stamps.empty()) return false;
  return std::ranges::any_of(stamps_of(task), [this](const auto& stamp) {
    return std::ranges::any_of(
        stamp.second, [&](const auto& value) { return stamps.contains(stamp.first, value); });
  });
}

}  // namespace umbel
