// A message between the port's words and AMQP's properties.
//
// AMQP has no place for three of the things that a message here has: the instant it was published
// (its timestamp has whole seconds), the instant it expires (its `expiration` makes the server drop
// it without a trace), and the instant before which it may not be delivered. They travel in
// `message_id`, which Celery does not use: `umbel:p=<micros>;e=<micros>;n=<micros>`.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/model/message.hpp"

namespace umbel::broker_rabbitmq {

struct Marks {
  std::optional<WallTime> published, expires, not_before;
  friend bool operator==(const Marks&, const Marks&) = default;
};

[[nodiscard]] std::string marks_text(const Marks& marks);
[[nodiscard]] Marks read_marks(std::string_view message_id);  // foreign: none

// Ready to be sent; owns all that its properties point at.
class Outgoing {
 public:
  std::string exchange, routing_key;
  bool mandatory = false;

  // Invalid: what AMQP cannot carry.
  [[nodiscard]] static Result<std::unique_ptr<Outgoing>> of(const Message& message,
                                                            const Marks& marks, bool durable);
  // A batch of events: transient, with the sender's node in the header that gossip reads.
  [[nodiscard]] static std::unique_ptr<Outgoing> event(std::string_view body,
                                                       const std::string& node, WallTime now);

  [[nodiscard]] const amqp_basic_properties_t& properties() const { return properties_; }
  [[nodiscard]] const std::string& body() const { return body_; }

 private:
  std::pmr::monotonic_buffer_resource memory_{1024};
  amqp_basic_properties_t properties_{};
  std::string content_type_, content_encoding_, correlation_id_, reply_to_, message_id_, body_;
};

struct Incoming {
  Message message;
  Marks marks;
  std::optional<WallTime> timestamp;  // AMQP's, in whole seconds; Celery sends none
};

// Everything but the body. `now` is when it arrived: `expiration` counts from there.
[[nodiscard]] Incoming read_properties(const amqp_basic_properties_t& properties, WallTime now);

}  // namespace umbel::broker_rabbitmq
