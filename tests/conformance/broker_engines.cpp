#include <stdexcept>

#include "broker_under_test.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"

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

}  // namespace

std::vector<BrokerUnderTest> broker_engines() { return {{"sqlite", make_sqlite}}; }

}  // namespace umbel::testing
