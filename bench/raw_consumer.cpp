#include "raw_consumer.hpp"

#include <amqp.h>
#include <amqp_tcp_socket.h>

#include <chrono>
#include <stdexcept>

namespace umbel::bench {
namespace {

constexpr amqp_channel_t kChannel = 1;

void need(amqp_rpc_reply_t reply, const char* what) {
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
    throw std::runtime_error{std::string{"raw consumer: "} + what};
  }
}

}  // namespace

struct AmqpConnection {
  explicit AmqpConnection(const RawConsumer& from) : state{amqp_new_connection()} {
    amqp_socket_t* const socket = amqp_tcp_socket_new(state);
    if (amqp_socket_open(socket, "127.0.0.1", from.port) != AMQP_STATUS_OK) {
      throw std::runtime_error{"raw consumer: no connection"};
    }
    need(amqp_login(state, from.vhost.c_str(), 0, 131072, 0, AMQP_SASL_METHOD_PLAIN,
                    from.user.c_str(), from.password.c_str()),
         "login");
    amqp_channel_open(state, kChannel);
    need(amqp_get_rpc_reply(state), "channel");
  }
  ~AmqpConnection() {
    amqp_connection_close(state, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state);
  }
  AmqpConnection(const AmqpConnection&) = delete;
  AmqpConnection& operator=(const AmqpConnection&) = delete;
  amqp_connection_state_t state;
};

QueueGauge::QueueGauge(const RawConsumer& from)
    : connection_{std::make_unique<AmqpConnection>(from)}, queue_{from.queue} {}

QueueGauge::~QueueGauge() = default;

std::size_t QueueGauge::ready() {
  const auto* const queue =
      amqp_queue_declare(connection_->state, kChannel, amqp_cstring_bytes(queue_.c_str()), 1, 0, 0,
                         0, amqp_empty_table);
  need(amqp_get_rpc_reply(connection_->state), "queue");
  const std::size_t count = queue->message_count;
  amqp_maybe_release_buffers(connection_->state);
  return count;
}

double run_raw_consumer(const RawConsumer& from, std::size_t messages, std::size_t together) {
  const AmqpConnection connection{from};
  amqp_basic_qos(connection.state, kChannel, 0, static_cast<std::uint16_t>(from.prefetch), 0);
  need(amqp_get_rpc_reply(connection.state), "qos");
  amqp_basic_consume(connection.state, kChannel, amqp_cstring_bytes(from.queue.c_str()),
                     amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  need(amqp_get_rpc_reply(connection.state), "consume");
  std::chrono::steady_clock::time_point begin;
  std::size_t bytes = 0;
  for (std::size_t taken = 1; taken <= messages; ++taken) {
    amqp_maybe_release_buffers(connection.state);
    amqp_envelope_t envelope;
    need(amqp_consume_message(connection.state, &envelope, nullptr, 0), "message");
    if (taken == 1) begin = std::chrono::steady_clock::now();
    bytes += envelope.message.body.len;
    if (taken % together == 0 || taken == messages) {
      const int many = together > 1 ? 1 : 0;
      if (amqp_basic_ack(connection.state, kChannel, envelope.delivery_tag, many) !=
          AMQP_STATUS_OK) {
        throw std::runtime_error{"raw consumer: ack"};
      }
    }
    amqp_destroy_envelope(&envelope);
  }
  if (bytes == 0) throw std::runtime_error{"raw consumer: empty messages"};
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace umbel::bench
