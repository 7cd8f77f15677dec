// Forgets old ticks, so that the ledger does not grow for ever.
//
// Once an hour, by one scheduler of those that share a store (a lease says which), in batches small
// enough that no tick waits for them. The newest of the old ticks of each schedule stays.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel {

// start() and stop() belong to one thread.
class TickRetention final : public Service {
 public:
  static constexpr std::size_t kBatch = 500;
  static constexpr std::chrono::hours kEvery{1};
  static constexpr const char* kLease = "tick-retention";

  // `owner` names this process. References outlive the TickRetention.
  TickRetention(TickLedger& ledger, Leases& leases, std::string owner, std::chrono::seconds keep,
                const Clock& clock, metrics::Metrics& metrics, Log log);

  [[nodiscard]] Result<void> start() override;
  void stop() override;

  // One round: how many ticks were forgotten; none if another process holds the lease.
  [[nodiscard]] Result<std::size_t> pass(const std::stop_token& stop = {});

 private:
  void run(const std::stop_token& stop);

  TickLedger& ledger_;
  Leases& leases_;
  std::string owner_;
  std::chrono::seconds keep_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  Log log_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::optional<std::jthread> thread_;
};

}  // namespace umbel
