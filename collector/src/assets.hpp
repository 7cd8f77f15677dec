// The page's files, built into the program, and how they are served: under a strict content policy,
// compressed where the client can, for ever where the name carries a hash.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "umbel/http/message.hpp"

namespace umbel::collector {

struct Asset {
  std::string_view path;  // `/index.html`, `/assets/index-3f9c.js`
  std::string_view content_type;
  std::string_view etag;  // with its quotes
  std::string_view plain;
  std::string_view gzip;  // empty: not smaller
};

// Made by collector/web/scripts/embed.mjs when the page is built.
[[nodiscard]] std::span<const Asset> embedded_assets();

// `path` as asked; `/` is the page itself. 404 for an unknown one.
[[nodiscard]] http::Response serve_asset(std::span<const Asset> assets,
                                         const http::Request& request);

}  // namespace umbel::collector
