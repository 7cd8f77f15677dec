// What a worker has from its making to its end: what it was given, and what needs no thread.
//
// What exists while it runs is in running.hpp.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "caller.hpp"
#include "canvas_desk.hpp"
#include "instruments.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/worker/worker.hpp"

namespace umbel {

struct Worker::Impl {
  struct Running;

  // References outlive it.
  Impl(WorkerOptions given, const TaskRegistry& registry, Broker& to_broker, Store& to_store,
       const Clock& a_clock, metrics::Metrics& all_metrics, Log a_log);
  ~Impl();

  [[nodiscard]] std::shared_ptr<Callers> callers();
  // Invalid: a promise of the options or of a task cannot be kept by this kind of pool.
  [[nodiscard]] Result<void> fits_pool() const;
  [[nodiscard]] std::size_t first_slots() const;
  // Of a pool of so many slots; without: of the largest that the options ask for.
  [[nodiscard]] std::size_t prefetch(std::size_t slots) const;
  [[nodiscard]] std::size_t prefetch() const;

  WorkerOptions options;
  std::vector<QueueName> queues;
  TaskRegistry tasks;  // the program's, and Celery's own
  Broker& broker;
  Store& store;
  const Clock& clock;
  metrics::Metrics& metrics;
  Log log;
  Instruments instruments;
  Enqueuer enqueuer;
  CanvasDesk canvas;
  mutable std::shared_mutex mutex;  // of start and stop; the questions share it
  bool stopped = false;
  std::unique_ptr<Running> running;
};

}  // namespace umbel
