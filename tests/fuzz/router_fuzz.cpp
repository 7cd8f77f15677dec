// HTTP routing. Input: a line with routes (`METHOD /path` between tabs), a line with a request
// (`METHOD target`), then the name of a query argument.
//
// A naive matcher over the texts themselves says what the router should answer.
#include <set>
#include <utility>
#include <vector>

#include "fuzz_one.hpp"
#include "umbel/http/message.hpp"
#include "umbel/http/router.hpp"

namespace umbel::fuzz {
namespace {

using Parameters = std::map<std::string, std::string>;

struct Route {
  std::string method, path;
};

// Where a `<name>` that begins at `at` ends (behind its `>`), if one begins there: it fills the
// whole of its part.
std::size_t parameter_end(std::string_view pattern, std::size_t at) {
  if (pattern[at] != '<' || at == 0 || pattern[at - 1] != '/') return at;
  const auto end = std::min(pattern.find('/', at), pattern.size());
  return end - at > 2 && pattern[end - 1] == '>' ? end : at;
}

bool is_pattern(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (parameter_end(path, i) != i) return true;
  }
  return false;
}

bool matches(std::string_view pattern, std::string_view path, Parameters& parameters) {
  std::size_t p = 0;
  for (std::size_t i = 0; i < pattern.size();) {
    const std::size_t end = parameter_end(pattern, i);
    if (end == i) {
      if (p >= path.size() || path[p] != pattern[i]) return false;
      ++i;
      ++p;
      continue;
    }
    std::string_view name = pattern.substr(i + 1, end - i - 2);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    const std::size_t stop = rest ? path.size() : std::min(path.find('/', p), path.size());
    if (stop <= p) return false;
    parameters.emplace(name, path.substr(p, stop - p));
    p = stop;
    if (rest) return true;
    i = end;
  }
  return p == path.size();
}

struct Answer {
  int status = 404;
  std::string handler;
  Parameters parameters;
};

Answer expected(const std::vector<Route>& routes, const std::string& method,
                const std::string& path) {
  Answer answer;
  for (const bool pattern : {false, true}) {
    for (const Route& route : routes) {
      Parameters parameters;
      if (is_pattern(route.path) != pattern || !matches(route.path, path, parameters)) continue;
      if (route.method == (method == "HEAD" ? "GET" : method)) {
        return {200, route.method + route.path, parameters};
      }
      answer.status = 405;
    }
  }
  return answer;
}

void check_texts(const std::string& text) {
  require(http::percent_decoded(http::percent_encoded(text)) == text, "percent round trip");
  require(http::percent_decoded(http::percent_encoded(text), true) == text, "percent round trip");
  require(http::percent_decoded(text).size() <= text.size(), "decoding makes no text longer");
  const http::Response refused = http::error_response(404, text);
  require(refused.body.starts_with("{\"error\": \""), "an error answer is JSON");
}

void check_query(const std::string& query, const std::string& name) {
  http::Request request;
  request.query = query;
  const auto found = request.argument(name);
  // Said once more at the end, it wins.
  request.query = query + "&" + http::percent_encoded(name) + "=" + http::percent_encoded("a b&=+");
  require(request.argument(name) == "a b&=+", "the last of a repeated argument wins", query);
  request.query = "x" + http::percent_encoded(name) + "=1&" + query;
  require(request.argument(name) == found, "another name changes nothing", query);
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input, 4096);
  std::string_view rest = text;
  std::string_view table = take_line(rest);
  std::vector<Route> routes;
  http::Router router;
  while (!table.empty() && routes.size() < 20) {
    const auto end = table.find('\t');
    const std::string_view line = table.substr(0, end);
    table = end == std::string_view::npos ? std::string_view{} : table.substr(end + 1);
    const auto space = line.find(' ');
    if (space == std::string_view::npos || !line.substr(space + 1).starts_with('/')) continue;
    Route route{std::string{line.substr(0, space)}, std::string{line.substr(space + 1)}};
    const std::string reply = route.method + route.path;
    router.add(route.method, route.path, [reply](const http::Request& request) {
      http::Response response;
      response.body = reply;
      for (const auto& [name, value] : request.parameters) {
        response.headers.emplace_back(name, value);
      }
      return response;
    });
    routes.push_back(std::move(route));
  }
  const std::string_view line = take_line(rest);
  const auto space = std::min(line.find(' '), line.size());
  const std::string method{line.substr(0, space)};
  const std::string target{line.substr(std::min(space + 1, line.size()))};
  const auto question = std::min(target.find('?'), target.size());
  const std::string query = question < target.size() ? target.substr(question + 1) : "";

  http::Request request;
  request.method = method;
  request.path = http::percent_decoded(target.substr(0, question));
  request.query = query;
  const std::string path = request.path;
  if (path.starts_with('/')) {
    const http::Response response = router.handle(request);
    const Answer wanted = expected(routes, method, path);
    require(response.status == wanted.status, "the router answers as the naive matcher", text);
    if (response.status == 200 && method != "HEAD") {
      require(response.body == wanted.handler, "the right handler ran", text);
      require(Parameters(response.headers.begin(), response.headers.end()) == wanted.parameters,
              "the parameters are those of the path", text);
    }
  } else {
    static_cast<void>(router.handle(request));
  }
  check_texts(target);
  check_query(query, std::string{rest.substr(0, 64)});
}

}  // namespace umbel::fuzz
