// The worker's metrics, looked up once, because they are counted in hot paths.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "umbel/base/ids.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel {

// Thread-safe. `metrics` outlives it.
class Instruments {
 public:
  Instruments(metrics::Metrics& metrics, const std::vector<QueueName>& queues);

  prometheus::Gauge &active, &slots, &stuck, &prefetched, &callers_waiting;
  prometheus::Counter &duplicates, &superseded, &events_sent, &events_dropped;

  // These tasks may come from now on: their series are there with 0, so that a rate sees the first
  // failure. Of tasks whose queue is none of `queues` nothing comes here.
  void expect(const std::vector<CatalogueEntry>& tasks, const std::vector<QueueName>& queues);

  void received(const QueueName& queue, bool redelivered);
  void undecodable(const QueueName& queue);
  void waited(const QueueName& queue, double seconds);
  void finished(const std::string& task, const QueueName& queue, const char* outcome);
  void ran(const std::string& task, const QueueName& queue, double seconds);
  void gave_up(const std::string& task);
  void process_lost(const char* why);
  void broker_failed(const char* call);
  void store_failed(const char* call);
  void callers_failed(const char* call);
  void told_callers(const char* outcome, std::size_t states = 1);
  void chord_part(const char* outcome);

 private:
  metrics::Metrics& metrics_;
};

// Counts in a gauge as long as it lives.
class GaugeHold {
 public:
  GaugeHold() = default;
  explicit GaugeHold(prometheus::Gauge& gauge) : gauge_{&gauge} { gauge.Increment(); }
  GaugeHold(GaugeHold&& other) noexcept : gauge_{std::exchange(other.gauge_, nullptr)} {}
  GaugeHold& operator=(GaugeHold&& other) noexcept {
    if (this != &other) {
      reset();
      gauge_ = std::exchange(other.gauge_, nullptr);
    }
    return *this;
  }
  ~GaugeHold() { reset(); }
  void reset() {
    if (gauge_ != nullptr) std::exchange(gauge_, nullptr)->Decrement();
  }

 private:
  prometheus::Gauge* gauge_ = nullptr;
};

}  // namespace umbel
