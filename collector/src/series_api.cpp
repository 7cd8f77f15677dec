#include "series_api.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "arguments.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::int64_t kAtOnce = 288;  // buckets copied while the state is held
constexpr std::array kNames{"received", "succeeded", "failed",   "retried", "running", "ready",
                            "wait_p50", "wait_p95",  "wait_p99", "run_p50", "run_p95", "run_p99"};
constexpr std::array kCountOrder{Count::Received, Count::Succeeded, Count::Failed, Count::Retried};
constexpr std::array kQuantiles{0.5, 0.95, 0.99};

std::int64_t begin_of(std::int64_t t, std::int64_t step) { return t - t % step; }

json::value seconds(std::optional<std::chrono::microseconds> time) {
  return time ? json::value(std::chrono::duration<double>(*time).count()) : json::value(nullptr);
}

json::value number(std::optional<std::uint64_t> value) {
  return value ? json::value(*value) : json::value(nullptr);
}

// One array for each name, written point by point.
class Points {
 public:
  explicit Points(std::int64_t count) {
    for (json::array& each : arrays_) each.reserve(static_cast<std::size_t>(count));
  }
  void put(const std::array<json::value, kNames.size()>& point) {
    for (std::size_t i = 0; i < kNames.size(); ++i) arrays_[i].push_back(point[i]);
  }
  json::object take() {
    json::object object;
    for (std::size_t i = 0; i < kNames.size(); ++i) object[kNames[i]] = std::move(arrays_[i]);
    return object;
  }

 private:
  std::array<json::array, kNames.size()> arrays_;
};

using Point = std::array<json::value, kNames.size()>;

void put_quantiles(Point& point, std::size_t first, const Sketch* sketch) {
  for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
    point[first + i] = seconds(sketch == nullptr ? std::nullopt : sketch->quantile(kQuantiles[i]));
  }
}

json::object by_second(const LiveState& state, const SeriesQuery& query) {
  Points points{query.to - query.from};
  Point durations;  // the same for several seconds
  const Sketch* wait = nullptr;
  const Sketch* run = nullptr;
  for (std::int64_t t = query.from; t < query.to; ++t) {
    const Second second = state.series().at(t);
    if (const Sketch* const now = state.rollup().wait_around(t); now != wait)
      put_quantiles(durations, 6, wait = now);
    if (const Sketch* const now = state.rollup().run_around(t); now != run)
      put_quantiles(durations, 9, run = now);
    Point point = durations;
    for (std::size_t i = 0; i < kCountOrder.size(); ++i) {
      if (second.seen) point[i] = second.counts[static_cast<std::size_t>(kCountOrder[i])];
    }
    point[4] = number(second.running);
    point[5] = number(second.ready);
    points.put(point);
  }
  return points.take();
}

// What was not watched at all has no values, though something may be known of it.
Point point_of(const Bucket& bucket) {
  Point point;
  if (bucket.seen > 0) {
    for (std::size_t i = 0; i < kCountOrder.size(); ++i)
      point[i] = bucket.counts[static_cast<std::size_t>(kCountOrder[i])];
    point[4] = bucket.most_running;
    point[5] = bucket.most_ready;
  }
  put_quantiles(point, 6, &bucket.wait);
  put_quantiles(point, 9, &bucket.run);
  return point;
}

json::object by_bucket(Live& live, const SeriesQuery& query) {
  const std::size_t kept = query.step == kRollupSteps[0].seconds ? 0 : 1;
  const std::int64_t chunk = kRollupSteps.at(kept).seconds * kAtOnce;
  std::map<std::int64_t, Bucket> buckets;
  for (std::int64_t from = query.from; from < query.to; from += chunk) {
    const auto part = live.with([&](LiveState& state) {
      return state.rollup().between(kept, from, std::min(from + chunk, query.to));
    });
    for (const auto& [begin, bucket] : part) buckets[begin_of(begin, query.step)].add(bucket);
  }
  Points points{(query.to - query.from) / query.step};
  for (std::int64_t t = query.from; t < query.to; t += query.step) {
    const auto found = buckets.find(t);
    points.put(found == buckets.end() ? Point{} : point_of(found->second));
  }
  return points.take();
}

json::array blind_rows(const LiveState& state, const SeriesQuery& query) {
  json::array rows;
  for (const BlindSpan& span : state.blind_spans().between(query.from, query.to)) {
    rows.push_back(
        json::object{{"from", span.from},
                     {"to", span.to},
                     {"reason", to_text(span.reason)},
                     {"lost_for_good", lost_for_good(span.reason)},
                     {"lost", span.lost},
                     {"worker", span.who.empty() ? json::value(nullptr) : json::value(span.who)}});
  }
  return rows;
}

}  // namespace

Result<SeriesQuery> series_query(const http::Request& request, WallTime now) {
  const auto range = choice_argument(request, "range", kSeriesRanges);
  if (!range) return range.error();
  const auto given = time_argument(request, "to");
  if (!given) return given.error();
  const std::int64_t current = unix_second(now);
  const std::int64_t end = *given ? std::min(unix_second(**given), current) : current;
  SeriesQuery query{.from = end - *range, .to = end, .step = 1};
  if (*range <= Series::kKept && query.from >= current - Series::kKept) return query;
  query.step = kRollupSteps[0].seconds;
  if (query.from < current - kRollupSteps[0].kept || *range > kMostPoints * query.step)
    query.step = kRollupSteps[1].seconds;
  while (*range > kMostPoints * query.step) query.step += kRollupSteps[1].seconds;
  // Steps that divide a day begin where people expect them to.
  while (86'400 % query.step != 0) query.step += kRollupSteps[1].seconds;
  query.to = begin_of(end + query.step - 1, query.step);
  query.from = query.to - begin_of(*range + query.step - 1, query.step);
  return query;
}

json::object series_answer(Live& live, const SeriesQuery& query) {
  json::object points = query.step == 1
                            ? live.with([&](LiveState& state) { return by_second(state, query); })
                            : by_bucket(live, query);
  json::array blind = live.with([&](LiveState& state) { return blind_rows(state, query); });
  return {{"step", query.step},
          {"from", query.from},
          {"to", query.to},
          {"points", std::move(points)},
          {"blind", std::move(blind)}};
}

}  // namespace umbel::collector
