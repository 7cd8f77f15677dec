#include "submissions_api.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "sections.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::array<std::int64_t, 13> kCountBounds{0,   1,   2,   5,    10,   20,    50,
                                                    100, 200, 500, 1000, 5000, 10'000};
constexpr std::array<std::int64_t, 9> kAgeBounds{60,     300,    900,    3'600,  10'800,
                                                 21'600, 43'200, 86'400, 604'800};  // seconds

double seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

json::value quantile(const Spread& spread, double q) {
  const auto value = spread.quantile(q);
  return value ? json::value(seconds(*value)) : json::value(nullptr);
}

// Exactly: of the values given.
json::value two_quantiles(std::vector<std::int64_t> values) {
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  const auto at = [&](double q) {
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
  };
  return json::array{at(0.5), at(0.95)};
}

// How many are at most each bound and above the one before; the last one has none.
template <std::size_t Size>
json::array distribution(const std::vector<std::int64_t>& values,
                         const std::array<std::int64_t, Size>& bounds) {
  std::array<std::uint64_t, Size + 1> counts{};
  for (const std::int64_t value : values) {
    const auto bound = std::lower_bound(bounds.begin(), bounds.end(), value);
    ++counts.at(static_cast<std::size_t>(bound - bounds.begin()));
  }
  json::array rows;
  for (std::size_t i = 0; i <= Size; ++i) {
    rows.push_back(json::object{{"le", i < Size ? json::value(bounds[i]) : json::value(nullptr)},
                                {"count", counts[i]}});
  }
  return rows;
}

struct Subreddit {
  std::uint64_t fetched = 0;
  WallTime newest_created{}, last_fetched{};
  std::vector<std::int64_t> scores, comments;
};

json::object row(const std::string& name, Subreddit subreddit, std::int64_t minutes, WallTime now) {
  return {{"name", name},
          {"fetched", subreddit.fetched},
          {"failed", nullptr},  // a fetch that failed does not say of which subreddit it was
          {"rate", static_cast<double>(subreddit.fetched) / static_cast<double>(minutes * 60)},
          {"newest_created", to_unix_seconds(subreddit.newest_created)},
          {"last_fetched", to_unix_seconds(subreddit.last_fetched)},
          {"freshness", std::max(0.0, seconds(now - subreddit.last_fetched))},
          {"score", two_quantiles(std::move(subreddit.scores))},
          {"comments", two_quantiles(std::move(subreddit.comments))}};
}

json::object fetch_section(const NameWindow& fetches) {
  const auto count = [&](std::uint64_t value) {
    return fetches.known > 0 ? json::value(value) : json::value(nullptr);
  };
  return {{"succeeded", count(fetches.counts.succeeded)},
          {"failed", count(fetches.counts.failed)},
          {"retried", count(fetches.counts.retried)},
          {"p50", quantile(fetches.run, 0.5)},
          {"p95", quantile(fetches.run, 0.95)},
          {"p99", quantile(fetches.run, 0.99)},
          {"phases", nullptr}};  // the workers measure them; Prometheus has them
}

}  // namespace

json::object submissions_answer(const std::vector<Submission>& latest, const NameWindow& fetches,
                                std::int64_t minutes, WallTime now) {
  const WallTime from = now - std::chrono::minutes{minutes};
  std::map<std::string, Subreddit> subreddits;
  std::vector<std::int64_t> scores, comments, ages;
  for (const Submission& each : latest) {
    if (each.fetched < from) continue;
    Subreddit& of = subreddits[each.subreddit];
    ++of.fetched;
    of.newest_created = std::max(of.newest_created, each.created);
    of.last_fetched = std::max(of.last_fetched, each.fetched);
    of.scores.push_back(each.score);
    of.comments.push_back(each.num_comments);
    scores.push_back(each.score);
    comments.push_back(each.num_comments);
    const auto age = std::chrono::floor<std::chrono::seconds>(each.fetched - each.created);
    ages.push_back(std::max<std::int64_t>(age.count(), 0));
  }
  json::array rows, newest;
  for (auto& [name, subreddit] : subreddits)
    rows.push_back(row(name, std::move(subreddit), minutes, now));
  for (const Submission& each : latest) {
    if (newest.size() == kShownSubmissions) break;
    newest.push_back(submission_row(each));
  }
  const bool cut = latest.size() >= kLookedAtSubmissions && latest.back().fetched >= from;
  const char* const source = latest.empty()             ? "none"
                             : latest.front().simulated ? "simulated"
                                                        : "reddit";
  return {{"minutes", minutes},
          {"subreddits", std::move(rows)},
          {"distributions", json::object{{"score", distribution(scores, kCountBounds)},
                                         {"comments", distribution(comments, kCountBounds)},
                                         {"age_at_fetch", distribution(ages, kAgeBounds)}}},
          {"fetch", fetch_section(fetches)},
          {"latest", std::move(newest)},
          {"cut", cut},
          {"source", source},
          {"now", to_unix_seconds(now)}};
}

}  // namespace umbel::collector
