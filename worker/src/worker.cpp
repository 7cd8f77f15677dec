#include "umbel/worker/worker.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "running.hpp"
#include "worker_impl.hpp"

namespace umbel {

Worker::Worker(WorkerOptions options, const TaskRegistry& tasks, Broker& broker, Store& store,
               const Clock& clock, metrics::Metrics& metrics, Log log)
    : impl_{std::make_unique<Impl>(std::move(options), tasks, broker, store, clock, metrics,
                                   std::move(log))} {}

Worker::~Worker() { stop(); }

Result<void> Worker::start() {
  const std::lock_guard lock{impl_->mutex};
  if (impl_->running || impl_->stopped) return invalid("a worker is started once");
  if (auto fit = impl_->fits_pool(); !fit) return fit;
  const auto entries = impl_->tasks.entries();
  if (const auto told = impl_->store.catalogue().upsert(entries, impl_->clock.wall()); !told) {
    return told.error();
  }
  auto consumer =
      impl_->broker.consume({impl_->queues, impl_->prefetch(), impl_->options.name.str()});
  // A broker that is not there yet is tried again by the fetcher, for as long as it takes.
  if (!consumer && consumer.error().code != Errc::Unavailable) return consumer.error();
  impl_->instruments.expect(entries, impl_->queues);
  impl_->instruments.slots.Set(static_cast<double>(impl_->first_slots()));
  // Opened here, so that what is asked once this returns is heard. If the broker will not, the
  // server goes on trying.
  auto inbox = impl_->broker.control_inbox(impl_->options.name.str());
  impl_->running = std::make_unique<Impl::Running>(
      *impl_, consumer ? std::move(*consumer) : std::unique_ptr<Consumer>{},
      inbox ? std::move(*inbox) : std::unique_ptr<ControlInbox>{});
  impl_->log.info("worker started", {{"worker", impl_->options.name.str()},
                                     {"concurrency", impl_->options.concurrency},
                                     {"prefetch", impl_->prefetch()},
                                     {"tasks", entries.size()}});
  return {};
}

void Worker::stop() {
  const std::lock_guard lock{impl_->mutex};
  if (std::exchange(impl_->stopped, true) || !impl_->running) return;
  impl_->running->stop();
  impl_->log.info("worker stopped", {{"worker", impl_->options.name.str()}});
}

// A stop holds the lock until its end; nobody waits for that to answer.
template <class Ask>
Result<void> Worker::ask(const Ask& of) const {
  const std::shared_lock lock{impl_->mutex, std::try_to_lock};
  if (!lock.owns_lock() || impl_->stopped) return unavailable("the worker is stopping");
  if (!impl_->running) return unavailable("the worker has not started");
  return of(*impl_->running);
}

Result<void> Worker::slots() const {
  return ask([](const auto& running) -> Result<void> {
    const auto& pool = running.pool;
    const auto figures = pool.figures();
    const auto stuck = figures.lost;
    if (stuck + figures.unready < figures.size) return {};
    if (figures.unready > 0) return unavailable(figures.fault.value_or("no slot is ready"));
    return unavailable(
        fmt::format("all {} slots are stuck in tasks that did not return after their soft time "
                    "limits ({}); restart this worker",
                    stuck, fmt::join(pool.stuck_names(), ", ")));
  });
}

Result<void> Worker::takes() const {
  return ask([](const auto& running) -> Result<void> {
    if (const auto out = running.fetcher.outage()) return *out;
    return {};
  });
}

Result<void> Worker::keeps() const {
  return ask([](const auto& running) -> Result<void> {
    if (const auto out = running.intake.outage()) return *out;
    if (const auto out = running.finisher.outage()) return *out;
    return {};
  });
}

Result<void> Worker::ready() const {
  if (auto broker = takes(); !broker) return broker;
  if (auto store = keeps(); !store) return store;
  return slots();
}

void Worker::add_conditions(Readiness& to) const {
  // A ping finds what no task has met yet; it may take its time, and so holds no lock.
  to.add("broker", [this]() -> Result<void> {
    if (auto now = takes(); !now) return now;
    return impl_->broker.ping();
  });
  to.add("store", [this]() -> Result<void> {
    if (auto now = keeps(); !now) return now;
    return impl_->store.ping();
  });
  to.add("slots", [this] { return slots(); });
  if (impl_->options.callers != nullptr) {
    to.add("callers", [this] { return impl_->options.callers->ping(); });
  }
}

std::size_t Worker::stuck() const {
  const std::shared_lock lock{impl_->mutex};
  return impl_->running ? impl_->running->pool.unreturned() : 0;
}

}  // namespace umbel
