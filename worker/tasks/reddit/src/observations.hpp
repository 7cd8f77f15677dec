// What the Reddit tasks measure, with labels that input cannot multiply.
#pragma once

#include <string>
#include <string_view>

#include "api_failure.hpp"
#include "phases.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/store/submissions.hpp"

namespace umbel::reddit {

// Thread-safe.
class Observations {
 public:
  explicit Observations(std::string_view source) : source_{source} {}

  void stored(metrics::Metrics& metrics, const Submission& submission, double seconds);
  void discovered(metrics::Metrics& metrics, const std::string& subreddit);
  void gap(metrics::Metrics& metrics, const std::string& subreddit, bool found);
  // Not for what was stopped.
  void fetch_failed(metrics::Metrics& metrics, const ApiFailure& failure);
  void postponed(metrics::Metrics& metrics, const ApiFailure& failure);
  void phases(metrics::Metrics& metrics, const Phases& phases);
  void budget(metrics::Metrics& metrics, std::int64_t left);
  void init(metrics::Metrics& metrics);

 private:
  // Of the first 50 subreddits; `other` for later ones, which is counted.
  [[nodiscard]] std::string label(metrics::Metrics& metrics, const std::string& subreddit);
  std::string source_;
  metrics::BoundedLabel subreddits_;
};

[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace umbel::reddit
