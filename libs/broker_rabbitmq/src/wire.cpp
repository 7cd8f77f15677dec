#include "wire.hpp"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "field_table.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/text.hpp"

namespace umbel::broker_rabbitmq {
namespace {

constexpr std::chrono::milliseconds kConnectLimit{3000};
constexpr std::chrono::milliseconds kLoginLimit{5000};
constexpr int kFrameMax = 131072;
// A server counts for gone after so many agreed times without a byte from it, though it sends one
// in each half: what it takes for a moment's standstill would cost everything held here a second
// run. The library takes it for gone after two of the times that it is told.
constexpr int kServersPatience = 4;
constexpr int kLibrarysPatience = 2;

timeval as_timeval(std::chrono::milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
}

std::string system_text(int error) {
  return std::error_code{error, std::generic_category()}.message();
}

// A connected socket, or why there is none.
Result<int> connect_to(const addrinfo& address, const Shutter& shutter) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return unavailable("no socket: " + system_text(errno));
  const auto give_up = [fd](const std::string& why) {
    close(fd);
    return unavailable(why);
  };
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (connect(fd, address.ai_addr, address.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return give_up(system_text(errno));
  const auto deadline = Steady::now() + kConnectLimit;
  for (;;) {
    if (shutter.is_shut()) return give_up("closed meanwhile");
    pollfd waited{.fd = fd, .events = POLLOUT, .revents = 0};
    const int ready = poll(&waited, 1, 100);
    if (ready > 0) break;
    if (Steady::now() >= deadline) return give_up("no answer within 3 s");
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return give_up(system_text(error));
  return fd;
}

Result<int> connect_to(const AmqpHost& host, const Shutter& shutter) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error =
          getaddrinfo(host.host.c_str(), std::to_string(host.port).c_str(), &hints, &found);
      error != 0) {
    return unavailable(gai_strerror(error));
  }
  Result<int> connected = unavailable("no address");
  for (const auto* each = found; each != nullptr && !connected; each = each->ai_next) {
    connected = connect_to(*each, shutter);
  }
  freeaddrinfo(found);
  return connected;
}

// Who the server has to be. The library would compare names alone, and trust nobody by itself.
bool expect_host(SSL_CTX* context, const std::string& host) {
  auto* const wanted = SSL_CTX_get0_param(context);
  return X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1 ||
         X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size()) == 1;
}

Result<void> open_tls(amqp_connection_state_t state, const AmqpUrl& url, const AmqpHost& host) {
  auto* socket = amqp_ssl_socket_new(state);
  if (socket == nullptr) return unavailable("no TLS socket");
  auto* const context = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
  if (url.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);  // the machine's; none there: nobody is trusted
  } else if (amqp_ssl_socket_set_cacert(socket, url.ca_file.c_str()) != 0) {
    return unavailable(fmt::format("cacertfile `{}` cannot be read", url.ca_file));
  }
  if (!url.cert_file.empty() &&
      amqp_ssl_socket_set_key(socket, url.cert_file.c_str(), url.key_file.c_str()) != 0) {
    return unavailable(fmt::format("certfile `{}` and keyfile `{}` cannot be read or do not fit",
                                   url.cert_file, url.key_file));
  }
  amqp_ssl_socket_set_verify_peer(socket, url.verify ? 1 : 0);
  amqp_ssl_socket_set_verify_hostname(socket, 0);
  if (url.verify && !expect_host(context, host.host)) return unavailable("no room for TLS");
  amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
  const auto limit = as_timeval(kConnectLimit);
  const int status = amqp_socket_open_noblock(socket, host.host.c_str(), host.port, &limit);
  if (status != AMQP_STATUS_OK) return unavailable(amqp_error_string2(status));
  return {};
}

// What `reply` of a login says, or nothing.
std::optional<std::string> refusal(const amqp_rpc_reply_t& reply) {
  switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
      return std::nullopt;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
      if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const auto* close = static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
        return std::string{view(close->reply_text)};
      }
      return fmt::format("the server answered {}", amqp_method_name(reply.reply.id));
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
      // A server that is asked to log in without its notification of refusals hangs up.
      return std::string{amqp_error_string2(reply.library_error)};
    case AMQP_RESPONSE_NONE:
      break;
  }
  return std::string{"no answer"};
}

}  // namespace

void Shutter::open(int fd) {
  const std::lock_guard lock{mutex_};
  if (fd_ >= 0) close(fd_);
  fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (shut_) shutdown(fd, SHUT_RDWR);
}

void Shutter::closed() {
  const std::lock_guard lock{mutex_};
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void Shutter::shut() {
  const std::lock_guard lock{mutex_};
  shut_ = true;
  if (fd_ >= 0) shutdown(fd_, SHUT_RDWR);
}

Error library_error(const std::string& what, int status) {
  return unavailable(fmt::format("{}: {}", what, amqp_error_string2(status)));
}

Error server_error(const std::string& what, int code, std::string_view text) {
  Errc errc = Errc::Unavailable;
  if (code == AMQP_NOT_FOUND) errc = Errc::NotFound;
  if (code == AMQP_RESOURCE_LOCKED) errc = Errc::Conflict;
  if (code == AMQP_PRECONDITION_FAILED) errc = Errc::Conflict;
  if (code == AMQP_COMMAND_INVALID || code == AMQP_NOT_ALLOWED) errc = Errc::Invalid;
  return {errc, fmt::format("{}: RabbitMQ says {}", what, shortened(text, 500))};
}

Wire::Wire(Shutter& shutter, bool tls)
    : state_{amqp_new_connection()}, shutter_{shutter}, tls_{tls} {
  if (state_ == nullptr) throw std::bad_alloc{};
}

Wire::~Wire() {
  shutter_.closed();
  amqp_destroy_connection(state_);
}

Result<std::unique_ptr<Wire>> Wire::open(const AmqpUrl& url, const AmqpHost& host,
                                         const std::string& name, Shutter& shutter) {
  std::unique_ptr<Wire> wire{new Wire{shutter, host.tls}};
  const auto what = "RabbitMQ at " + host.shown();
  const auto failed = [&what](const std::string& why) {
    return unavailable(fmt::format("{}: {}", what, why));
  };
  if (host.tls) {
    if (const auto opened = open_tls(wire->state_, url, host); !opened) {
      return failed(opened.error().what);
    }
  } else {
    auto* socket = amqp_tcp_socket_new(wire->state_);
    if (socket == nullptr) throw std::bad_alloc{};
    const auto fd = connect_to(host, shutter);
    if (!fd) return failed(fd.error().what);
    amqp_tcp_socket_set_sockfd(socket, *fd);
  }
  wire->fd_ = amqp_get_sockfd(wire->state_);
  shutter.open(wire->fd_);

  const auto limit = as_timeval(kLoginLimit);
  amqp_set_handshake_timeout(wire->state_, &limit);
  amqp_set_rpc_timeout(wire->state_, &limit);
  std::array<amqp_table_entry_t, 5> capabilities{
      flag_field("publisher_confirms", true), flag_field("basic.nack", true),
      flag_field("connection.blocked", true), flag_field("consumer_cancel_notify", true),
      flag_field("authentication_failure_close", true)};
  amqp_table_entry_t abilities{bytes_of("capabilities"), {}};
  abilities.value.kind = AMQP_FIELD_KIND_TABLE;
  abilities.value.value.table = {static_cast<int>(capabilities.size()), capabilities.data()};
  std::array<amqp_table_entry_t, 3> entries{text_field("product", "Umbel"),
                                            text_field("connection_name", name.c_str()), abilities};
  const amqp_table_t properties{static_cast<int>(entries.size()), entries.data()};
  const auto reply = amqp_login_with_properties(
      wire->state_, host.vhost.c_str(), 0, kFrameMax, static_cast<int>(url.heartbeat.count()),
      &properties, AMQP_SASL_METHOD_PLAIN, host.user.c_str(), host.password.c_str());
  if (auto why = refusal(reply)) return failed(*why);
  const int heartbeat = amqp_get_heartbeat(wire->state_);
  wire->beat_every_ = std::chrono::milliseconds{heartbeat * 1000 / 2};
  const int status = amqp_tune_connection(wire->state_, amqp_get_channel_max(wire->state_),
                                          amqp_get_frame_max(wire->state_),
                                          heartbeat * kServersPatience / kLibrarysPatience);
  if (status != AMQP_STATUS_OK) return failed(amqp_error_string2(status));
  return wire;
}

Result<void> Wire::send(amqp_channel_t channel, amqp_method_number_t id, void* method) {
  spoke_ = true;
  const int status = amqp_send_method(state_, channel, id, method);
  if (status != AMQP_STATUS_OK) return library_error("RabbitMQ: sending failed", status);
  return {};
}

Result<void> Wire::publish(amqp_channel_t channel, const Outgoing& message) {
  spoke_ = true;
  const int status = amqp_basic_publish(state_, channel, bytes_of(message.exchange),
                                        bytes_of(message.routing_key), message.mandatory ? 1 : 0, 0,
                                        &message.properties(), bytes_of(message.body()));
  if (status != AMQP_STATUS_OK) return library_error("RabbitMQ: publishing failed", status);
  return {};
}

Result<std::optional<amqp_frame_t>> Wire::read() {
  using Maybe = std::optional<amqp_frame_t>;
  amqp_frame_t frame{};
  const timeval at_once{};
  const int status = amqp_simple_wait_frame_noblock(state_, &frame, &at_once);
  if (status == AMQP_STATUS_OK) return Result<Maybe>{Maybe{frame}};
  if (status == AMQP_STATUS_TIMEOUT) return Result<Maybe>{Maybe{}};
  return library_error("RabbitMQ: the connection is lost", status);
}

void Wire::release(amqp_channel_t channel) {
  amqp_maybe_release_buffers_on_channel(state_, channel);
}

bool Wire::holds_more() const {
  return tls_ || amqp_data_in_buffer(state_) != 0 || amqp_frames_enqueued(state_) != 0;
}

Result<void> Wire::beat() {
  if (beat_every_.count() == 0) return {};
  const auto now = Steady::now();
  if (std::exchange(spoke_, false)) spoke_at_ = now;
  if (now - spoke_at_ < beat_every_) return {};
  spoke_at_ = now;
  amqp_frame_t frame{};
  frame.frame_type = AMQP_FRAME_HEARTBEAT;
  const int status = amqp_send_frame(state_, &frame);
  if (status != AMQP_STATUS_OK) return library_error("RabbitMQ: sending failed", status);
  return {};
}

void Wire::cork(bool on) const {
  if (tls_) return;
  const int value = on ? 1 : 0;
  setsockopt(fd_, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

void Wire::goodbye() {
  const auto limit = as_timeval(std::chrono::seconds{1});
  amqp_set_rpc_timeout(state_, &limit);
  (void)amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
}

}  // namespace umbel::broker_rabbitmq
