// A program's metrics: families declared once in catalogue.hpp, kept by prometheus-cpp, their label
// values bounded.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel::metrics {

enum class Kind { Counter, Gauge, Histogram };

struct Family {
  const char* name;
  Kind kind;
  const char* help;
  std::vector<const char*> labels;  // their names, in the order in which values are given
  std::vector<double> buckets;      // upper bounds, for a histogram
};

struct SeriesChange;  // change.hpp

// Lets the first `limit` distinct values of a label through; later ones become `other`. For labels
// that input can feed. Thread-safe.
class BoundedLabel {
 public:
  explicit BoundedLabel(std::size_t limit = 50) : limit_{limit} {}
  [[nodiscard]] std::string operator()(const std::string& value);
  [[nodiscard]] std::size_t folded() const;  // calls answered `other`

 private:
  mutable std::mutex mutex_;
  std::size_t limit_;
  std::size_t folded_ = 0;
  std::set<std::string> seen_;
};

// Thread-safe. References stay valid as long as the Metrics: keep them in hot paths. A label value
// too many for the family's bound (1,000 series) or for the program's (30,000 lines of text)
// becomes `other`, and umbel_metric_labels_folded_total counts it.
class Metrics {
 public:
  // Registers umbel_build_info and umbel_metric_labels_folded_total, and the process figures of
  // this program.
  explicit Metrics(std::string_view program);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  [[nodiscard]] prometheus::Counter& counter(const Family& family,
                                             const std::vector<std::string>& values = {});
  [[nodiscard]] prometheus::Gauge& gauge(const Family& family,
                                         const std::vector<std::string>& values = {});
  [[nodiscard]] prometheus::Histogram& histogram(const Family& family,
                                                 const std::vector<std::string>& values = {});
  // Forgets one series of a gauge (a worker or queue that is gone).
  void remove(const Family& family, const std::vector<std::string>& values);

  // The series that moved since the last call, or the beginning.
  [[nodiscard]] std::vector<SeriesChange> changes();
  // Adds what moved in another process: counters and histograms grow by it, a gauge takes the value
  // that was told last. Invalid: the change does not fit the family of that name, or is none;
  // nothing was changed.
  [[nodiscard]] Result<void> add(const SeriesChange& change);

  // Text format 0.0.4, process figures read afresh.
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace umbel::metrics
