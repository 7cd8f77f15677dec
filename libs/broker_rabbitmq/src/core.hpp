// What the parts of one opened broker share: its connections, made when they are first needed. It
// lives until the last of them is gone, so that a consumer may outlive the Broker that made it.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "link.hpp"
#include "management.hpp"
#include "publisher.hpp"
#include "topology.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"

namespace umbel::broker_rabbitmq {

class Core {
 public:
  Core(RabbitmqBrokerOptions options, const Clock& clock, Log log);

  // A server that runs low stops reading from whoever publishes, so each has a connection of its
  // own: acknowledgements must never wait behind messages.
  [[nodiscard]] Link& publishing();
  [[nodiscard]] Link* publishing_if_any();  // null: nothing was published yet
  [[nodiscard]] Link& consuming();
  [[nodiscard]] Link& events();

  [[nodiscard]] Publisher& publisher() { return *publisher_; }
  [[nodiscard]] const std::shared_ptr<Publisher>& shared_publisher() { return publisher_; }
  [[nodiscard]] const std::shared_ptr<LoosePublisher>& replies() { return replies_; }
  [[nodiscard]] const std::shared_ptr<LoosePublisher>& event_publisher() {
    return event_publisher_;
  }

  [[nodiscard]] Management* management() const { return management_.get(); }  // null: none named

  const RabbitmqBrokerOptions options;
  const Clock& clock;
  const Log log;
  const Topology topology;
  const std::shared_ptr<KnownQueues> known = std::make_shared<KnownQueues>();

 private:
  [[nodiscard]] Link& link(std::unique_ptr<Link>& place, const char* purpose,
                           std::initializer_list<std::shared_ptr<ChannelUser>> users);

  const std::shared_ptr<SharedOutage> outage_;
  const std::shared_ptr<Publisher> publisher_;
  const std::shared_ptr<LoosePublisher> replies_ = std::make_shared<LoosePublisher>();
  const std::shared_ptr<LoosePublisher> event_publisher_ = std::make_shared<LoosePublisher>();
  const std::unique_ptr<Management> management_;
  std::mutex mutex_;
  std::unique_ptr<Link> publishing_, consuming_, events_;
};

}  // namespace umbel::broker_rabbitmq
