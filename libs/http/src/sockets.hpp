// The server's sockets, found by their addresses among this process's descriptors.
//
// CivetWeb shows no descriptor, and looks at its stop flag only every two seconds while it waits on
// one. With the descriptor a connection can be ended at once, and a WebSocket can be written
// without ever blocking.
#pragma once

#include <cstdint>
#include <string>

namespace umbel::http {

// An owned descriptor of ours for the same socket; -1: none.
class SocketHandle {
 public:
  explicit SocketHandle(int descriptor = -1) : descriptor_{descriptor} {}
  ~SocketHandle();
  SocketHandle(SocketHandle&& other) noexcept;
  SocketHandle& operator=(SocketHandle&&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// The accepted connection on `local_port` whose other end is `peer`:`peer_port`.
[[nodiscard]] SocketHandle connection_from(std::uint16_t local_port, const std::string& peer,
                                           std::uint16_t peer_port);

// Shuts down every socket bound to `local_port`: the listener and the accepted connections. Their
// owners see an end of file.
void shut_down_all(std::uint16_t local_port);

// True: an IPv4 listener can be bound to it now. Port 0 always can.
[[nodiscard]] bool can_bind(const std::string& address, std::uint16_t port);

}  // namespace umbel::http
