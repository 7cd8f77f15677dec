#include "socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

namespace umbel::redis {
namespace {

std::string words_of(int error) { return std::system_category().message(error); }

// True: something can be done now, be it only to learn of an error.
Result<bool> wait(int fd, short events, Steady::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now()).count();
    if (left <= 0) return false;
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return unavailable("waiting failed: " + words_of(errno));
  }
}

struct Address {
  int family = AF_UNSPEC;
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

Result<std::unique_ptr<Socket>> dial(const Address& address, Steady::time_point until) {
  const int fd = ::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return unavailable("no socket: " + words_of(errno));
  auto socket = std::make_unique<Socket>(fd);
  if (address.family != AF_UNIX) {
    const int on = 1;
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0) {
    return socket;
  }
  if (errno != EINPROGRESS) return unavailable(words_of(errno));
  const auto ready = wait(fd, POLLOUT, until);
  if (!ready) return ready.error();
  if (!*ready) return Error{Errc::TimedOut, "no connection in time"};
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return unavailable(words_of(error));
  return socket;
}

}  // namespace

Result<std::unique_ptr<Socket>> Socket::connect(const std::string& host, std::uint16_t port,
                                                Steady::time_point until) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const auto text = std::to_string(port);
  if (const int failed = ::getaddrinfo(host.c_str(), text.c_str(), &hints, &found); failed != 0) {
    return unavailable("the host's name has no address: " + std::string{::gai_strerror(failed)});
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all{found, &::freeaddrinfo};
  Error last = unavailable("the host's name has no address");
  // Each has its share of the time: behind an address that nobody answers there may be another.
  int left = 0;
  for (const addrinfo* one = all.get(); one != nullptr; one = one->ai_next) ++left;
  for (const addrinfo* one = all.get(); one != nullptr; one = one->ai_next) {
    Address address;
    if (one->ai_addrlen > sizeof address.bytes) continue;
    address.family = one->ai_family;
    address.size = one->ai_addrlen;
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    const auto now = Steady::now();
    auto socket = dial(address, now + (until - now) / std::max(left--, 1));
    if (socket) return socket;
    last = socket.error();
  }
  return last;
}

Result<std::unique_ptr<Socket>> Socket::connect(const std::string& path, Steady::time_point until) {
  sockaddr_un name{};
  if (path.size() >= sizeof name.sun_path) return invalid("the socket's path is too long");
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  Address address;
  address.family = AF_UNIX;
  address.size = sizeof name;
  std::memcpy(&address.bytes, &name, sizeof name);
  return dial(address, until);
}

Socket::~Socket() { ::close(fd_); }

Result<void> Socket::write(std::string_view bytes, Steady::time_point until) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return unavailable(words_of(errno));
    const auto ready = wait(fd_, POLLOUT, until);
    if (!ready) return ready.error();
    if (!*ready) return Error{Errc::TimedOut, "not all was taken in time"};
  }
  return {};
}

Result<std::size_t> Socket::read(std::span<char> into, Steady::time_point until) {
  for (;;) {
    const auto got = ::recv(fd_, into.data(), into.size(), 0);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return unavailable("the connection was closed by the other side");
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return unavailable(words_of(errno));
    const auto ready = wait(fd_, POLLIN, until);
    if (!ready) return ready.error();
    if (!*ready) return Error{Errc::TimedOut, "no answer in time"};
  }
}

}  // namespace umbel::redis
