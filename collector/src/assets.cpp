#include "assets.hpp"

#include <algorithm>

namespace umbel::collector {
namespace {

// Nothing inline, nothing from elsewhere; `ws:` because 'self' covers WebSockets only in newer
// browsers.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src "
    "'self' data:; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'";

bool takes_gzip(const http::Request& request) {
  return request.header("accept-encoding").find("gzip") != std::string::npos;
}

}  // namespace

http::Response serve_asset(std::span<const Asset> assets, const http::Request& request) {
  const std::string path = request.path == "/" ? "/index.html" : request.path;
  const auto found = std::find_if(assets.begin(), assets.end(),
                                  [&](const Asset& asset) { return asset.path == path; });
  if (found == assets.end())
    return http::error_response(404, "there is nothing at " + request.path);
  const bool hashed = path.starts_with("/assets/");
  http::Response response;
  response.content_type = std::string{found->content_type};
  response.headers = {
      {"Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache"},
      {"ETag", std::string{found->etag}},
      {"Vary", "Accept, Accept-Encoding"},
      {"Content-Security-Policy", kPolicy}};
  if (request.header("if-none-match") == found->etag) {
    response.status = 304;
    return response;
  }
  const bool compressed = !found->gzip.empty() && takes_gzip(request);
  if (compressed) response.headers.emplace_back("Content-Encoding", "gzip");
  response.body = std::string{compressed ? found->gzip : found->plain};
  return response;
}

}  // namespace umbel::collector
