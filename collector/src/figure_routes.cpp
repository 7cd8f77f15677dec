#include "figure_routes.hpp"

#include <array>
#include <boost/json.hpp>

#include "arguments.hpp"
#include "detail_api.hpp"
#include "flower.hpp"
#include "inspector.hpp"
#include "names_api.hpp"
#include "openapi.hpp"
#include "series_api.hpp"
#include "submissions_api.hpp"

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
    case Errc::TimedOut:
      return http::error_response(504, error.what);
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

Result<json::object> names(const ApiParts& parts, const Request& request) {
  static constexpr std::array<std::int64_t, 3> kMinutes{5, 1, 60};
  const auto minutes = choice_argument(request, "minutes", kMinutes);
  if (!minutes) return minutes.error();
  return parts.live.with([&, now = parts.clock.wall()](LiveState& state) {
    return names_answer(state, *minutes, now);
  });
}

Result<json::object> name(const ApiParts& parts, const Request& request) {
  const std::string& wanted = request.parameters.at("name");
  // A store that does not answer must not hide what the events tell.
  const auto entry = parts.store.catalogue().find(wanted);
  return parts.live.with([&, now = parts.clock.wall()](LiveState& state) {
    return name_answer(state, wanted, entry ? &*entry : nullptr, now);
  });
}

Result<json::object> worker(const ApiParts& parts, const Request& request) {
  const std::string& wanted = request.parameters.at("name");
  const auto refresh = flower::bool_argument(request, "refresh");
  if (!refresh) return refresh.error();
  const bool here =
      parts.live.with([&](LiveState& state) { return state.workers().contains(wanted); });
  if (*refresh && here) {
    if (const auto asked = parts.inspector.inspect({wanted}); !asked) return asked.error();
  }
  const auto catalogue = parts.store.catalogue().all();
  const auto told = parts.inspections.find(wanted);
  return parts.live.with([&, now = parts.clock.wall()](LiveState& state) {
    return worker_answer(state, wanted, told, catalogue ? &*catalogue : nullptr, now);
  });
}

Result<json::object> queue(const ApiParts& parts, const Request& request) {
  return parts.live.with([&, now = parts.clock.wall()](LiveState& state) {
    return queue_answer(state, request.parameters.at("name"), now);
  });
}

Result<json::object> submissions(const ApiParts& parts, const Request& request) {
  static constexpr std::array<std::int64_t, 3> kMinutes{60, 5, 1};
  const auto minutes = choice_argument(request, "minutes", kMinutes);
  if (!minutes) return minutes.error();
  const auto latest = parts.store.submissions().latest(kLookedAtSubmissions);
  if (!latest) return latest.error();
  const WallTime now = parts.clock.wall();
  const auto [window, ended] = parts.live.with([&](LiveState& state) {
    const Names::Entry* const entry = state.names().find(kFetchTask);
    const Names::Entry none{kFetchTask};
    return std::pair{
        state.names().window(entry == nullptr ? none : *entry, *minutes, unix_second(now)),
        ended_fetches(state, now - std::chrono::minutes{*minutes})};
  });
  return submissions_answer(*latest, window, fetches_of(ended), *minutes, now);
}

}  // namespace

void add_figure_routes(http::Router& router, const ApiParts& parts, const SystemParts& system) {
  const auto add = [&](const char* path, auto look) {
    router.add("GET", path, [parts, look](const Request& request) {
      if (auto no = refuse_if_closed(parts.closed)) return *no;
      return answer(look(parts, request));
    });
  };
  add("/api/series", series);
  add("/api/names", names);
  add("/api/name/<name...>", name);
  add("/api/worker/<name...>", worker);
  add("/api/queue/<name...>", queue);
  add("/api/submissions", submissions);
  add("/api/system", [system](const ApiParts&, const Request&) {
    return Result<json::object>{system_answer(system)};
  });
  add_description(router, parts.closed);
}

}  // namespace umbel::collector
