// What moved in the metrics of one process, on its way to another: a process without an endpoint of
// its own tells its parent, which exports the sums.
#pragma once

#include <string>
#include <vector>

#include "umbel/metrics/metrics.hpp"

namespace umbel::metrics {

// One series, with its family spelt out, because the other side may not have used it yet.
struct SeriesChange {
  Kind kind = Kind::Counter;
  std::string name, help;
  std::vector<std::string> labels;  // their names
  std::vector<double> buckets;      // upper bounds, for a histogram
  std::vector<std::string> values;  // of the labels
  // Counter: by how much it rose. Gauge: what it is now. Histogram: the sum of what was observed.
  double amount = 0;
  std::vector<double> counts;  // histogram: for each bucket and what lies above them all

  friend bool operator==(const SeriesChange&, const SeriesChange&) = default;
};

}  // namespace umbel::metrics
