#include "web_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <span>
#include <utility>

namespace umbel::http {
namespace {

using std::chrono::milliseconds;

enum class Opcode : unsigned char { Text = 1, Close = 8, Ping = 9, Pong = 10 };

constexpr int kSendBuffer = 128 * 1024;  // bytes in the kernel for one client
constexpr milliseconds kLookAtSlow{500};
constexpr milliseconds kGoodbye{1000};  // for the client to read it and leave
constexpr std::size_t kLongestReason = 120;

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

// Frames that a client may send: some at once, then so many a second.
class FrameRate {
 public:
  [[nodiscard]] bool takes(std::uint64_t frames, Steady::time_point now) {
    const double passed = std::chrono::duration<double>(now - at_).count();
    at_ = now;
    left_ = std::min(kAtOnce, left_ + passed * kPerSecond) - static_cast<double>(frames);
    return left_ >= 0;
  }

 private:
  static constexpr double kAtOnce = 200, kPerSecond = 50;
  double left_ = kAtOnce;
  Steady::time_point at_ = Steady::now();
};

enum class Came { Bytes, Nothing, End };

Came wait_and_read(int descriptor, milliseconds most, std::span<char> into, std::size_t& size) {
  pollfd wait{descriptor, POLLIN, 0};
  const int ready = poll(&wait, 1, static_cast<int>(std::max(most, milliseconds{0}).count()));
  if (ready < 0) return errno == EINTR ? Came::Nothing : Came::End;
  if (ready == 0) return Came::Nothing;
  const ssize_t got = recv(descriptor, into.data(), into.size(), MSG_DONTWAIT);
  if (got > 0) {
    size = static_cast<std::size_t>(got);
    return Came::Bytes;
  }
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? Came::Nothing : Came::End;
}

// Takes in and forgets what a client still sends, so that the goodbye is not lost in a reset.
void wait_for_the_end(QueuedSocket& socket) {
  std::array<char, 16 * 1024> buffer{};
  const auto end = Steady::now() + kGoodbye;
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Steady::now());
    std::size_t size = 0;
    if (left.count() <= 0) return;
    if (wait_and_read(socket.descriptor(), left, buffer, size) == Came::End) return;
  }
}

}  // namespace

QueuedSocket::QueuedSocket(SocketHandle handle, QueueLimits limits, SocketWriter& writer)
    : handle_{std::move(handle)}, limits_{limits}, writer_{writer} {
  set_option(handle_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(handle_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);  // a peer that vanished, in ms
  set_option(handle_.get(), SOL_SOCKET, SO_SNDBUF, kSendBuffer);
}

bool QueuedSocket::send(std::shared_ptr<const std::string> text) {
  const std::size_t size = text->size();
  return enqueue({frame_head(Opcode::Text, size), std::move(text)});
}

void QueuedSocket::ping() { enqueue({frame_head(Opcode::Ping, 0), nullptr}); }

// RFC 6455, 5.5.3: of several pings the newest is answered, so that a flood of them fills nothing.
void QueuedSocket::pong(std::string_view payload) {
  {
    const std::lock_guard lock{mutex_};
    if (over_ || closing_) return;
    pong_ = frame_head(Opcode::Pong, payload.size()) + std::string{payload};
    if (std::exchange(at_writer_, true)) return;
  }
  writer_.has_more(shared_from_this());
}

void QueuedSocket::close(std::uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8U), static_cast<char>(code & 0xFFU)};
  payload += reason.substr(0, kLongestReason);
  enqueue({frame_head(Opcode::Close, payload.size()) + payload, nullptr}, true);
}

bool QueuedSocket::enqueue(Frame frame, bool last) {
  {
    const std::lock_guard lock{mutex_};
    if (over_ || closing_) return false;
    const std::size_t size = frame.head.size() + (frame.text ? frame.text->size() : 0);
    // A lone large message may pass, or a client with an empty queue could never be sent it.
    if (!queue_.empty() && queued_bytes_ + size > limits_.bytes) {
      behind_ = true;
      cut_off();
      return false;
    }
    queued_bytes_ += size;
    queue_.push_back(std::move(frame));
    closing_ = last;
    if (std::exchange(at_writer_, true)) return true;
  }
  writer_.has_more(shared_from_this());
  return true;
}

void QueuedSocket::detach() {
  const std::lock_guard lock{mutex_};
  cut_off();
}

short QueuedSocket::awaited() {
  const std::lock_guard lock{mutex_};
  return goodbye_ ? 0 : POLLOUT;  // its end is told in any case
}

bool QueuedSocket::fell_behind() {
  const std::lock_guard lock{mutex_};
  return behind_;
}

void QueuedSocket::cut_off() {
  over_ = true;
  queue_ = {};
  queued_bytes_ = 0;
  shutdown(handle_.get(), SHUT_RDWR);
}

QueuedSocket::Step QueuedSocket::write_some() {
  const std::lock_guard lock{mutex_};
  while (!over_ && (!queue_.empty() || !pong_.empty())) {
    if (written_ == 0 && !pong_.empty()) {
      queue_.push_front({std::exchange(pong_, {}), nullptr});
      queued_bytes_ += queue_.front().head.size();
    }
    const Frame& frame = queue_.front();
    const std::size_t text_size = frame.text ? frame.text->size() : 0;
    const bool in_head = written_ < frame.head.size();
    const std::string_view rest =
        in_head ? std::string_view{frame.head}.substr(written_)
                : std::string_view{*frame.text}.substr(written_ - frame.head.size());
    const int more = in_head && text_size > 0 ? MSG_MORE : 0;
    const ssize_t sent =
        ::send(handle_.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL | more);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (Steady::now() - frame.since < limits_.age) return Step::Waiting;
      behind_ = true;
      cut_off();  // it takes in something now and then, but not what is said
      break;
    }
    if (sent <= 0) {
      cut_off();
      break;
    }
    written_ += static_cast<std::size_t>(sent);
    if (written_ < frame.head.size() + text_size) continue;
    queued_bytes_ -= written_;
    written_ = 0;
    queue_.pop_front();
  }
  if (closing_ && !over_) {
    over_ = true;
    goodbye_ = Steady::now();
    shutdown(handle_.get(), SHUT_WR);
  }
  if (goodbye_ && Steady::now() - *goodbye_ < kGoodbye) return Step::Waiting;
  if (std::exchange(goodbye_, std::nullopt)) cut_off();
  at_writer_ = false;
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

void SocketWriter::add(const std::shared_ptr<QueuedSocket>& socket) {
  const std::lock_guard lock{mutex_};
  std::erase_if(all_, [](const auto& each) { return each.expired(); });
  all_.push_back(socket);
}

void SocketWriter::has_more(std::shared_ptr<QueuedSocket> socket) {
  bool first = false;
  {
    const std::lock_guard lock{mutex_};
    first = ready_.empty();
    ready_.push_back(std::move(socket));
  }
  if (first) wake();
}

void SocketWriter::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void SocketWriter::close_all() {
  std::vector<std::weak_ptr<QueuedSocket>> sockets;
  {
    const std::lock_guard lock{mutex_};
    sockets = all_;
  }
  for (const auto& each : sockets) {
    if (const auto socket = each.lock()) socket->detach();
  }
}

void SocketWriter::run(const std::stop_token& stop) {
  std::vector<std::shared_ptr<QueuedSocket>> waiting;
  std::vector<pollfd> waits;
  auto looked = Steady::now();
  while (!stop.stop_requested()) {
    waits.assign(1, {wake_.get(), POLLIN, 0});
    for (const auto& each : waiting) waits.push_back({each->handle_.get(), each->awaited(), 0});
    poll(waits.data(), waits.size(), waiting.empty() ? -1 : static_cast<int>(kLookAtSlow.count()));
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = read(wake_.get(), &ignored, sizeof ignored);
    const bool look_at_all = Steady::now() - looked >= kLookAtSlow;
    if (look_at_all) looked = Steady::now();
    std::vector<std::shared_ptr<QueuedSocket>> look, keep;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      (look_at_all || waits[i + 1].revents != 0 ? look : keep).push_back(std::move(waiting[i]));
    }
    {
      const std::lock_guard lock{mutex_};
      std::move(ready_.begin(), ready_.end(), std::back_inserter(look));
      ready_.clear();
    }
    for (auto& socket : look) {
      if (socket->write_some() == QueuedSocket::Step::Waiting) keep.push_back(std::move(socket));
    }
    waiting = std::move(keep);
  }
}

std::optional<WebSocketEnd> read_until_end(QueuedSocket& socket, const ServerTimes& times,
                                           std::size_t max_message, const FrameParser::Sink& sink) {
  FrameParser parser{max_message};
  FrameRate rate;
  std::array<char, 4096> buffer{};
  auto heard = Steady::now();
  auto pinged = heard;
  std::optional<WebSocketEnd> end;
  while (!end) {
    const auto now = Steady::now();
    if (now - heard >= times.silence) {
      socket.detach();
      return WebSocketEnd{kClosePolicy, "nothing was heard from it, not even an answer to a ping",
                          false};
    }
    if (now - std::max(heard, pinged) >= times.ping) {
      socket.ping();
      pinged = now;
    }
    const auto wake = std::min(heard + times.silence, std::max(heard, pinged) + times.ping);
    std::size_t size = 0;
    const auto wait = std::chrono::ceil<milliseconds>(wake - now);
    const Came came = wait_and_read(socket.descriptor(), wait, buffer, size);
    if (came == Came::End) {
      socket.detach();
      return std::nullopt;
    }
    if (came == Came::Nothing) continue;
    heard = Steady::now();
    const auto before = parser.frames();
    end = parser.feed({buffer.data(), size}, sink);
    if (!end && !rate.takes(parser.frames() - before, heard)) {
      end = WebSocketEnd{kClosePolicy, "too many messages", false};
    }
  }
  socket.close(end->code, end->reason);
  wait_for_the_end(socket);
  socket.detach();
  if (end->by_client) return std::nullopt;
  return end;
}

}  // namespace umbel::http
