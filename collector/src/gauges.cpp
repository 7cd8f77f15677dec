#include "gauges.hpp"

#include <array>

#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

constexpr std::array kStates{TaskState::Pending, TaskState::Received, TaskState::Started,
                             TaskState::Success, TaskState::Failure,  TaskState::Revoked,
                             TaskState::Retry,   TaskState::Rejected, TaskState::Custom};

constexpr std::array kBlindReasons{BlindReason::Cut, BlindReason::Gap, BlindReason::Outage,
                                   BlindReason::Behind, BlindReason::Stopped};

struct Figures {
  std::array<std::uint64_t, kStates.size()> tasks{};
  double online = 0, lost = 0, on_lost = 0, unknown = 0;
  double lag = 0;
  double task_bytes = 0;
  std::array<std::uint64_t, kBlindReasons.size()> blind{};
  std::optional<WallTime> last_event;
  std::map<std::string, LiveQueue> queues;
};

Figures read(const LiveState& state, WallTime now) {
  Figures figures;
  for (std::size_t i = 0; i < kStates.size(); ++i) figures.tasks[i] = state.in_state(kStates[i]);
  for (const auto& [name, worker] : state.workers()) {
    const WorkerStatus status = worker.state.status(state.heard_until(now));
    if (status == WorkerStatus::Online) ++figures.online;
    if (status == WorkerStatus::Lost) {
      ++figures.lost;
      figures.on_lost += static_cast<double>(state.tasks().running_on(name));
    }
  }
  figures.unknown = static_cast<double>(state.tasks().unknown());
  figures.lag = std::chrono::duration<double>(state.lag(now)).count();
  figures.task_bytes = static_cast<double>(state.tasks().bytes());
  for (std::size_t i = 0; i < kBlindReasons.size(); ++i)
    figures.blind[i] = state.blind_seconds(kBlindReasons[i]);
  figures.last_event = state.monitor().last_event;
  figures.queues = state.queues();
  return figures;
}

}  // namespace

Gauges::Gauges(Live& live, const LiveStream& stream, const Clock& clock, metrics::Metrics& metrics)
    : live_{live}, stream_{stream}, clock_{clock}, metrics_{metrics} {}

void Gauges::update() {
  const WallTime now = clock_.wall();
  const Figures figures = live_.with([now](LiveState& state) { return read(state, now); });
  const std::lock_guard lock{mutex_};
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    metrics_.gauge(metrics::kTasksByState, {std::string{umbel::to_text(kStates[i])}})
        .Set(static_cast<double>(figures.tasks[i]));
  }
  metrics_.gauge(metrics::kWorkers, {"online"}).Set(figures.online);
  metrics_.gauge(metrics::kWorkers, {"lost"}).Set(figures.lost);
  metrics_.gauge(metrics::kTasksOnLostWorkers).Set(figures.on_lost);
  metrics_.gauge(metrics::kTasksUnknown).Set(figures.unknown);
  metrics_.gauge(metrics::kEventLag).Set(figures.lag);
  if (figures.last_event)
    metrics_.gauge(metrics::kEventsLast).Set(to_unix_seconds(*figures.last_event));
  metrics_.gauge(metrics::kLiveTaskBytes).Set(figures.task_bytes);
  for (std::size_t i = 0; i < kBlindReasons.size(); ++i) {
    metrics_.counter(metrics::kBlindSeconds, {std::string{to_text(kBlindReasons[i])}})
        .Increment(static_cast<double>(figures.blind[i] - blind_[i]));
    blind_[i] = figures.blind[i];
  }
  metrics_.gauge(metrics::kPages).Set(static_cast<double>(stream_.pages()));
  update_queues(figures.queues, now);
}

void Gauges::update_queues(const std::map<std::string, LiveQueue>& queues, WallTime now) {
  std::map<std::string, QueueFigures> by_label;  // many queues may share the label `other`
  for (const auto& [name, queue] : queues) {
    const std::string label = queue_label_(name);
    if (label != name && folded_.insert(name).second)
      metrics_.counter(metrics::kLabelsFolded).Increment();
    const QueueFigures& each = queue.figures;
    QueueFigures& sum = by_label[label];
    sum.ready += each.ready;
    if (each.delayed) sum.delayed = sum.delayed.value_or(0) + *each.delayed;
    if (each.unacked) sum.unacked = sum.unacked.value_or(0) + *each.unacked;
    sum.consumers += each.consumers;
    if (each.oldest_ready)
      sum.oldest_ready = std::min(sum.oldest_ready.value_or(now), *each.oldest_ready);
    if (each.published_total)
      raise(metrics::kQueuePublished, label, published_, name, *each.published_total);
    if (each.acked_total) raise(metrics::kQueueAcked, label, acked_, name, *each.acked_total);
  }
  std::erase_if(folded_, [&](const std::string& name) { return !queues.contains(name); });
  for (const auto& [label, sum] : by_label) {
    metrics_.gauge(metrics::kQueueTasks, {label, "ready"}).Set(static_cast<double>(sum.ready));
    show_if_known(label, "delayed", sum.delayed);
    show_if_known(label, "unacked", sum.unacked);
    metrics_.gauge(metrics::kQueueConsumers, {label}).Set(static_cast<double>(sum.consumers));
    if (sum.oldest_ready || sum.ready == 0) {
      const auto age = sum.oldest_ready
                           ? std::max(now - *sum.oldest_ready, std::chrono::microseconds{0})
                           : std::chrono::microseconds{0};
      metrics_.gauge(metrics::kQueueOldest, {label})
          .Set(std::chrono::duration<double>(age).count());
    } else {
      metrics_.remove(metrics::kQueueOldest, {label});
    }
    shown_.insert(label);
  }
  std::erase_if(shown_, [&](const std::string& label) {
    if (by_label.contains(label)) return false;
    for (const char* state : {"ready", "delayed", "unacked"})
      metrics_.remove(metrics::kQueueTasks, {label, state});
    metrics_.remove(metrics::kQueueConsumers, {label});
    metrics_.remove(metrics::kQueueOldest, {label});
    return true;
  });
}

void Gauges::show_if_known(const std::string& label, const char* state,
                           const std::optional<std::uint64_t>& tasks) {
  if (tasks) {
    metrics_.gauge(metrics::kQueueTasks, {label, state}).Set(static_cast<double>(*tasks));
  } else {
    metrics_.remove(metrics::kQueueTasks, {label, state});
  }
}

// The broker counts; the counter follows. A queue made anew starts at zero, and all of it is new.
void Gauges::raise(const metrics::Family& family, const std::string& label,
                   std::map<std::string, std::uint64_t>& given, const std::string& queue,
                   std::uint64_t total) {
  std::uint64_t& before = given[queue];
  const std::uint64_t by = total >= before ? total - before : total;
  metrics_.counter(family, {label}).Increment(static_cast<double>(by));
  before = total;
}

}  // namespace umbel::collector
