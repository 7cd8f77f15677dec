#include "rollup.hpp"

#include <algorithm>
#include <utility>

namespace umbel::collector {
namespace {

constexpr std::int64_t kShortKept = Series::kKept + 60;

std::int64_t begin_of(std::int64_t t, std::int64_t seconds) {
  return t - (t % seconds + seconds) % seconds;
}

}  // namespace

void Bucket::add(const Bucket& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  seen += other.seen;
  most_running = std::max(most_running, other.most_running);
  most_ready = std::max(most_ready, other.most_ready);
  wait.add(other.wait);
  run.add(other.run);
}

std::string to_bytes(const Bucket& bucket) {
  ByteWriter out;
  for (const std::uint64_t count : bucket.counts) out.number(count);
  out.number(bucket.seen);
  out.number(bucket.most_running);
  out.number(bucket.most_ready);
  bucket.wait.write(out);
  bucket.run.write(out);
  return out.take();
}

std::optional<Bucket> bucket_from(std::string_view bytes) {
  ByteReader in{bytes};
  Bucket bucket;
  const auto read = [&](std::uint64_t& number) {
    const auto value = in.number();
    number = value.value_or(0);
    return value.has_value();
  };
  for (std::uint64_t& count : bucket.counts) {
    if (!read(count)) return std::nullopt;
  }
  if (!read(bucket.seen) || !read(bucket.most_running) || !read(bucket.most_ready))
    return std::nullopt;
  auto wait = Sketch::read(in);
  auto run = Sketch::read(in);
  if (!wait || !run) return std::nullopt;
  bucket.wait = std::move(*wait);
  bucket.run = std::move(*run);
  return bucket;
}

template <class Change>
void Rollup::each(std::int64_t t, Change change) {
  for (std::size_t step = 0; step < kRollupSteps.size(); ++step) {
    const std::int64_t begin = begin_of(t, kRollupSteps[step].seconds);
    change(steps_[step][begin]);
    changed_.emplace(step, begin);
  }
}

void Rollup::count(Count what, std::int64_t t) {
  each(t, [what](Bucket& bucket) { ++bucket.counts[static_cast<std::size_t>(what)]; });
}

void Rollup::waited(std::chrono::microseconds time, std::int64_t t) {
  each(t, [time](Bucket& bucket) { bucket.wait.add(time); });
  short_[begin_of(t, kShortStep)].wait.add(time);
}

void Rollup::ran(std::chrono::microseconds time, std::int64_t t) {
  each(t, [time](Bucket& bucket) { bucket.run.add(time); });
  short_[begin_of(t, kShortStep)].run.add(time);
}

void Rollup::watched(std::int64_t t) {
  each(t, [](Bucket& bucket) { ++bucket.seen; });
}

void Rollup::measure(std::int64_t t, std::uint64_t running, std::optional<std::uint64_t> ready) {
  each(t, [&](Bucket& bucket) {
    bucket.most_running = std::max(bucket.most_running, running);
    bucket.most_ready = std::max(bucket.most_ready, ready.value_or(0));
  });
}

void Rollup::forget(std::int64_t now) {
  for (std::size_t step = 0; step < kRollupSteps.size(); ++step) {
    auto& buckets = steps_[step];
    buckets.erase(buckets.begin(), buckets.lower_bound(now - kRollupSteps[step].kept));
  }
  short_.erase(short_.begin(), short_.lower_bound(now - kShortKept));
}

const Sketch* Rollup::around(std::int64_t t, Sketch Durations::*of_ten,
                             Sketch Bucket::*of_minute) const {
  const auto something = [](const Sketch& sketch) {
    return sketch.count() == 0 ? nullptr : &sketch;
  };
  if (!short_.empty() && begin_of(t, kShortStep) >= short_.begin()->first) {
    const auto ten = short_.find(begin_of(t, kShortStep));
    return ten == short_.end() ? nullptr : something(ten->second.*of_ten);
  }
  const auto minute = steps_[0].find(begin_of(t, kRollupSteps[0].seconds));
  return minute == steps_[0].end() ? nullptr : something(minute->second.*of_minute);
}

const Sketch* Rollup::wait_around(std::int64_t t) const {
  return around(t, &Durations::wait, &Bucket::wait);
}

const Sketch* Rollup::run_around(std::int64_t t) const {
  return around(t, &Durations::run, &Bucket::run);
}

std::vector<std::pair<std::int64_t, Bucket>> Rollup::between(std::size_t step, std::int64_t from,
                                                             std::int64_t to) const {
  const auto& buckets = steps_.at(step);
  return {buckets.lower_bound(from), buckets.lower_bound(std::max(from, to))};
}

std::size_t Rollup::size() const {
  std::size_t total = 0;
  for (const auto& buckets : steps_) total += buckets.size();
  return total;
}

std::vector<KeptRow> Rollup::take_changed() {
  std::vector<KeptRow> rows;
  for (const auto& [step, begin] : std::exchange(changed_, {})) {
    const auto bucket = steps_[step].find(begin);
    if (bucket == steps_[step].end()) continue;
    rows.push_back(
        {.kind = kRollupSteps[step].kind, .at = begin, .data = to_bytes(bucket->second)});
  }
  return rows;
}

void Rollup::changed_again(const KeptRow& row) {
  for (std::size_t step = 0; step < kRollupSteps.size(); ++step) {
    if (row.kind == kRollupSteps[step].kind) changed_.emplace(step, row.at);
  }
}

void Rollup::restore(std::size_t step, const KeptRow& row) {
  if (auto bucket = bucket_from(row.data)) steps_.at(step)[row.at] = std::move(*bucket);
}

}  // namespace umbel::collector
