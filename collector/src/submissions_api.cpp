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
template <class Number>
json::value two_quantiles(std::vector<Number> values) {
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
  std::string name;
  std::uint64_t fetched = 0;
  WallTime newest_created{}, last_fetched{};
  std::vector<std::int64_t> scores, comments;
};

json::object row(Subreddit subreddit, const json::value& failed, std::int64_t minutes,
                 WallTime now) {
  const bool some = subreddit.fetched > 0;
  const auto time = [some](WallTime at) {
    return some ? json::value(to_unix_seconds(at)) : json::value(nullptr);
  };
  return {{"name", subreddit.name},
          {"fetched", subreddit.fetched},
          {"failed", failed},
          {"rate", static_cast<double>(subreddit.fetched) / static_cast<double>(minutes * 60)},
          {"newest_created", time(subreddit.newest_created)},
          {"last_fetched", time(subreddit.last_fetched)},
          {"freshness", some ? json::value(std::max(0.0, seconds(now - subreddit.last_fetched)))
                             : json::value(nullptr)},
          {"score", two_quantiles(std::move(subreddit.scores))},
          {"comments", two_quantiles(std::move(subreddit.comments))}};
}

json::value phases_section(const Fetches& fetches) {
  if (fetches.phases.empty()) return nullptr;
  json::array rows;
  for (const auto& [phase, values] : fetches.phases) {
    auto row = two_quantiles(values).get_array();
    rows.push_back(json::object{{"phase", phase}, {"p50", row[0]}, {"p95", row[1]}});
  }
  return rows;
}

json::object fetch_section(const NameWindow& window, const Fetches& fetches) {
  const auto count = [&](std::uint64_t value) {
    return window.known > 0 ? json::value(value) : json::value(nullptr);
  };
  return {{"succeeded", count(window.counts.succeeded)},
          {"failed", count(window.counts.failed)},
          {"retried", count(window.counts.retried)},
          {"p50", quantile(window.run, 0.5)},
          {"p95", quantile(window.run, 0.95)},
          {"p99", quantile(window.run, 0.99)},
          {"phases", phases_section(fetches)}};
}

}  // namespace

json::object submissions_answer(const std::vector<Submission>& latest, const NameWindow& window,
                                const Fetches& fetches, std::int64_t minutes, WallTime now) {
  const WallTime from = now - std::chrono::minutes{minutes};
  std::map<std::string, Subreddit> subreddits;
  std::vector<std::int64_t> scores, comments, ages;
  for (const Submission& each : latest) {
    if (each.fetched < from) continue;
    Subreddit& of = subreddits[lower_case(each.subreddit)];
    of.name = each.subreddit;
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
  for (const auto& [key, failed] : fetches.failed) {
    if (auto& of = subreddits[key]; of.name.empty()) of.name = key;
  }
  for (auto& [key, subreddit] : subreddits) {
    const auto known = fetches.failed.find(key);
    json::value failed = nullptr;
    if (known != fetches.failed.end()) {
      failed = known->second;
    } else if (fetches.whole) {
      failed = 0;
    }
    rows.push_back(row(std::move(subreddit), failed, minutes, now));
  }
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
          {"fetch", fetch_section(window, fetches)},
          {"latest", std::move(newest)},
          {"cut", cut},
          {"source", source},
          {"now", to_unix_seconds(now)}};
}

}  // namespace umbel::collector
