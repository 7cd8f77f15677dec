#include "dialogue.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace umbel::testing {

Dialogue::Dialogue(std::uint16_t port, std::chrono::milliseconds patience)
    : socket_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}, patience_{patience} {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return;
  close(socket_);
  throw std::runtime_error{fmt::format("nobody answers at port {}", port)};
}

Dialogue::~Dialogue() { close(socket_); }

void Dialogue::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) throw std::runtime_error{"the connection ended while a request was sent"};
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string Dialogue::receive(std::size_t bytes) {
  while (read_.size() < bytes) fill();
  std::string taken = read_.substr(0, bytes);
  read_.erase(0, bytes);
  return taken;
}

std::string Dialogue::line() {
  std::size_t end = 0;
  while ((end = read_.find("\r\n")) == std::string::npos) fill();
  std::string taken = receive(end + 2);
  taken.resize(end);
  return taken;
}

void Dialogue::fill() {
  pollfd wait{socket_, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(patience_.count())) != 1) {
    throw std::runtime_error{"no answer within the limit"};
  }
  char bytes[65536];
  const ssize_t got = recv(socket_, bytes, sizeof bytes, 0);
  if (got <= 0) throw std::runtime_error{"the connection ended before the answer"};
  read_.append(bytes, static_cast<std::size_t>(got));
}

}  // namespace umbel::testing
