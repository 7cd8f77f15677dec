// URL to adapter: the one place that knows which engines exist.
//
//   sqlite:PATH[?synchronous=full]     one machine, no server; PATH is relative to the working
//   directory
//   amqp://USER:PASSWORD@HOST:PORT/VHOST, amqps://, pyamqp://     RabbitMQ, for brokers only; what
//   else such a URL may say is in broker_rabbitmq/amqp_url.hpp
#pragma once

#include <memory>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/history/history.hpp"
#include "umbel/results/caller_results.hpp"
#include "umbel/store/store.hpp"

namespace umbel {

// Invalid: the URL has no known scheme or a wrong option; the message says which schemes there are.
// `clock` outlives what is returned.
[[nodiscard]] Result<std::unique_ptr<Broker>> open_broker(const std::string& url,
                                                          const Clock& clock, const Log& log);
[[nodiscard]] Result<std::unique_ptr<Store>> open_store(const std::string& url, const Clock& clock,
                                                        const Log& log);
// The history lies beside the store: a folder `history` next to the store's file.
[[nodiscard]] Result<std::unique_ptr<History>> open_history(const std::string& store_url,
                                                            const Clock& clock, const Log& log);

// Where callers outside read their results, beside the store:
//
//   rpc:// or nothing      the queue that came with each message, over `broker`
//   redis://…, redis+socket://…     what such a URL may say is in results_redis/redis_url.hpp
//   none                   nowhere: then null is answered
//
// `broker` outlives what is returned. Null is for who only reads, as a monitor: where nothing is
// kept there is nothing for it, and null is answered.
[[nodiscard]] Result<std::unique_ptr<CallerResults>> open_caller_results(const std::string& url,
                                                                         Broker* broker);

}  // namespace umbel
