#include "umbel/testing/cut_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "umbel/testing/server_port.hpp"

namespace umbel::testing {
namespace {

constexpr std::size_t kHeld = 64 * 1024;       // bytes of one way of one connection
constexpr std::chrono::milliseconds kTick{5};  // of slow()

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return name;
}

std::size_t index(Direction way) { return way == Direction::ToServer ? 0 : 1; }

}  // namespace

CutProxy::CutProxy(std::uint16_t server) : server_{server}, port_{server_port()} {
  if (pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error{"pipe2"};
  listen_again();
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

CutProxy::~CutProxy() {
  thread_.request_stop();
  wake();
  thread_.join();
  for (Link& link : links_) close_link(link, false);
  if (listener_ >= 0) close(listener_);
  close(wake_[0]);
  close(wake_[1]);
}

void CutProxy::listen_again() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in name = loopback(port_);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      listen(listener_, 64) != 0) {
    throw std::runtime_error{"the proxy's port is taken"};
  }
}

void CutProxy::wake() const {
  const char byte = 1;
  if (::write(wake_[1], &byte, 1) != 1) return;  // full: it will wake anyway
}

void CutProxy::cut_after(Direction way, std::uint64_t bytes) {
  const std::lock_guard lock{mutex_};
  left_[index(way)] = bytes;
}

void CutProxy::cut_now() {
  const std::lock_guard lock{mutex_};
  for (Link& link : links_) close_link(link, true);
  links_.clear();
  wake();
}

void CutProxy::stall(Direction way, bool stalled) {
  const std::lock_guard lock{mutex_};
  stalled_[index(way)] = stalled;
  wake();
}

void CutProxy::slow(std::uint64_t bytes_per_second) {
  const std::lock_guard lock{mutex_};
  rate_ = bytes_per_second;
  wake();
}

void CutProxy::refuse(bool refused) {
  const std::lock_guard lock{mutex_};
  if (refused && listener_ >= 0) {
    shutdown(listener_, SHUT_RDWR);  // poll() still has it, and would keep it listening
    close(listener_);
    listener_ = -1;
  } else if (!refused && listener_ < 0) {
    listen_again();
  }
  wake();
}

std::uint64_t CutProxy::forwarded(Direction way) const {
  const std::lock_guard lock{mutex_};
  return forwarded_[index(way)];
}

std::uint64_t CutProxy::accepted() const {
  const std::lock_guard lock{mutex_};
  return accepted_;
}

std::uint64_t CutProxy::cuts() const {
  const std::lock_guard lock{mutex_};
  return cuts_;
}

std::size_t CutProxy::open() const {
  const std::lock_guard lock{mutex_};
  return links_.size();
}

void CutProxy::run(const std::stop_token& stop) {
  auto last = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    std::vector<pollfd> watched;
    bool pacing = false;
    {
      const std::lock_guard lock{mutex_};
      watched.push_back({wake_[0], POLLIN, 0});
      if (listener_ >= 0) watched.push_back({listener_, POLLIN, 0});
      pacing = rate_ != 0 && !links_.empty();
      for (const Link& link : links_) {
        for (std::size_t way = 0; way < 2; ++way) {
          const Flow& flow = link.flows[way];
          if (stalled_[way]) continue;
          if (!flow.ended && flow.held.size() < kHeld) {
            watched.push_back({link.from(way), POLLIN, 0});
          }
          if (!flow.held.empty() && !pacing) watched.push_back({link.to(way), POLLOUT, 0});
        }
      }
    }
    poll(watched.data(), watched.size(), pacing ? static_cast<int>(kTick.count()) : -1);
    char drained[64];
    while (::read(wake_[0], drained, sizeof drained) > 0) {
    }
    const auto now = std::chrono::steady_clock::now();
    const double passed = std::chrono::duration<double>(now - last).count();
    last = now;
    const std::lock_guard lock{mutex_};
    accept_one();
    for (auto link = links_.begin(); link != links_.end();) {
      bool keep = true;
      for (std::size_t way = 0; way < 2 && keep; ++way) {
        Flow& flow = link->flows[way];
        const double rate = static_cast<double>(rate_);
        flow.credit = std::min(flow.credit + rate * passed, std::max(1.0, rate / 10));
        if (!stalled_[way]) keep = read(*link, way) && write(*link, way);
      }
      if (keep && link->flows[0].ended && link->flows[1].ended && link->flows[0].held.empty() &&
          link->flows[1].held.empty()) {
        close_link(*link, false);
        keep = false;
      }
      link = keep ? std::next(link) : links_.erase(link);
    }
  }
}

void CutProxy::accept_one() {
  if (listener_ < 0) return;
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in name = loopback(server_);
  // On loopback this answers at once, one way or the other.
  if (connect(server, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    close(server);
    close(client);
    return;
  }
  fcntl(server, F_SETFL, O_NONBLOCK);
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ++accepted_;
  links_.emplace_back();
  links_.back().client = client;
  links_.back().server = server;
}

bool CutProxy::read(Link& link, std::size_t way) {
  Flow& flow = link.flows[way];
  if (flow.ended || flow.held.size() >= kHeld) return true;
  char bytes[16 * 1024];
  const ssize_t got = recv(link.from(way), bytes, sizeof bytes, 0);
  if (got > 0) {
    flow.held.append(bytes, static_cast<std::size_t>(got));
  } else if (got == 0) {
    flow.ended = true;
    if (flow.held.empty()) shutdown(link.to(way), SHUT_WR);
  } else if (errno != EAGAIN && errno != EINTR) {
    close_link(link, true);
    return false;
  }
  return true;
}

bool CutProxy::write(Link& link, std::size_t way) {
  Flow& flow = link.flows[way];
  if (flow.held.empty()) return true;
  std::size_t most = flow.held.size();
  if (rate_ != 0) most = std::min(most, static_cast<std::size_t>(flow.credit));
  const bool cut = left_[way] && *left_[way] <= most;
  if (cut) most = static_cast<std::size_t>(*left_[way]);
  ssize_t sent = 0;
  if (most > 0) sent = send(link.to(way), flow.held.data(), most, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR) return true;
    close_link(link, true);
    return false;
  }
  const auto passed = static_cast<std::size_t>(sent);
  flow.held.erase(0, passed);
  flow.credit -= static_cast<double>(passed);
  forwarded_[way] += passed;
  if (left_[way]) *left_[way] -= passed;
  if (cut && passed == most) {
    left_[way].reset();
    ++cuts_;
    close_link(link, true);
    return false;
  }
  if (flow.held.empty() && flow.ended) shutdown(link.to(way), SHUT_WR);
  return true;
}

void CutProxy::close_link(Link& link, bool reset) {
  for (const int fd : {link.client, link.server}) {
    const linger at_once{1, 0};
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
  }
}

}  // namespace umbel::testing
