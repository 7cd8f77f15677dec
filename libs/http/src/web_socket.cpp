#include "web_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace umbel::http {
namespace {

enum class Opcode : unsigned char { Text = 1, Close = 8, Pong = 10 };

// RFC 6455, 5.2: a server's frames are not masked.
std::string frame_head(Opcode opcode, std::size_t size) {
  std::string head;
  head.push_back(static_cast<char>(0x80U | static_cast<unsigned>(opcode)));
  if (size < 126) {
    head.push_back(static_cast<char>(size));
    return head;
  }
  const int bytes = size < 65536 ? 2 : 8;
  head.push_back(static_cast<char>(bytes == 2 ? 126 : 127));
  for (int i = bytes - 1; i >= 0; --i) head.push_back(static_cast<char>((size >> (8 * i)) & 0xFFU));
  return head;
}

void set_option(int descriptor, int level, int name, int value) {
  setsockopt(descriptor, level, name, &value, sizeof value);
}

}  // namespace

QueuedSocket::QueuedSocket(SocketHandle handle, std::size_t max_queued, SocketWriter& writer)
    : handle_{std::move(handle)}, max_queued_{max_queued}, writer_{writer} {
  set_option(handle_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(handle_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);  // a peer that vanished, in ms
  set_option(handle_.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(handle_.get(), IPPROTO_TCP, TCP_KEEPIDLE, 30);
}

bool QueuedSocket::send(std::shared_ptr<const std::string> text) {
  const std::size_t size = text->size();
  return enqueue({frame_head(Opcode::Text, size), std::move(text)});
}

void QueuedSocket::pong(std::string_view payload) {
  enqueue({frame_head(Opcode::Pong, payload.size()) + std::string{payload}, nullptr});
}

void QueuedSocket::close() {
  constexpr std::string_view kNormal = "\x03\xe8";  // 1000
  enqueue({frame_head(Opcode::Close, kNormal.size()) + std::string{kNormal}, nullptr}, true);
}

bool QueuedSocket::enqueue(Frame frame, bool last) {
  {
    const std::lock_guard lock{mutex_};
    if (over_ || closing_) return false;
    const std::size_t size = frame.head.size() + (frame.text ? frame.text->size() : 0);
    // A lone large message may pass, or a client with an empty queue could never be sent it.
    if (!queue_.empty() && queued_bytes_ + size > max_queued_) {
      cut_off();
      return false;
    }
    queued_bytes_ += size;
    queue_.push_back(std::move(frame));
    closing_ = last;
  }
  writer_.wake();
  return true;
}

void QueuedSocket::detach() {
  const std::lock_guard lock{mutex_};
  cut_off();
}

void QueuedSocket::cut_off() {
  over_ = true;
  queue_.clear();
  queued_bytes_ = 0;
  shutdown(handle_.get(), SHUT_RDWR);
}

QueuedSocket::Step QueuedSocket::write_some() {
  const std::lock_guard lock{mutex_};
  while (!over_ && !queue_.empty()) {
    const Frame& frame = queue_.front();
    const std::size_t text_size = frame.text ? frame.text->size() : 0;
    const bool in_head = written_ < frame.head.size();
    const std::string_view rest =
        in_head ? std::string_view{frame.head}.substr(written_)
                : std::string_view{*frame.text}.substr(written_ - frame.head.size());
    const int more = in_head && text_size > 0 ? MSG_MORE : 0;
    const ssize_t sent =
        ::send(handle_.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL | more);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      return Step::Blocked;
    if (sent <= 0) {
      cut_off();
      return Step::Over;
    }
    written_ += static_cast<std::size_t>(sent);
    if (written_ < frame.head.size() + text_size) continue;
    queued_bytes_ -= written_;
    written_ = 0;
    queue_.pop_front();
  }
  if (closing_ && !over_) cut_off();
  return over_ ? Step::Over : Step::Idle;
}

SocketWriter::SocketWriter()
    : wake_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}, thread_{[this](const std::stop_token& stop) {
        run(stop);
      }} {}

SocketWriter::~SocketWriter() {
  thread_.request_stop();
  wake();
}

void SocketWriter::add(std::shared_ptr<QueuedSocket> socket) {
  {
    const std::lock_guard lock{mutex_};
    sockets_.push_back(socket);
  }
  wake();
}

void SocketWriter::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void SocketWriter::close_all() {
  std::vector<std::weak_ptr<QueuedSocket>> sockets;
  {
    const std::lock_guard lock{mutex_};
    sockets = sockets_;
  }
  for (const auto& each : sockets) {
    if (const auto socket = each.lock()) socket->detach();
  }
}

void SocketWriter::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<std::shared_ptr<QueuedSocket>> live;
    {
      const std::lock_guard lock{mutex_};
      std::erase_if(sockets_, [](const auto& each) { return each.expired(); });
      for (const auto& each : sockets_) {
        if (auto socket = each.lock()) live.push_back(std::move(socket));
      }
    }
    std::vector<pollfd> waits{{wake_.get(), POLLIN, 0}};
    std::vector<std::shared_ptr<QueuedSocket>> kept;  // their descriptors must outlive the poll
    for (const auto& socket : live) {
      if (socket->write_some() != QueuedSocket::Step::Blocked) continue;
      waits.push_back({socket->handle_.get(), POLLOUT, 0});
      kept.push_back(socket);
    }
    live.clear();
    poll(waits.data(), waits.size(), -1);
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = read(wake_.get(), &ignored, sizeof ignored);
  }
}

}  // namespace umbel::http
