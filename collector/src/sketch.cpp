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
  const auto bucket = static_cast<std::int32_t>(std::ceil(std::log(micros) / kGrowth));
  const auto place = std::lower_bound(counts_.begin(), counts_.end(), Counted{bucket, 0});
  if (place != counts_.end() && place->first == bucket) {
    place->second += count;
  } else {
    counts_.insert(place, {bucket, count});
  }
  count_ += count;
  put_small_ones_together();
}

void Sketch::add(const Sketch& other) {
  if (other.count_ == 0) return;
  std::vector<Counted> both;
  both.reserve(counts_.size() + other.counts_.size());
  auto mine = counts_.cbegin();
  auto theirs = other.counts_.cbegin();
  while (mine != counts_.cend() || theirs != other.counts_.cend()) {
    const bool no_mine = mine == counts_.cend();
    const bool no_theirs = theirs == other.counts_.cend();
    if (!no_mine && !no_theirs && mine->first == theirs->first) {
      both.emplace_back(mine->first, mine->second + theirs->second);
      ++mine;
      ++theirs;
    } else if (no_theirs || (!no_mine && mine->first < theirs->first)) {
      both.push_back(*mine++);
    } else {
      both.push_back(*theirs++);
    }
  }
  counts_ = std::move(both);
  count_ += other.count_;
  put_small_ones_together();
}

void Sketch::put_small_ones_together() {
  if (counts_.size() <= kMostBuckets) return;
  const auto first = counts_.end() - static_cast<std::ptrdiff_t>(kMostBuckets);
  for (auto small = counts_.begin(); small != first; ++small) first->second += small->second;
  counts_.erase(counts_.begin(), first);
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
    if (i > 0 && *step == 0) return std::nullopt;
    sketch.counts_.emplace_back(static_cast<std::int32_t>(bucket), *count);
    sketch.count_ += *count;
  }
  return sketch;
}

}  // namespace umbel::collector
