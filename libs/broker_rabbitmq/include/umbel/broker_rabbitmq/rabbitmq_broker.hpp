// The broker port over RabbitMQ, spoken as Celery speaks it: a Python process beside this one finds
// nothing that it would not have done itself.
//
// Connections are made on first use, one for publishing, one for consuming and one for events, and
// come back by themselves; opening works without a server. During an outage calls answer
// Unavailable at once; before it is known, within a few seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/broker_rabbitmq/amqp_url.hpp"

namespace umbel {

struct RabbitmqBrokerOptions {
  AmqpUrl url;
  std::chrono::milliseconds answer_limit{5'000};    // of a question to the server
  std::chrono::milliseconds confirm_limit{10'000};  // of a batch that is published
  // Of each subscriber's queue of events, in bytes; the oldest batches are cut off beyond it.
  std::uint64_t max_event_bytes = 256 * 1024 * 1024;
};

// `clock` outlives the broker and all that it made. What it made may outlive the broker.
[[nodiscard]] std::unique_ptr<Broker> open_rabbitmq_broker(RabbitmqBrokerOptions options,
                                                           const Clock& clock, Log log);

}  // namespace umbel
