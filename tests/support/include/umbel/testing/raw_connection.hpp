// A plain TCP connection for tests: what a client really sends and gets, byte by byte, WebSocket
// frames included.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace umbel::testing {

class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port, int receive_buffer = 0)
      : socket_{socket(AF_INET, SOCK_STREAM, 0)} {
    if (receive_buffer > 0) {
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const void* const raw = &name;
    connected_ = connect(socket_, static_cast<const sockaddr*>(raw), sizeof name) == 0;
  }
  ~RawConnection() { close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // One HTTP response: its head and as much of a body as Content-Length says (nothing for HEAD).
  // Empty: closed or nothing within 10 s.
  std::string response(bool head_only = false) {
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return {};
    }
    std::size_t total = end + 4;
    const auto length = buffer_.find("Content-Length: ");
    if (!head_only && length < end)
      total += std::strtoul(buffer_.c_str() + length + 16, nullptr, 10);
    while (buffer_.size() < total) {
      if (!fill()) return {};
    }
    return take(total);
  }

  std::string ask(std::string_view request, bool head_only = false) {
    write(request);
    return response(head_only);
  }

  // A client's text frame; the mask is four zeros, which RFC 6455 does not forbid.
  void send_text(std::string_view text) const { send_frame(0x81, text); }
  void send_ping(std::string_view text) const { send_frame(0x89, text); }

  // The payload of the next frame of this opcode; nothing: closed or nothing within 10 s.
  std::optional<std::string> frame(unsigned char first_byte = 0x81) {
    for (;;) {
      if (!need(2)) return std::nullopt;
      std::size_t size = byte(1) & 0x7FU;
      std::size_t head = 2;
      if (size >= 126) {
        const std::size_t bytes = size == 126 ? 2 : 8;
        if (!need(2 + bytes)) return std::nullopt;
        size = 0;
        for (std::size_t i = 0; i < bytes; ++i) size = size << 8U | byte(2 + i);
        head += bytes;
      }
      if (!need(head + size)) return std::nullopt;
      const std::size_t kind = byte(0);
      std::string payload = take(head + size).substr(head);
      if (kind == first_byte) return payload;
      if (kind == 0x88) return std::nullopt;
    }
  }

  // True once the other side has closed.
  bool closed() {
    while (fill()) buffer_.clear();
    return ended_;
  }

 private:
  void send_frame(int first_byte, std::string_view text) const {
    std::string frame{static_cast<char>(first_byte)};
    frame.push_back(static_cast<char>(0x80U | text.size()));  // texts here are shorter than 126
    write(frame + std::string(4, '\0') + std::string{text});
  }
  [[nodiscard]] std::size_t byte(std::size_t at) const {
    return static_cast<unsigned char>(buffer_[at]);
  }
  bool need(std::size_t size) {
    while (buffer_.size() < size) {
      if (!fill()) return false;
    }
    return true;
  }
  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }
  bool fill() {
    pollfd wait{socket_, POLLIN, 0};
    if (poll(&wait, 1, 10'000) != 1) return false;
    char bytes[65536];
    const ssize_t got = recv(socket_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int socket_;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

inline std::string upgrade(std::string_view path, std::string_view more = "") {
  return "GET " + std::string{path} +
         " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         std::string{more} + "\r\n";
}

}  // namespace umbel::testing
