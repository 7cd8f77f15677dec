#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>

#include "broker_under_test.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/testing/rabbit_server.hpp"

namespace umbel::testing {
namespace {

std::unique_ptr<Broker> make_sqlite(const BrokerSetup& setup, const Clock& clock) {
  auto broker = open_sqlite_broker({.path = setup.folder + "/broker.db",
                                    .lease = setup.lease,
                                    .max_event_bytes = setup.max_event_bytes},
                                   clock, Log::none());
  if (!broker) throw std::runtime_error{broker.error().what};
  return std::move(*broker);
}

// One server for the whole program, a virtual host for each test. Where it is stands in the test's
// folder, for the other processes of the test.
std::string rabbit_url(const std::string& folder) {
  static std::mutex mutex;
  const std::lock_guard lock{mutex};
  const auto note = folder + "/amqp-url";
  if (std::ifstream file{note}; file) {
    return {std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
  }
  static RabbitServer server;
  const auto url = server.url(server.fresh_vhost());
  std::ofstream{note} << url;
  return url;
}

std::unique_ptr<Broker> make_rabbitmq(const BrokerSetup& setup, const Clock& clock) {
  auto url = parse_amqp_url(rabbit_url(setup.folder));
  if (!url) throw std::runtime_error{url.error().what};
  url->max_priority = 10;
  // A process that stands still is given up after two heartbeats without a sign.
  url->heartbeat = std::max(std::chrono::seconds{1},
                            std::chrono::duration_cast<std::chrono::seconds>(setup.lease) / 2);
  return open_rabbitmq_broker({.url = *url, .max_event_bytes = setup.max_event_bytes}, clock,
                              Log::none());
}

BrokerTraits rabbitmq_traits() {
  BrokerTraits traits;
  traits.pushes = true;
  traits.top_priority = 10;
  traits.knows_delayed = traits.knows_unacked = traits.knows_totals = traits.knows_oldest = false;
  traits.numbered_stream = traits.keeps_early_events = false;
  traits.has_exchanges = true;
  return traits;
}

}  // namespace

std::vector<BrokerUnderTest> broker_engines() {
  std::vector<BrokerUnderTest> engines{{"sqlite", make_sqlite, {}},
                                       {"amqp", make_rabbitmq, rabbitmq_traits()}};
#ifdef UMBEL_TEST_ENGINE
  std::erase_if(engines, [](const auto& engine) { return engine.name != UMBEL_TEST_ENGINE; });
#endif
  return engines;
}

}  // namespace umbel::testing
