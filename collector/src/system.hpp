// GET /api/system: how the monitor itself is doing, and what it costs.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "live.hpp"
#include "live_stream.hpp"
#include "umbel/history/history.hpp"
#include "umbel/metrics/metrics.hpp"

namespace umbel::collector {

// What this process takes, as the kernel tells; nothing: it does not.
struct ProcessFigures {
  std::optional<std::uint64_t> memory_bytes, threads, descriptors;
  double cpu_seconds = 0;
};
[[nodiscard]] ProcessFigures process_figures();

// What the answer is made of; all of it outlives the routes.
struct SystemParts {
  Live& live;
  const LiveStream& stream;
  History& history;
  metrics::Metrics& metrics;
  const Clock& clock;
  Steady::time_point started;
  std::string version;
  std::string broker, store;  // as they may be shown; empty: not known
  std::size_t most_tasks = 0;
  std::int64_t history_days = 0;
};

// Waits for the history's disk.
[[nodiscard]] boost::json::object system_answer(const SystemParts& parts);

}  // namespace umbel::collector
