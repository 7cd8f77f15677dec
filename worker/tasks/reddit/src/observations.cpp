#include "observations.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstddef>

#include "umbel/metrics/catalogue.hpp"

namespace umbel::reddit {
namespace {

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string Observations::label(metrics::Metrics& metrics, const std::string& subreddit) {
  std::string value = subreddits_(subreddit);
  if (value != subreddit) metrics.counter(metrics::kLabelsFolded).Increment();
  return value;
}

void Observations::stored(metrics::Metrics& metrics, const Submission& submission, double seconds) {
  const std::vector<std::string> source{source_};
  const auto age = std::chrono::duration<double>(submission.fetched - submission.created).count();
  metrics.histogram(metrics::kSubmissionFetchTime, source).Observe(seconds);
  metrics
      .counter(metrics::kSubmissionsFetched,
               {label(metrics, lower_case(submission.subreddit)), source_})
      .Increment();
  metrics.histogram(metrics::kSubmissionTitleLength, source)
      .Observe(static_cast<double>(characters(submission.title)));
  if (submission.is_self) {
    metrics.histogram(metrics::kSubmissionTextLength, source)
        .Observe(static_cast<double>(characters(submission.selftext)));
  }
  metrics.histogram(metrics::kSubmissionScore, source)
      .Observe(static_cast<double>(submission.score));
  metrics.histogram(metrics::kSubmissionComments, source)
      .Observe(static_cast<double>(submission.num_comments));
  metrics.histogram(metrics::kSubmissionAge, source).Observe(std::max(age, 0.0));
}

void Observations::discovered(metrics::Metrics& metrics, const std::string& subreddit) {
  metrics.counter(metrics::kSubmissionsDiscovered, {label(metrics, subreddit)}).Increment();
}

void Observations::gap(metrics::Metrics& metrics, const std::string& subreddit, bool found) {
  auto& gaps = metrics.counter(metrics::kSubmissionsGap, {label(metrics, subreddit)});
  if (found) gaps.Increment();
}

void Observations::fetch_failed(metrics::Metrics& metrics, const ApiFailure& failure) {
  metrics.counter(metrics::kSubmissionFetchFailures, {std::string{to_text(failure.reason)}})
      .Increment();
}

void Observations::postponed(metrics::Metrics& metrics, const ApiFailure& failure) {
  metrics.counter(metrics::kRedditPostponed, {source_}).Increment();
  metrics.histogram(metrics::kRedditPostponedSeconds, {source_})
      .Observe(std::chrono::duration<double>(failure.after).count());
}

void Observations::phases(metrics::Metrics& metrics, const Phases& phases) {
  phases.observe(metrics, source_);
}

void Observations::budget(metrics::Metrics& metrics, std::int64_t left) {
  metrics.gauge(metrics::kRedditBudgetLeft, {source_}).Set(static_cast<double>(left));
}

void Observations::init(metrics::Metrics& metrics) {
  const std::vector<std::string> source{source_};
  for (const Reason reason : kReasons) {
    static_cast<void>(
        metrics.counter(metrics::kSubmissionFetchFailures, {std::string{to_text(reason)}}));
  }
  for (const metrics::Family* family :
       {&metrics::kSubmissionFetchTime, &metrics::kSubmissionTitleLength,
        &metrics::kSubmissionTextLength, &metrics::kSubmissionScore, &metrics::kSubmissionComments,
        &metrics::kSubmissionAge, &metrics::kRedditPostponedSeconds}) {
    static_cast<void>(metrics.histogram(*family, source));
  }
  for (const std::string_view phase : kPhaseNames) {
    static_cast<void>(
        metrics.histogram(metrics::kRedditPhaseSeconds, {source_, std::string{phase}}));
  }
  static_cast<void>(metrics.counter(metrics::kRedditPostponed, source));
}

}  // namespace umbel::reddit
