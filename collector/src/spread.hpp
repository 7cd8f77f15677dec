// How long things took, in little room: for every task's name by itself there are many of these.
//
// As a Sketch, but right to four percent only, and of at most 128 buckets of eight bytes, which
// reach over more than four powers of ten below the largest value; what is smaller is put together
// at the low end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "bytes.hpp"

namespace umbel::collector {

// A plain value; not thread-safe.
class Spread {
 public:
  static constexpr double kRelativeError = 0.04;
  static constexpr std::size_t kMostBuckets = 128;

  void add(std::chrono::microseconds value);
  void add(const Spread& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  // As Sketch's.
  [[nodiscard]] std::optional<std::chrono::microseconds> quantile(double q) const;
  [[nodiscard]] std::size_t bytes() const { return counts_.capacity() * sizeof(Counted); }
  void clear();  // gives its room back

  void write(ByteWriter& out) const;
  [[nodiscard]] static std::optional<Spread> read(ByteReader& in);  // nothing: damaged

  friend bool operator==(const Spread&, const Spread&) = default;

 private:
  struct Counted {
    std::int16_t bucket = 0;
    std::uint32_t count = 0;  // stays at the most it can hold
    friend bool operator==(const Counted&, const Counted&) = default;
  };
  void put_small_ones_together();

  std::vector<Counted> counts_;  // by bucket
  std::uint64_t count_ = 0;
};

}  // namespace umbel::collector
