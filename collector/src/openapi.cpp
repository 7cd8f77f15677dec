#include "openapi.hpp"

#include <string>

#include "api.hpp"

namespace umbel::collector {

void add_description(http::Router& router, bool closed) {
  router.add("GET", "/api/openapi.json", [closed](const http::Request&) {
    if (auto no = refuse_if_closed(closed)) return *no;
    return http::json_response(std::string{openapi_text()});
  });
}

}  // namespace umbel::collector
