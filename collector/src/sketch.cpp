#include "sketch.hpp"

#include <algorithm>
#include <cmath>

namespace umbel::collector {
namespace {

const double kGrowth = std::log((1 + Sketch::kRelativeError) / (1 - Sketch::kRelativeError));
constexpr std::int64_t kLargestBucket = 2'200;  // of the largest duration

}  // namespace

void Sketch::add(std::chrono::microseconds value, std::uint64_t count) {
  if (count == 0) return;
  const auto micros = static_cast<double>(std::max<std::int64_t>(value.count(), 1));
  counts_[static_cast<std::int32_t>(std::ceil(std::log(micros) / kGrowth))] += count;
  count_ += count;
  put_small_ones_together();
}

void Sketch::add(const Sketch& other) {
  for (const auto& [bucket, count] : other.counts_) counts_[bucket] += count;
  count_ += other.count_;
  put_small_ones_together();
}

void Sketch::put_small_ones_together() {
  while (counts_.size() > kMostBuckets) {
    const auto smallest = counts_.begin();
    std::next(smallest)->second += smallest->second;
    counts_.erase(smallest);
  }
}

std::optional<std::chrono::microseconds> Sketch::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_ - 1);
  std::uint64_t below = 0;
  std::int32_t bucket = 0;
  for (const auto& [each, count] : counts_) {
    bucket = each;
    below += count;
    if (static_cast<double>(below) > rank) break;
  }
  // The middle of the bucket, by ratio.
  const double value = 2 * std::exp(kGrowth * bucket) / (1 + std::exp(kGrowth));
  return std::chrono::microseconds{static_cast<std::int64_t>(std::llround(value))};
}

void Sketch::write(ByteWriter& out) const {
  out.number(counts_.size());
  std::int32_t before = 0;
  for (const auto& [bucket, count] : counts_) {
    out.signed_number(bucket - before);
    out.number(count);
    before = bucket;
  }
}

std::optional<Sketch> Sketch::read(ByteReader& in) {
  const auto size = in.number();
  if (!size || *size > kMostBuckets) return std::nullopt;
  Sketch sketch;
  std::int64_t bucket = 0;
  for (std::uint64_t i = 0; i < *size; ++i) {
    const auto step = in.signed_number();
    const auto count = in.number();
    if (!step || !count || *step < 0 || *step > kLargestBucket) return std::nullopt;
    bucket += *step;
    if (bucket > kLargestBucket) return std::nullopt;
    sketch.counts_[static_cast<std::int32_t>(bucket)] += *count;
    sketch.count_ += *count;
  }
  return sketch;
}

}  // namespace umbel::collector
