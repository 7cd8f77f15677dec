// What somebody does to workers and queues over HTTP: Flower's control endpoints in its forms, and
// the page's own. Every one leaves a line in the audit log.
#pragma once

#include "api.hpp"

namespace umbel::collector {

// POST /api/control, /api/queues/purge, and Flower's /api/worker/… and /api/task/timeout,
// /api/task/rate-limit.
void add_control_routes(http::Router& router, const ApiParts& parts);

}  // namespace umbel::collector
