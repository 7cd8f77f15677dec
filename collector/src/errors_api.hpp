// GET /api/errors and /api/error/<fingerprint>, as docs/api.md says.
#pragma once

#include "errors.hpp"
#include "task_detail.hpp"

namespace umbel::collector {

[[nodiscard]] boost::json::object error_group_row(const ErrorGroup& group, std::int64_t now);
[[nodiscard]] http::Response list_errors(const DetailParts& parts, const http::Request& request);
[[nodiscard]] http::Response one_error(const DetailParts& parts, const http::Request& request);

}  // namespace umbel::collector
