// How long things took, as quantiles that can be added up.
//
// The values are counted in buckets whose bounds grow by two percent, so that any quantile is right
// to one percent of its value, whatever the values are; two sketches of the same kind add up to the
// sketch of all their values (Masson, Rim, Lee: "DDSketch", VLDB 2019). So minutes add up to hours,
// workers to a fleet, which averages and ready-made percentiles do not.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bytes.hpp"

namespace umbel::collector {

// A plain value; not thread-safe.
class Sketch {
 public:
  static constexpr double kRelativeError = 0.01;
  // Values are taken as at least a microsecond and at most about 300 years. At most so many
  // buckets, which reach over twelve powers of ten; beyond it the smallest are put together, so
  // that the error grows at the low end.
  static constexpr std::size_t kMostBuckets = 1500;

  void add(std::chrono::microseconds value, std::uint64_t count = 1);
  void add(const Sketch& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  // The value that the fraction `q`, 0 to 1, of all values does not exceed. Nothing: no values.
  [[nodiscard]] std::optional<std::chrono::microseconds> quantile(double q) const;
  [[nodiscard]] std::size_t buckets() const { return counts_.size(); }

  void write(ByteWriter& out) const;
  [[nodiscard]] static std::optional<Sketch> read(ByteReader& in);  // nothing: damaged

  friend bool operator==(const Sketch&, const Sketch&) = default;

 private:
  using Counted = std::pair<std::int32_t, std::uint64_t>;  // a bucket and its values

  void put_small_ones_together();

  std::vector<Counted> counts_;  // by bucket: copied and added up far more often than inserted into
  std::uint64_t count_ = 0;
};

}  // namespace umbel::collector
