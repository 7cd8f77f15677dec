// Who holds a port: so that a taken one can be named with its holder, not only with its number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace umbel {

// Whether 127.0.0.1:port can be bound now.
[[nodiscard]] bool port_is_free(std::uint16_t port);

// The process that listens on `port`, as `pid 4711 (python3 -m http.server)`, found in /proc;
// nothing if it belongs to another user and we may not look.
[[nodiscard]] std::optional<std::string> port_holder(std::uint16_t port);

}  // namespace umbel
