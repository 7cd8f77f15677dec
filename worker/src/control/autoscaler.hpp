// Grows the pool while more tasks wait than there are slots, and shrinks it when they have been
// idle (Celery's worker/autoscale.py).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "controlled.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"

namespace umbel {

// When to change the number of slots. Pure.
class AutoscalePlan {
 public:
  AutoscalePlan(AutoscaleRange range, std::chrono::milliseconds keep)
      : range_{range}, keep_{keep} {}

  // The number of slots to have; nothing: as it is. `wanted`: tasks that want one, running or not.
  // Fewer only when the last growth is longer ago than `keep`.
  [[nodiscard]] std::optional<std::size_t> slots(std::size_t now, std::size_t wanted,
                                                 Steady::time_point at);
  [[nodiscard]] AutoscaleRange range() const { return range_; }
  // Answers the number of slots that the new range asks for at once; nothing: as it is.
  [[nodiscard]] std::optional<std::size_t> change(std::optional<std::size_t> most,
                                                  std::optional<std::size_t> least,
                                                  std::size_t now);

 private:
  AutoscaleRange range_;
  std::chrono::milliseconds keep_;
  std::optional<Steady::time_point> grown_;
};

// Thread-safe. References outlive it.
class Autoscaler {
 public:
  struct Pool {
    std::function<std::size_t()> slots, wanted;
    std::function<void(std::size_t)> resize;
  };
  Autoscaler(AutoscalePlan plan, std::chrono::milliseconds every, Pool pool, const Clock& clock,
             Log log);
  // No change any more once this returns.
  void close();

  [[nodiscard]] AutoscaleFigures figures() const;
  AutoscaleRange change(std::optional<std::size_t> most, std::optional<std::size_t> least);

 private:
  void run(const std::stop_token& stop);
  void resize(std::size_t slots);

  Pool pool_;
  const Clock& clock_;
  const std::chrono::milliseconds every_;
  Log log_;
  mutable std::mutex mutex_;
  AutoscalePlan plan_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel
