// What the benchmarks over HTTP share: raw keep-alive connections, so that the client costs little.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace umbel::bench {

inline int connect_to(std::uint16_t port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const void* const raw = &name;
  if (connect(descriptor, static_cast<const sockaddr*>(raw), sizeof name) != 0) {
    throw std::runtime_error{"cannot connect to port " + std::to_string(port)};
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

inline void send_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(descriptor, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) throw std::runtime_error{"the server closed the connection"};
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Reads one response with a Content-Length; `rest` keeps what came beyond it.
inline std::string read_response(int descriptor, std::string& rest) {
  char bytes[16 * 1024];
  for (;;) {
    const auto head = rest.find("\r\n\r\n");
    if (head != std::string::npos) {
      const auto length = rest.find("Content-Length: ");
      const std::size_t body =
          length < head ? std::strtoul(rest.c_str() + length + 16, nullptr, 10) : 0;
      if (rest.size() >= head + 4 + body) {
        std::string response = rest.substr(0, head + 4 + body);
        rest.erase(0, head + 4 + body);
        return response;
      }
    }
    const ssize_t got = recv(descriptor, bytes, sizeof bytes, 0);
    if (got <= 0) throw std::runtime_error{"the server closed the connection"};
    rest.append(bytes, static_cast<std::size_t>(got));
  }
}

// Resident memory of this process, in bytes.
inline std::uint64_t resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace umbel::bench
