// A port for a server that a test kills and starts again on the same one.
//
// It lies below the ephemeral ports, so that no outgoing connection takes it in between, and off
// the ports that installed servers have by default.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <stdexcept>

namespace umbel::testing {

// Free now on every address of this machine.
inline std::uint16_t server_port() {
  constexpr std::array kDefaults{std::uint16_t{15672}, std::uint16_t{15692}, std::uint16_t{25672}};
  std::random_device random;
  std::uniform_int_distribution<std::uint16_t> ports{10'000, 31'999};
  for (int tries = 0; tries < 1000; ++tries) {
    const std::uint16_t port = ports(random);
    if (std::find(kDefaults.begin(), kDefaults.end(), port) != kDefaults.end()) continue;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    address.sin_port = htons(port);
    const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    if (free) return port;
  }
  throw std::runtime_error{"no free port below the ephemeral ones"};
}

}  // namespace umbel::testing
