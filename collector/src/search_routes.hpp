// The routes that look things up: search, completion, export, one task, errors.
#pragma once

#include "api.hpp"

namespace umbel::collector {

// Under the same access rule as everything else below /api.
void add_search_routes(http::Router& router, const ApiParts& parts);

}  // namespace umbel::collector
