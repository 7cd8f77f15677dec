// A worker as a monitor knows it: alive while its heartbeats come, as in Celery (events/state.py:
// Worker), but by the receiver's clock alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/model/event.hpp"

namespace umbel {

enum class WorkerStatus {
  Online,
  Lost,  // heartbeats stopped without a goodbye
  Left,  // said worker-offline
};

struct WorkerState {
  WorkerName name;
  std::int64_t pid = 0;
  double freq = 2.0;  // seconds between heartbeats
  std::int64_t active = 0, processed = 0;
  std::array<double, 3> loadavg{};
  std::string sw_ident, sw_ver, sw_sys;
  std::string metrics_address;                    // empty: none
  std::int64_t slots = 0;                         // 0: unknown
  std::string queues;                             // comma separated; empty: unknown
  std::int64_t stuck = 0;                         // slots of these whose task will not return
  std::optional<WallTime> first_seen, last_seen;  // receiver's clock
  bool said_goodbye = false;
  std::optional<std::int64_t> clock;

  // Lost two intervals after the last sign of life (Celery: heartbeat_expires, 200 % of freq).
  [[nodiscard]] WorkerStatus status(WallTime now) const;
};

// `received` is when the event reached the monitor.
void apply(WorkerState& worker, const WorkerEvent& event, WallTime received);

}  // namespace umbel
