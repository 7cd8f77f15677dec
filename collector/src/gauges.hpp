// Brings the collector's gauges up to date, right before each scrape.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "live.hpp"
#include "live_stream.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/metrics/metrics.hpp"

namespace umbel::collector {

// Thread-safe.
class Gauges {
 public:
  Gauges(Live& live, const LiveStream& stream, const Clock& clock, metrics::Metrics& metrics);
  void update();

 private:
  void update_queues(const std::map<std::string, LiveQueue>& queues, WallTime now);
  // What the broker cannot know has no series.
  void show_if_known(const std::string& label, const char* state,
                     const std::optional<std::uint64_t>& tasks);
  void raise(const metrics::Family& family, const std::string& label,
             std::map<std::string, std::uint64_t>& given, const std::string& queue,
             std::uint64_t total);

  Live& live_;
  const LiveStream& stream_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  std::mutex mutex_;
  metrics::BoundedLabel queue_label_;
  std::array<std::uint64_t, 5> blind_{};                    // seconds given so far, by reason
  std::set<std::string> shown_;                             // queues with gauges
  std::set<std::string> folded_;                            // queues counted as folded
  std::map<std::string, std::uint64_t> published_, acked_;  // as counted so far, by queue
};

}  // namespace umbel::collector
