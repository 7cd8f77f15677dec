// Who may speak to this server, judged by what a browser tells: the Host and the Origin of a
// request. Pure.
//
// Host: a page on another name can reach a server on this machine by pointing its own name at
// 127.0.0.1 (DNS rebinding); it cannot choose the Host header. Origin: a page elsewhere can post a
// form here, but the browser says where it comes from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace umbel::http {

struct Access {
  std::string address;                     // the one bound
  std::vector<std::string> allowed_hosts;  // names beside it; "*" allows any
};

// Nothing: fine. Otherwise what is wrong, in words that may be shown to anybody. `host` is the
// header's value with or without a port.
[[nodiscard]] std::optional<std::string> refuse_host(const Access& access, std::string_view host);

// The same for an Origin, which must be this very server as the Host header names it. Empty (no
// browser, or same-origin GET): fine.
[[nodiscard]] std::optional<std::string> refuse_origin(std::string_view origin,
                                                       std::string_view host);

}  // namespace umbel::http
