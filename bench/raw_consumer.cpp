#include "raw_consumer.hpp"

#include <amqp.h>
#include <amqp_tcp_socket.h>

#include <array>
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

RawProducer::RawProducer(const RawConsumer& to)
    : connection_{std::make_unique<AmqpConnection>(to)}, queue_{to.queue} {}

RawProducer::~RawProducer() = default;

void RawProducer::publish(const std::string& task, const std::string& id, const std::string& args) {
  const auto bytes = [](const std::string& text) {
    return amqp_bytes_t{text.size(), const_cast<char*>(text.data())};
  };
  const auto entry = [](const char* name, std::uint8_t kind) {
    amqp_table_entry_t made{amqp_cstring_bytes(name), {}};
    made.value.kind = kind;
    return made;
  };
  const auto text = [&](const char* name, amqp_bytes_t value) {
    auto made = entry(name, AMQP_FIELD_KIND_UTF8);
    made.value.value.bytes = value;
    return made;
  };
  const auto nothing = [&](const char* name) { return entry(name, AMQP_FIELD_KIND_VOID); };
  std::array<amqp_field_value_t, 2> limits{};
  for (auto& limit : limits) limit.kind = AMQP_FIELD_KIND_VOID;
  auto timelimit = entry("timelimit", AMQP_FIELD_KIND_ARRAY);
  timelimit.value.value.array = {limits.size(), limits.data()};
  auto retries = entry("retries", AMQP_FIELD_KIND_I32);
  retries.value.value.i32 = 0;
  auto ignore_result = entry("ignore_result", AMQP_FIELD_KIND_BOOLEAN);
  ignore_result.value.value.boolean = 0;
  std::array<amqp_table_entry_t, 16> headers{text("lang", amqp_cstring_bytes("py")),
                                             text("task", bytes(task)),
                                             text("id", bytes(id)),
                                             nothing("shadow"),
                                             nothing("eta"),
                                             nothing("expires"),
                                             nothing("group"),
                                             nothing("group_index"),
                                             retries,
                                             timelimit,
                                             text("root_id", bytes(id)),
                                             nothing("parent_id"),
                                             text("argsrepr", bytes(args)),
                                             text("kwargsrepr", amqp_cstring_bytes("{}")),
                                             text("origin", amqp_cstring_bytes("gen1@bench")),
                                             ignore_result};
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
                      AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                      AMQP_BASIC_PRIORITY_FLAG | AMQP_BASIC_CORRELATION_ID_FLAG;
  properties.content_type = amqp_cstring_bytes("application/json");
  properties.content_encoding = amqp_cstring_bytes("utf-8");
  properties.headers = {headers.size(), headers.data()};
  properties.delivery_mode = 2;
  properties.correlation_id = bytes(id);
  const std::string body =
      "[" + args + R"(, {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}])";
  if (amqp_basic_publish(connection_->state, kChannel, amqp_empty_bytes, bytes(queue_), 0, 0,
                         &properties, bytes(body)) != AMQP_STATUS_OK) {
    throw std::runtime_error{"raw producer: publishing failed"};
  }
}

void run_raw_consumer(const RawConsumer& from, std::size_t together) {
  const AmqpConnection connection{from};
  amqp_basic_qos(connection.state, kChannel, 0, static_cast<std::uint16_t>(from.prefetch), 0);
  need(amqp_get_rpc_reply(connection.state), "qos");
  amqp_basic_consume(connection.state, kChannel, amqp_cstring_bytes(from.queue.c_str()),
                     amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  need(amqp_get_rpc_reply(connection.state), "consume");
  for (std::size_t taken = 1;; ++taken) {
    amqp_maybe_release_buffers(connection.state);
    amqp_envelope_t envelope;
    need(amqp_consume_message(connection.state, &envelope, nullptr, 0), "message");
    if (envelope.message.body.len == 0) throw std::runtime_error{"raw consumer: an empty message"};
    if (taken % together == 0) {
      const int many = together > 1 ? 1 : 0;
      if (amqp_basic_ack(connection.state, kChannel, envelope.delivery_tag, many) !=
          AMQP_STATUS_OK) {
        throw std::runtime_error{"raw consumer: ack"};
      }
    }
    amqp_destroy_envelope(&envelope);
  }
}

}  // namespace umbel::bench
