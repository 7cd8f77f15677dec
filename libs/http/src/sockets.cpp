#include "sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
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

std::string text_of(const sockaddr_in& address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  return text.data();
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
    if (peer == text_of(*other)) found = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  });
  return SocketHandle{found};
}

void shut_down_those(std::uint16_t local_port,
                     const std::set<std::pair<std::string, std::uint16_t>>& peers) {
  for_each_socket_on(local_port, [&](int descriptor) {
    const auto other = address_of(descriptor, &getpeername);
    if (other && peers.contains({text_of(*other), ntohs(other->sin_port)})) {
      shutdown(descriptor, SHUT_RDWR);
    }
  });
}

std::set<std::pair<std::string, std::uint16_t>> peers_on(std::uint16_t local_port) {
  std::set<std::pair<std::string, std::uint16_t>> peers;
  for_each_socket_on(local_port, [&](int descriptor) {
    if (const auto other = address_of(descriptor, &getpeername)) {
      peers.emplace(text_of(*other), ntohs(other->sin_port));
    }
  });
  return peers;
}

void finish_politely(const SocketHandle& socket) {
  constexpr std::size_t kMost = 1024 * 1024;
  constexpr std::chrono::milliseconds kQuiet{150};
  if (socket.get() < 0) return;
  shutdown(socket.get(), SHUT_WR);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{1};
  std::array<char, 16 * 1024> buffer{};
  for (std::size_t total = 0; total < kMost && std::chrono::steady_clock::now() < end;) {
    pollfd wait{socket.get(), POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(kQuiet.count())) != 1) return;
    const ssize_t got = recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return;
    total += static_cast<std::size_t>(got);
  }
}

std::size_t allow_descriptors(std::size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return static_cast<std::size_t>(limit.rlim_cur);
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
