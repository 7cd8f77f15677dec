#include "wake.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "umbel/base/ids.hpp"

namespace umbel::broker_sqlite {
namespace {

// A socket's path may have 107 bytes, and folders are often deeper than that: the way over our own
// descriptor of the folder is always short.
sockaddr_un address_of(int folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = "/proc/self/fd/" + std::to_string(folder) + "/" + name;
  std::memcpy(static_cast<void*>(address.sun_path), path.data(),
              std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return std::bit_cast<const sockaddr*>(&address);
}

int open_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return -1;
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int datagram_socket() { return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

WakeFolder::WakeFolder(const std::string& database_path, const Log& log)
    : folder_{open_folder(database_path + ".wake")}, sender_{datagram_socket()} {
  if (!folder_.valid() || !sender_.valid()) {
    log.warn("no wake-up between processes, messages wait for the next poll",
             {{"folder", database_path + ".wake"},
              {"reason", std::generic_category().message(errno)},
              {"poll_ms", kPollInterval.count()}});
    return;
  }
  sweep(database_path + ".wake");
}

void WakeFolder::sweep(const std::string& path) const {
  std::error_code failure;
  for (std::filesystem::directory_iterator entry{path, failure}, end; !failure && entry != end;
       entry.increment(failure)) {
    const auto name = entry->path().filename().string();
    const Descriptor probe{datagram_socket()};
    const auto address = address_of(folder_.get(), name);
    if (connect(probe.get(), generic(address), sizeof(address)) != 0 && errno == ECONNREFUSED) {
      unlink(name);
    }
  }
}

void WakeFolder::wake(std::span<const std::string> names) const {
  if (!folder_.valid()) return;
  for (const auto& name : names) {
    if (name.empty()) continue;
    const auto address = address_of(folder_.get(), name);
    const char byte = 1;
    if (sendto(sender_.get(), &byte, 1, MSG_NOSIGNAL, generic(address), sizeof(address)) < 0 &&
        errno == ECONNREFUSED) {
      unlink(name);  // names are never used twice: nobody new can be behind it
    }
  }
}

void WakeFolder::unlink(const std::string& name) const {
  if (folder_.valid() && !name.empty()) unlinkat(folder_.get(), name.c_str(), 0);
}

int WakeFolder::bind(const std::string& name) const {
  if (!folder_.valid()) return -1;
  const auto fd = datagram_socket();
  if (fd < 0) return -1;
  const auto address = address_of(folder_.get(), name);
  if (::bind(fd, generic(address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

WakeSocket::WakeSocket(const WakeFolder& folder)
    : folder_{folder}, name_{random_uuid()}, socket_{folder.bind(name_)} {
  if (!socket_.valid()) name_.clear();
}

WakeSocket::~WakeSocket() { folder_.unlink(name_); }

void WakeSocket::drain() const {
  if (!socket_.valid()) return;
  std::array<char, 8> bytes{};
  while (recv(socket_.get(), bytes.data(), bytes.size(), 0) >= 0) {
  }
}

Signal::Signal() : event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}

void Signal::raise() const {
  if (event_.valid()) eventfd_write(event_.get(), 1);
}

void Signal::clear() const {
  eventfd_t ignored = 0;
  if (event_.valid()) eventfd_read(event_.get(), &ignored);
}

Wait::Wait(std::chrono::milliseconds limit, std::stop_token stop)
    : until_{std::chrono::steady_clock::now() +
             std::min<std::chrono::milliseconds>(limit, std::chrono::hours{24 * 365})},
      stop_{std::move(stop)},
      on_stop_{stop_, OnStop{&stopped_}} {}

bool Wait::over() const {
  return stop_.stop_requested() || std::chrono::steady_clock::now() >= until_;
}

void Wait::for_any(std::span<const int> sockets, std::chrono::microseconds at_most) {
  std::array<pollfd, 4> polled{};
  polled[0] = {stopped_.fd(), POLLIN, 0};
  nfds_t count = 1;
  for (const auto fd : sockets.first(std::min<std::size_t>(sockets.size(), 3))) {
    polled.at(count++) = {fd, POLLIN, 0};  // poll ignores -1
  }
  const auto left = until_ - std::chrono::steady_clock::now();
  const auto wait =
      std::clamp<std::chrono::nanoseconds>(std::min<std::chrono::nanoseconds>(left, at_most),
                                           std::chrono::nanoseconds{0}, kPollInterval);
  const timespec time{.tv_sec = 0, .tv_nsec = static_cast<long>(wait.count())};
  ppoll(polled.data(), count, &time, nullptr);
}

}  // namespace umbel::broker_sqlite
