// Where a task goes that is sent from the page and stands in nobody's catalogue: Celery's workers
// say which tasks they have and from which queues they take. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "inspections.hpp"
#include "umbel/base/ids.hpp"

namespace umbel::collector {

// Of the queues of workers that have registered `task`, the one from which most of them take; of
// equals the first by name. Without such a worker Celery's default queue, if somebody takes from
// it. Nothing: nobody said anything that helps.
[[nodiscard]] std::optional<QueueName> serving_queue(
    std::string_view task, const std::map<std::string, Inspection>& inspections);

}  // namespace umbel::collector
