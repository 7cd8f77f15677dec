#include "spread.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace umbel::collector {
namespace {

const double kGrowth = std::log((1 + Spread::kRelativeError) / (1 - Spread::kRelativeError));
constexpr std::int64_t kLargestBucket = 600;  // of the largest duration

std::uint32_t held(std::uint64_t count) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(count, std::numeric_limits<std::uint32_t>::max()));
}

std::uint32_t sum(std::uint32_t a, std::uint32_t b) { return held(std::uint64_t{a} + b); }

}  // namespace

void Spread::add(std::chrono::microseconds value) {
  const auto micros = static_cast<double>(std::max<std::int64_t>(value.count(), 1));
  const auto bucket = static_cast<std::int16_t>(std::ceil(std::log(micros) / kGrowth));
  const auto place = std::lower_bound(
      counts_.begin(), counts_.end(), bucket,
      [](const Counted& each, std::int16_t wanted) { return each.bucket < wanted; });
  if (place != counts_.end() && place->bucket == bucket) {
    place->count = sum(place->count, 1);
  } else {
    counts_.insert(place, {bucket, 1});
    put_small_ones_together();
  }
  ++count_;
}

void Spread::add(const Spread& other) {
  if (other.count_ == 0) return;
  std::vector<Counted> both;
  both.reserve(counts_.size() + other.counts_.size());
  auto mine = counts_.cbegin();
  for (const Counted& theirs : other.counts_) {
    while (mine != counts_.cend() && mine->bucket < theirs.bucket) both.push_back(*mine++);
    const bool same = mine != counts_.cend() && mine->bucket == theirs.bucket;
    both.push_back({theirs.bucket, same ? sum((mine++)->count, theirs.count) : theirs.count});
  }
  both.insert(both.end(), mine, counts_.cend());
  counts_ = std::move(both);
  count_ += other.count_;
  put_small_ones_together();
}

void Spread::put_small_ones_together() {
  if (counts_.size() <= kMostBuckets) return;
  const auto first = counts_.end() - static_cast<std::ptrdiff_t>(kMostBuckets);
  for (auto small = counts_.begin(); small != first; ++small)
    first->count = sum(first->count, small->count);
  counts_.erase(counts_.begin(), first);
}

std::optional<std::chrono::microseconds> Spread::quantile(double q) const {
  std::uint64_t total = 0;
  for (const Counted& each : counts_) total += each.count;
  if (total == 0) return std::nullopt;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(total - 1);
  std::uint64_t below = 0;
  std::int16_t bucket = 0;
  for (const Counted& each : counts_) {
    bucket = each.bucket;
    below += each.count;
    if (static_cast<double>(below) > rank) break;
  }
  const double value = 2 * std::exp(kGrowth * bucket) / (1 + std::exp(kGrowth));
  return std::chrono::microseconds{static_cast<std::int64_t>(std::llround(value))};
}

void Spread::clear() { *this = {}; }

void Spread::write(ByteWriter& out) const {
  out.number(counts_.size());
  std::int16_t before = 0;
  for (const Counted& each : counts_) {
    out.number(static_cast<std::uint64_t>(each.bucket - before));
    out.number(each.count);
    before = each.bucket;
  }
}

std::optional<Spread> Spread::read(ByteReader& in) {
  const auto size = in.number();
  if (!size || *size > kMostBuckets) return std::nullopt;
  Spread spread;
  std::uint64_t bucket = 0;
  for (std::uint64_t i = 0; i < *size; ++i) {
    const auto step = in.number();
    const auto count = in.number();
    if (!step || !count || *step > static_cast<std::uint64_t>(kLargestBucket)) return std::nullopt;
    if (i > 0 && *step == 0) return std::nullopt;
    bucket += *step;
    if (bucket > static_cast<std::uint64_t>(kLargestBucket)) return std::nullopt;
    spread.counts_.push_back({static_cast<std::int16_t>(bucket), held(*count)});
    spread.count_ += *count;
  }
  return spread;
}

}  // namespace umbel::collector
