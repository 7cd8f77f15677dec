#include "umbel/http/router.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace umbel::http {
namespace {

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin < path.size()) {  // each part is what follows a slash
    const auto end = std::min(path.find('/', begin + 1), path.size());
    parts.emplace_back(path.substr(begin + 1, end - begin - 1));
    begin = end;
  }
  return parts;
}

bool is_parameter(std::string_view part) {
  return part.size() > 2 && part.front() == '<' && part.back() == '>';
}

std::string_view parameter_name(std::string_view part) {
  part = part.substr(1, part.size() - 2);
  if (part.ends_with("...")) part.remove_suffix(3);
  return part;
}

bool takes_the_rest(std::string_view part) { return is_parameter(part) && part.ends_with("...>"); }

// The parameters if `path` fits the pattern.
std::optional<std::map<std::string, std::string>> match(const std::vector<std::string>& pattern,
                                                        const std::vector<std::string>& path) {
  std::map<std::string, std::string> parameters;
  std::size_t skipped = 0;  // parts that one parameter took beyond its own
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (i + skipped >= path.size()) return std::nullopt;
    if (takes_the_rest(pattern[i])) {
      if (path.size() < pattern.size()) return std::nullopt;
      const std::size_t more = path.size() - pattern.size();
      std::string rest = path[i + skipped];
      for (std::size_t j = 1; j <= more; ++j) rest += "/" + path[i + j];
      if (rest.empty()) return std::nullopt;
      parameters.emplace(parameter_name(pattern[i]), std::move(rest));
      skipped = more;
      continue;
    }
    const std::string& part = path[i + skipped];
    if (is_parameter(pattern[i])) {
      if (part.empty()) return std::nullopt;
      parameters.emplace(parameter_name(pattern[i]), part);
    } else if (pattern[i] != part) {
      return std::nullopt;
    }
  }
  if (path.size() != pattern.size() + skipped) return std::nullopt;
  return parameters;
}

Response run(const Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception&) {
    return error_response(500, "an internal error; the log of the program says more");
  }
}

}  // namespace

void Router::add(std::string method, std::string path, Handler handler) {
  Route route{.method = std::move(method),
              .path = path,
              .parts = parts_of(path),
              .literal = true,
              .handler = std::move(handler)};
  route.literal = std::none_of(route.parts.begin(), route.parts.end(),
                               [](const std::string& part) { return is_parameter(part); });
  routes_.push_back(std::move(route));
}

std::vector<std::pair<std::string, std::string>> Router::routes() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const Route& route : routes_) all.emplace_back(route.method, route.path);
  return all;
}

Response Router::handle(Request request) const {
  const std::vector<std::string> path = parts_of(request.path);
  const bool head = request.method == "HEAD";
  const std::string method = head ? "GET" : request.method;
  std::set<std::string> allowed;
  for (const bool literal : {true, false}) {
    for (const Route& route : routes_) {
      if (route.literal != literal) continue;
      auto parameters = match(route.parts, path);
      if (!parameters) continue;
      allowed.insert(route.method);
      if (route.method != method) continue;
      request.parameters = std::move(*parameters);
      Response response = run(route.handler, request);
      if (head) {
        response.headers.emplace_back("Content-Length", std::to_string(response.body.size()));
        response.body.clear();
      }
      return response;
    }
  }
  if (allowed.empty()) return error_response(404, "there is nothing at " + request.path);
  if (allowed.contains("GET")) allowed.insert("HEAD");
  std::string list;
  for (const std::string& each : allowed) list += (list.empty() ? "" : ", ") + each;
  Response refused = error_response(405, request.path + " takes " + list);
  refused.headers.emplace_back("Allow", list);
  return refused;
}

}  // namespace umbel::http
