// The server's sockets, found by their addresses among this process's descriptors.
//
// CivetWeb shows no descriptor, and looks at its stop flag only every two seconds while it waits on
// one. With the descriptor a connection can be ended at once, and a WebSocket can be written
// without ever blocking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

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

// Shuts down the accepted connections on `local_port` whose other ends are these (address and
// port): both sides see an end of file.
void shut_down_those(std::uint16_t local_port,
                     const std::set<std::pair<std::string, std::uint16_t>>& peers);

// The other ends of the accepted connections on `local_port`.
[[nodiscard]] std::set<std::pair<std::string, std::uint16_t>> peers_on(std::uint16_t local_port);

// Says that nothing more will be sent, and takes what still comes in, for a second and a mebibyte
// at most: a socket closed over unread bytes is reset, and the client may never see the last
// answer.
void finish_politely(const SocketHandle& socket);

// Raises this process's own limit on descriptors, if it may, so that `wanted` fit; answers the
// limit.
std::size_t allow_descriptors(std::size_t wanted);

// Shuts down every socket bound to `local_port`: the listener and the accepted connections. Their
// owners see an end of file.
void shut_down_all(std::uint16_t local_port);

// True: an IPv4 listener can be bound to it now. Port 0 always can.
[[nodiscard]] bool can_bind(const std::string& address, std::uint16_t port);

}  // namespace umbel::http
