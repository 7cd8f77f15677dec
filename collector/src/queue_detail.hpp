// What a queue did in the last hour, and since when it has stood still: from its figures, once a
// second. Plain values, no I/O.
#pragma once

#include <cstdint>
#include <optional>

#include "by_minute.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::collector {

struct QueueMinute {
  std::uint64_t most_ready = 0;
  std::uint64_t in = 0, out = 0;  // tasks that came and that were done with
  bool flow_known = false;        // the two; some brokers do not count
};

class QueueDetail {
 public:
  // `processed`: what the workers that take from it have taken up, of whatever queue. Where the
  // broker does not count what comes and goes, the queue is taken to move while they do.
  void measure(const QueueFigures& figures, std::int64_t processed, WallTime now);

  // When a task was last taken from it, or nothing was ready; nothing: not measured yet. What was
  // before the first look is told by how long the oldest one has waited, if nobody takes any.
  [[nodiscard]] std::optional<WallTime> moved() const { return moved_; }
  [[nodiscard]] const ByMinute<QueueMinute>& minutes() const { return minutes_; }
  // The machine's clock was set by so much.
  void clock_stepped(std::chrono::microseconds by);

 private:
  ByMinute<QueueMinute> minutes_;
  std::optional<QueueFigures> last_;
  std::int64_t processed_ = 0;
  std::optional<WallTime> moved_;
};

// How long until nothing is ready, if it goes on as it does; nothing: it does not get shorter, or
// not known.
[[nodiscard]] std::optional<double> drain_seconds(std::uint64_t ready,
                                                  const std::optional<double>& in_rate,
                                                  const std::optional<double>& out_rate);

}  // namespace umbel::collector
