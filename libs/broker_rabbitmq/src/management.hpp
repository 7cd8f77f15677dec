// RabbitMQ's management API, for what AMQP does not tell of queues: what consumers hold, totals,
// and queues that this process has nothing to do with.
//
// Its figures are up to five seconds old. It is asked only if the broker URL names it; when it does
// not answer that is said once, and what only it knows is unknown.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/broker_rabbitmq/amqp_url.hpp"
#include "umbel/http/client.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel::broker_rabbitmq {

using QueuesByName = std::map<std::string, QueueFigures>;

// What `GET /api/queues/<vhost>` answered. Left out are queues that no task waits in: of remote
// control, of events, of results, and the levels of delay. Pure.
[[nodiscard]] Result<QueuesByName> read_queues(std::string_view json);

// Thread-safe.
class Management {
 public:
  // Without user and password in `url` those of `host` are used.
  Management(const std::string& url, const AmqpHost& host, const Clock& clock, Log log);

  // Nothing: it does not answer now.
  [[nodiscard]] std::optional<QueuesByName> queues();

 private:
  [[nodiscard]] Result<QueuesByName> ask();

  http::ClientRequest request_;
  std::string shown_;
  Outage outage_;
  std::mutex mutex_;
  http::Client client_;
  Steady::time_point next_try_{};
};

}  // namespace umbel::broker_rabbitmq
