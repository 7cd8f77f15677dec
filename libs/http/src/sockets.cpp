#include "sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

namespace umbel::http {
namespace {

using NameCall = int (*)(int, sockaddr*, socklen_t*);

std::optional<sockaddr_in> address_of(int descriptor, NameCall call) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  void* const raw = &storage;
  if (call(descriptor, static_cast<sockaddr*>(raw), &size) != 0) return std::nullopt;
  if (storage.ss_family != AF_INET) return std::nullopt;
  sockaddr_in address{};
  std::memcpy(&address, &storage, sizeof address);
  return address;
}

void for_each_socket_on(std::uint16_t local_port, const std::function<void(int)>& visit) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd", error}) {
    const std::string name = entry.path().filename().string();
    int descriptor = -1;
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (descriptor < 0) continue;
    const auto local = address_of(descriptor, &getsockname);
    if (local && ntohs(local->sin_port) == local_port) visit(descriptor);
  }
}

}  // namespace

SocketHandle::~SocketHandle() {
  if (descriptor_ >= 0) close(descriptor_);
}

SocketHandle::SocketHandle(SocketHandle&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)} {}

SocketHandle connection_from(std::uint16_t local_port, const std::string& peer,
                             std::uint16_t peer_port) {
  int found = -1;
  for_each_socket_on(local_port, [&](int descriptor) {
    const auto other = address_of(descriptor, &getpeername);
    if (found >= 0 || !other || ntohs(other->sin_port) != peer_port) return;
    char text[INET_ADDRSTRLEN] = {};
    inet_ntop(AF_INET, &other->sin_addr, text, sizeof text);
    if (peer == text) found = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  });
  return SocketHandle{found};
}

void shut_down_all(std::uint16_t local_port) {
  for_each_socket_on(local_port, [](int descriptor) { shutdown(descriptor, SHUT_RDWR); });
}

bool can_bind(const std::string& address, std::uint16_t port) {
  if (port == 0) return true;
  const SocketHandle probe{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const int on = 1;
  setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  const void* const raw = &name;
  if (bind(probe.get(), static_cast<const sockaddr*>(raw), sizeof name) != 0) {
    return errno != EADDRINUSE;
  }
  return listen(probe.get(), 1) == 0;
}

}  // namespace umbel::http
