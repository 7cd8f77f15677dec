// GET /api/worker/<name> and /api/queue/<name>: one of them with all that is known of it.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "live_state.hpp"
#include "umbel/base/result.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel::collector {

inline constexpr std::size_t kShownPrefetched = 100, kShownOldest = 20, kShownRunning = 1000;

// `told`: what it answered when it was asked. `catalogue`: the tasks there are; where it did not
// say which it knows, those of its queues. nullptr: not known. NotFound: no such worker.
[[nodiscard]] Result<boost::json::object> worker_answer(
    const LiveState& state, const std::string& name, const std::optional<Inspection>& told,
    const std::vector<CatalogueEntry>* catalogue, WallTime now);
// NotFound: no such queue.
[[nodiscard]] Result<boost::json::object> queue_answer(const LiveState& state,
                                                       const std::string& name, WallTime now);

}  // namespace umbel::collector
