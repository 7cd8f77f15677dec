// The built-in application: reddit.discover(subreddit) lists what is new,
// reddit.fetch_submission(url) fetches one submission.
#pragma once

#include <chrono>
#include <string>

#include "umbel/metrics/metrics.hpp"
#include "umbel/store/store.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

struct RedditOptions {
  std::string client_id, client_secret;
  std::string token_url = "https://www.reddit.com/api/v1/access_token";
  std::string api_url = "https://oauth.reddit.com";
  std::string user_agent;  // empty: a descriptive one with Umbel's version
  bool simulated =
      false;  // the answers come from the simulator; stored with every submission, and shown
  std::chrono::milliseconds timeout{15'000};  // of each HTTP request
};

// Registers both tasks on queue `reddit`. `store` outlives the registry.
//
// reddit.discover answers {"subreddit", "new", "pages", "gap"}; reddit.fetch_submission answers
// {"fullname", "subreddit", "title", "score", "num_comments", "fetch_seconds"}. What Reddit refuses
// for good (403, 404, …) ends as FAILURE; what may pass is retried.
void add_reddit_tasks(TaskRegistry& tasks, const RedditOptions& options, Store& store);

// Makes the series whose labels are known beforehand, so that they exist, at zero, before the first
// task runs.
void init_reddit_metrics(metrics::Metrics& metrics);

}  // namespace umbel
