#include "figure_routes.hpp"

#include <boost/json.hpp>

#include "series_api.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;

Response refused(const Error& error) {
  switch (error.code) {
    case Errc::NotFound:
      return http::error_response(404, error.what);
    case Errc::Invalid:
      return http::error_response(400, error.what);
    default:
      return http::error_response(503, error.what);
  }
}

Response answer(const Result<json::object>& object) {
  return object ? http::json_response(json::serialize(*object)) : refused(object.error());
}

Result<json::object> series(const ApiParts& parts, const Request& request) {
  const auto query = series_query(request, parts.clock.wall());
  if (!query) return query.error();
  return series_answer(parts.live, *query);
}

}  // namespace

void add_figure_routes(http::Router& router, const ApiParts& parts) {
  const auto add = [&](const char* path, auto look) {
    router.add("GET", path, [parts, look](const Request& request) {
      if (auto no = refuse_if_closed(parts.closed)) return *no;
      return answer(look(parts, request));
    });
  };
  add("/api/series", series);
}

}  // namespace umbel::collector
