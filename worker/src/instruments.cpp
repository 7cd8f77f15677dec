#include "instruments.hpp"

#include <algorithm>

namespace umbel {

Instruments::Instruments(metrics::Metrics& metrics, const std::vector<QueueName>& queues)
    : active{metrics.gauge(metrics::kTasksActive)},
      slots{metrics.gauge(metrics::kWorkerSlots)},
      stuck{metrics.gauge(metrics::kSlotsStuck)},
      prefetched{metrics.gauge(metrics::kTasksPrefetched)},
      callers_waiting{metrics.gauge(metrics::kCallerResultsWaiting)},
      duplicates{metrics.counter(metrics::kTaskDuplicates)},
      superseded{metrics.counter(metrics::kTasksSuperseded)},
      events_sent{metrics.counter(metrics::kEventsSent)},
      events_dropped{metrics.counter(metrics::kEventsDropped)},
      metrics_{metrics} {
  for (const auto& queue : queues) {
    (void)metrics.counter(metrics::kTasksReceived, {queue.str()});
    (void)metrics.counter(metrics::kTaskRedelivered, {queue.str()});
    (void)metrics.counter(metrics::kTasksUndecodable, {queue.str()});
    (void)metrics.histogram(metrics::kTaskWaitSeconds, {queue.str()});
  }
}

void Instruments::expect(const std::vector<CatalogueEntry>& tasks,
                         const std::vector<QueueName>& queues) {
  for (const auto& task : tasks) {
    if (std::ranges::find(queues, task.queue) == queues.end()) continue;
    for (const auto* outcome : {"success", "failure", "retry", "revoked"}) {
      (void)metrics_.counter(metrics::kTasksFinished, {task.name, task.queue.str(), outcome});
    }
    (void)metrics_.histogram(metrics::kTaskRunSeconds, {task.name, task.queue.str()});
    (void)metrics_.counter(metrics::kTasksStuck, {task.name});
  }
}

void Instruments::received(const QueueName& queue, bool redelivered) {
  metrics_.counter(metrics::kTasksReceived, {queue.str()}).Increment();
  if (redelivered) metrics_.counter(metrics::kTaskRedelivered, {queue.str()}).Increment();
}

void Instruments::undecodable(const QueueName& queue) {
  metrics_.counter(metrics::kTasksUndecodable, {queue.str()}).Increment();
}

void Instruments::waited(const QueueName& queue, double seconds) {
  metrics_.histogram(metrics::kTaskWaitSeconds, {queue.str()}).Observe(seconds);
}

void Instruments::finished(const std::string& task, const QueueName& queue, const char* outcome) {
  metrics_.counter(metrics::kTasksFinished, {task, queue.str(), outcome}).Increment();
}

void Instruments::ran(const std::string& task, const QueueName& queue, double seconds) {
  metrics_.histogram(metrics::kTaskRunSeconds, {task, queue.str()}).Observe(seconds);
}

void Instruments::gave_up(const std::string& task) {
  metrics_.counter(metrics::kTasksStuck, {task}).Increment();
}

void Instruments::process_lost(const char* why) {
  metrics_.counter(metrics::kProcessesLost, {why}).Increment();
}

void Instruments::broker_failed(const char* call) {
  metrics_.counter(metrics::kBrokerErrors, {call}).Increment();
}

void Instruments::store_failed(const char* call) {
  metrics_.counter(metrics::kStoreErrors, {call}).Increment();
}

void Instruments::callers_failed(const char* call) {
  metrics_.counter(metrics::kCallerResultErrors, {call}).Increment();
}

void Instruments::told_callers(const char* outcome, std::size_t states) {
  metrics_.counter(metrics::kCallerResults, {outcome}).Increment(static_cast<double>(states));
}

void Instruments::chord_part(const char* outcome) {
  metrics_.counter(metrics::kChordParts, {outcome}).Increment();
}

}  // namespace umbel
