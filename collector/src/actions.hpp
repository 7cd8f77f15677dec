// What somebody does to tasks over HTTP, and the log of who did what.
#pragma once

#include <string>
#include <vector>

#include "api.hpp"
#include "umbel/store/audit_log.hpp"

namespace umbel::collector {

// POST /api/tasks/retry, /api/tasks/revoke, Flower's /api/task/revoke/<id>, and GET /api/audit.
void add_action_routes(http::Router& router, const ApiParts& parts);

inline constexpr const char* kDone = "done";  // the outcome of an action that was carried out

// A line for the audit log, of a request that acts now.
[[nodiscard]] AuditEntry audit_entry(const ApiParts& parts, const http::Request& request,
                                     std::string action, std::string object);
// What was done stands, whether or not it can be noted; a failure is logged.
void note(const ApiParts& parts, const std::vector<AuditEntry>& entries);

}  // namespace umbel::collector
