#include "core.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

namespace umbel::broker_rabbitmq {

Core::Core(RabbitmqBrokerOptions with, const Clock& its_clock, Log its_log)
    : options{std::move(with)},
      clock{its_clock},
      log{std::move(its_log)},
      topology{options.url.queue_type, options.url.max_priority.value_or(0)},
      outage_{std::make_shared<SharedOutage>(clock, log)},
      publisher_{std::make_shared<Publisher>(topology)},
      management_{options.url.management.empty()
                      ? nullptr
                      : std::make_unique<Management>(options.url.management,
                                                     options.url.hosts.front(), clock, log)} {}

Link& Core::link(std::unique_ptr<Link>& place, const char* purpose,
                 std::initializer_list<std::shared_ptr<ChannelUser>> users) {
  const std::lock_guard lock{mutex_};
  if (!place) {
    place = std::make_unique<Link>(options.url, fmt::format("umbel {} ({})", getpid(), purpose),
                                   clock, outage_);
    for (const auto& user : users) place->keep(user);
  }
  return *place;
}

Link& Core::publishing() { return link(publishing_, "publishing", {publisher_, replies_}); }
Link* Core::publishing_if_any() {
  const std::lock_guard lock{mutex_};
  return publishing_.get();
}
Link& Core::consuming() { return link(consuming_, "consuming", {}); }
Link& Core::events() { return link(events_, "events", {event_publisher_}); }

}  // namespace umbel::broker_rabbitmq
