#include "page_routes.hpp"

#include <string>
#include <string_view>

namespace umbel::collector {
namespace {

constexpr std::string_view kBlank = " \t";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// `q=0`, `q=0.0`: not wanted.
bool refused_by(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto semicolon = parameters.find(';');
    const auto each = trimmed(parameters.substr(0, semicolon));
    if (each.starts_with("q=")) return each.find_first_not_of("0.", 2) == std::string_view::npos;
    parameters =
        semicolon == std::string_view::npos ? std::string_view{} : parameters.substr(semicolon + 1);
  }
  return false;
}

http::Response serve_page(std::span<const Asset> assets, const http::Request& request) {
  if (!takes_html(request.header("accept"))) {
    auto response = http::error_response(
        406, request.path + " is a page (text/html); the data behind it is under /api");
    response.headers.emplace_back("Vary", "Accept");
    return response;
  }
  http::Request page = request;
  page.path = "/";
  return serve_asset(assets, page);
}

}  // namespace

bool takes_html(std::string_view accept) {
  if (trimmed(accept).empty()) return true;
  while (!accept.empty()) {
    const auto comma = accept.find(',');
    const auto range = accept.substr(0, comma);
    const auto semicolon = range.find(';');
    const auto type = trimmed(range.substr(0, semicolon));
    const bool fits = type == "text/html" || type == "text/*" || type == "*/*";
    const bool refused =
        semicolon != std::string_view::npos && refused_by(range.substr(semicolon + 1));
    if (fits && !refused) return true;
    accept = comma == std::string_view::npos ? std::string_view{} : accept.substr(comma + 1);
  }
  return false;
}

void add_page_routes(http::Router& router, std::span<const Asset> assets) {
  for (const char* path : kPagePaths) {
    router.add("GET", path,
               [assets](const http::Request& request) { return serve_page(assets, request); });
  }
}

}  // namespace umbel::collector
