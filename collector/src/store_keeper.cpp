#include "store_keeper.hpp"

#include "umbel/base/ids.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

constexpr const char* kLease = "store-retention";
constexpr std::chrono::seconds kLeaseLength{60};
constexpr std::chrono::minutes kEvery{10};
constexpr std::chrono::milliseconds kPause{20};
constexpr std::chrono::minutes kAfterFailure{1};
// A listing is walked this far below its watermark.
constexpr std::chrono::minutes kOverlap{10};

}  // namespace

RetentionLimits RetentionPlan::limits(WallTime now) const {
  RetentionLimits limits;
  limits.finished_before = now - keep_;
  limits.sighted_before = now - keep_ - kOverlap;
  limits.expired_before = now;
  return limits;
}

std::chrono::milliseconds RetentionPlan::after(const Forgotten& step) {
  if (ended_) round_ = {};
  round_.tasks += step.tasks;
  round_.outbox += step.outbox;
  round_.sightings += step.sightings;
  round_.shared_values += step.shared_values;
  round_.more = step.more;
  ended_ = !step.more;
  return step.more ? kPause : std::chrono::milliseconds{kEvery};
}

std::chrono::milliseconds RetentionPlan::after_failure() const { return kAfterFailure; }

StoreKeeper::StoreKeeper(Store& store, const Clock& clock, metrics::Metrics& metrics, Log log,
                         std::chrono::hours keep)
    : store_{store},
      clock_{clock},
      metrics_{metrics},
      log_{log},
      owner_{random_uuid()},
      plan_{keep},
      outage_{"forgetting what is old in the store", clock, log} {
  count({});
}

StoreKeeper::~StoreKeeper() { stop(); }

void StoreKeeper::start() {
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void StoreKeeper::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void StoreKeeper::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto wait = step();
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, wait, [] { return false; });
  }
  (void)store_.leases().release(kLease, owner_);  // else it runs out by itself
}

std::chrono::milliseconds StoreKeeper::step() {
  const auto now = clock_.wall();
  measure();
  const auto ours = store_.leases().acquire(kLease, owner_, kLeaseLength, now);
  if (!ours) {
    (void)outage_.failed(ours.error());
    return plan_.after_failure();
  }
  if (!*ours) return kEvery;
  const auto forgotten = store_.retention().forget(plan_.limits(now), RetentionPlan::kRowsAtOnce);
  if (!forgotten) {
    (void)outage_.failed(forgotten.error());
    return plan_.after_failure();
  }
  outage_.over();
  count(*forgotten);
  const auto wait = plan_.after(*forgotten);
  const auto& round = plan_.round();
  if (!round.more && round.tasks + round.sightings + round.outbox > 0) {
    log_.info("old rows of the store forgotten",
              {{"tasks", round.tasks}, {"sightings", round.sightings}, {"outbox", round.outbox}});
  }
  return wait;
}

void StoreKeeper::count(const Forgotten& step) {
  const auto add = [this](const char* table, std::uint64_t rows) {
    metrics_.counter(metrics::kStoreForgotten, {table}).Increment(static_cast<double>(rows));
  };
  add("tasks", step.tasks);
  add("outbox", step.outbox);
  add("sightings", step.sightings);
  add("shared_values", step.shared_values);
}

void StoreKeeper::measure() {
  const auto size = store_.retention().size();
  if (!size) return;  // readiness tells of a store that cannot be read
  metrics_.gauge(metrics::kStoreBytes).Set(static_cast<double>(size->bytes));
  metrics_.gauge(metrics::kStoreFreeBytes).Set(static_cast<double>(size->free_bytes));
}

}  // namespace umbel::collector
