// Lets the store forget what is past its time, and measures it.
//
// Every ten minutes, by one collector of all (a lease decides), in steps of a few milliseconds with
// pauses between them: who accepts and finishes tasks meanwhile does not notice.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/store.hpp"

namespace umbel::collector {

// When to take which step. No I/O, no threads.
class RetentionPlan {
 public:
  explicit RetentionPlan(std::chrono::hours keep) : keep_{keep} {}

  static constexpr std::size_t kRowsAtOnce = 200;

  [[nodiscard]] RetentionLimits limits(WallTime now) const;
  // How long to wait after a step that found this; the steps of one round follow closely.
  [[nodiscard]] std::chrono::milliseconds after(const Forgotten& step);
  [[nodiscard]] std::chrono::milliseconds after_failure() const;
  // Of the round that ended with the last step.
  [[nodiscard]] const Forgotten& round() const { return round_; }

 private:
  std::chrono::hours keep_;
  Forgotten round_;
  bool ended_ = true;
};

class StoreKeeper {
 public:
  // References outlive it. `keep`: how long results and sightings are kept.
  StoreKeeper(Store& store, const Clock& clock, metrics::Metrics& metrics, Log log,
              std::chrono::hours keep);
  ~StoreKeeper();
  void start();
  void stop();

  // One step, as the thread takes them; answers how long to wait for the next.
  [[nodiscard]] std::chrono::milliseconds step();

 private:
  void run(const std::stop_token& stop);
  void count(const Forgotten& step);
  void measure();

  Store& store_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  Log log_;
  const std::string owner_;
  RetentionPlan plan_;
  Outage outage_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel::collector
