#include "worker_impl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "built_ins.hpp"
#include "prefork/child_caller.hpp"
#include "prefork/task_set.hpp"
#include "running.hpp"
#include "umbel/runtime/settings.hpp"

namespace umbel {
namespace {

constexpr std::size_t kMostPrefetch = 10'000;

std::vector<QueueName> queues_of(const WorkerOptions& options, const TaskRegistry& tasks) {
  if (!options.queues.empty()) return options.queues;
  std::set<QueueName> queues{QueueName{kDefaultQueue}};
  for (auto& queue : tasks.queues()) queues.insert(std::move(queue));
  return {queues.begin(), queues.end()};
}

}  // namespace

Worker::Impl::Impl(WorkerOptions given, const TaskRegistry& registry, Broker& to_broker,
                   Store& to_store, const Clock& a_clock, metrics::Metrics& all_metrics, Log a_log)
    : options{std::move(given)},
      queues{queues_of(options, registry)},
      tasks{registry},
      broker{to_broker},
      store{to_store},
      clock{a_clock},
      metrics{all_metrics},
      log{std::move(a_log)},
      instruments{metrics, queues},
      enqueuer{store, broker, clock, log, producer_name()},
      canvas{{tasks, store.results(), enqueuer, options.callers, clock},
             {options.name.str(), producer_name(), options.default_queue},
             log} {
  add_mapping_tasks(tasks);
  add_canvas_tasks(tasks, canvas, store.results());
}

Worker::Impl::~Impl() = default;

std::shared_ptr<Callers> Worker::Impl::callers() {
  if (options.pool == PoolKind::Threads) return std::make_shared<ThreadCallers>();
  return std::make_shared<prefork::ChildCallers>(
      prefork::ChildCallers::Options{options.child_command,
                                     prefork::task_set_of(tasks),
                                     {options.max_tasks_per_child, options.max_memory_per_child}},
      metrics, instruments, log);
}

// A thread cannot be killed, so a promise to kill cannot be kept there.
Result<void> Worker::Impl::fits_pool() const {
  if (options.pool != PoolKind::Threads) return {};
  if (options.time_limit) {
    return invalid(
        "a hard time limit (--time-limit) needs --pool=prefork: a thread cannot be "
        "killed");
  }
  std::string names;
  for (const auto& entry : tasks.entries()) {
    if (!tasks.find(entry.name)->options.time_limit) continue;
    names += (names.empty() ? "" : ", ") + entry.name;
  }
  if (names.empty()) return {};
  return invalid(fmt::format(
      "tasks that declare a hard time limit need --pool=prefork, because a thread cannot be "
      "killed: {}",
      names));
}

std::size_t Worker::Impl::first_slots() const {
  if (!options.autoscale) return options.concurrency;
  return std::max<std::size_t>(options.autoscale->second, 1);
}

std::size_t Worker::Impl::prefetch(std::size_t slots) const {
  return std::clamp<std::size_t>(slots * options.prefetch_multiplier, 1, kMostPrefetch);
}

std::size_t Worker::Impl::prefetch() const {
  return prefetch(options.autoscale ? options.autoscale->first : options.concurrency);
}

}  // namespace umbel
