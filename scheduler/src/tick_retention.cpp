#include "umbel/scheduler/tick_retention.hpp"

#include <exception>
#include <utility>

#include "umbel/metrics/catalogue.hpp"

namespace umbel {
namespace {

// Shorter than a round, so that another process takes over at its next round if the holder died.
constexpr std::chrono::minutes kLeaseLasts{55};
constexpr std::chrono::milliseconds kBetweenBatches{20};  // leaves the store to others

}  // namespace

TickRetention::TickRetention(TickLedger& ledger, Leases& leases, std::string owner,
                             std::chrono::seconds keep, const Clock& clock,
                             metrics::Metrics& metrics, Log log)
    : ledger_{ledger},
      leases_{leases},
      owner_{std::move(owner)},
      keep_{keep},
      clock_{clock},
      metrics_{metrics},
      log_{std::move(log)} {
  metrics_.counter(metrics::kTicksForgotten).Increment(0);
}

Result<void> TickRetention::start() {
  if (!thread_) thread_.emplace([this](const std::stop_token& stop) { run(stop); });
  return {};
}

void TickRetention::stop() { thread_.reset(); }

Result<std::size_t> TickRetention::pass(const std::stop_token& stop) {
  const auto now = clock_.wall();
  const auto held = leases_.acquire(kLease, owner_, kLeaseLasts, now);
  if (!held) return held.error();
  std::size_t gone = 0;
  while (*held && !stop.stop_requested()) {
    const auto some = ledger_.forget(now - keep_, kBatch);
    if (!some) return some.error();
    gone += *some;
    metrics_.counter(metrics::kTicksForgotten).Increment(static_cast<double>(*some));
    if (*some < kBatch) break;
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, kBetweenBatches, [] { return false; });
  }
  return gone;
}

void TickRetention::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    try {
      const auto gone = pass(stop);
      if (!gone) {
        log_.warn("old ticks could not be forgotten; next try in an hour",
                  {{"why", gone.error().what}});
      } else if (*gone > 0) {
        log_.info("old ticks forgotten", {{"ticks", *gone}});
      }
    } catch (const std::exception& error) {
      log_.error("forgetting old ticks ended in an exception", {{"what", error.what()}});
    }
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, kEvery, [] { return false; });
  }
}

}  // namespace umbel
