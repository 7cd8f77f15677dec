// GET /api/openapi.json: the API described for programs; docs/openapi.json, built in.
#pragma once

#include <string_view>

#include "umbel/http/router.hpp"

namespace umbel::collector {

[[nodiscard]] std::string_view openapi_text();  // made from docs/openapi.json when this is built

// `closed`: as for all of the API.
void add_description(http::Router& router, bool closed);

}  // namespace umbel::collector
