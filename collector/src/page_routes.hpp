// The addresses of the page: each view has its own, and all of them are the same file, which finds
// out by itself what it is to show.
#pragma once

#include <array>
#include <span>

#include "assets.hpp"
#include "umbel/http/router.hpp"

namespace umbel::collector {

// Paths as the router knows them. A name in the last part may have slashes.
inline constexpr std::array kPagePaths{"/tasks",
                                       "/task/<id>",
                                       "/names",
                                       "/name/<name...>",
                                       "/workers",
                                       "/worker/<name...>",
                                       "/queues",
                                       "/broker",
                                       "/queue/<name...>",
                                       "/schedule",
                                       "/schedule/<name...>",
                                       "/errors",
                                       "/error/<fingerprint>",
                                       "/submissions",
                                       "/system"};

// A client that takes no HTML (`Accept: application/json`) is answered 406 and told where the data
// is. `assets` outlive the router.
void add_page_routes(http::Router& router, std::span<const Asset> assets);

// Whether this header takes HTML; an empty one takes everything.
[[nodiscard]] bool takes_html(std::string_view accept);

}  // namespace umbel::collector
