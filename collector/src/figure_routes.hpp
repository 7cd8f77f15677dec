// The routes that answer figures: series, names, workers, queues, submissions, the system itself.
#pragma once

#include "api.hpp"
#include "system.hpp"

namespace umbel::collector {

// Under the same access rule as everything else below /api.
void add_figure_routes(http::Router& router, const ApiParts& parts, const SystemParts& system);

}  // namespace umbel::collector
