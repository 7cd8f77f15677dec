// GET /api/names and /api/name/<name>: what became of the tasks of each name.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "live_state.hpp"
#include "umbel/base/result.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel::collector {

// `minutes`: 1, 5 or 60. Every name seen since the start or in the last hour, busiest first.
[[nodiscard]] boost::json::object names_answer(const LiveState& state, std::int64_t minutes,
                                               WallTime now);

// One name over all three windows. `entry`: what the catalogue knows of it; nullptr: nothing.
// NotFound: neither it nor a task of it is known.
[[nodiscard]] Result<boost::json::object> name_answer(const LiveState& state,
                                                      const std::string& name,
                                                      const CatalogueEntry* entry, WallTime now);

}  // namespace umbel::collector
