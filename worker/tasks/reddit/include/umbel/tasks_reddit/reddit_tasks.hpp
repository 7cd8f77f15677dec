// The built-in application: reddit.discover(subreddit) lists what is new,
// reddit.fetch_submission(url) fetches one submission.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "umbel/metrics/metrics.hpp"
#include "umbel/store/store.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

enum class RedditSource {
  Api,     // with a token, from api_url
  Scrape,  // the public pages, `….json` below public_url, without a token
};

struct RedditOptions {
  RedditSource source = RedditSource::Api;
  std::string client_id, client_secret;
  std::string token_url = "https://www.reddit.com/api/v1/access_token";
  std::string api_url = "https://oauth.reddit.com";
  std::string public_url = "https://www.reddit.com";
  std::string user_agent;  // empty: a descriptive one with Umbel's version
  bool simulated =
      false;  // the answers come from the simulator; stored with every submission, and shown
  std::chrono::milliseconds timeout{15'000};     // of each HTTP request, connecting included
  std::size_t max_body = 16 * 1024 * 1024;       // bytes of an answer, after decompression
  std::chrono::milliseconds first_retry{2'000};  // the delay of the first retry; it doubles
};

// Registers both tasks on queue `reddit`. `store` outlives the registry.
//
// reddit.discover answers {"subreddit", "new", "pages", "gap", "seconds"};
// reddit.fetch_submission answers {"fullname", "subreddit", "title", "score", "num_comments",
// "deleted", "fetch_seconds", "seconds"}, where "seconds" tells each phase. What Reddit refuses for
// good (private, banned, 404, …) ends as FAILURE whose message begins with the reason; what may
// pass is retried, and waiting for the rate budget is no attempt.
void add_reddit_tasks(TaskRegistry& tasks, const RedditOptions& options, Store& store);

// Makes the series whose labels are known beforehand, so that they exist, at zero, before the first
// task runs.
void init_reddit_metrics(metrics::Metrics& metrics, RedditSource source = RedditSource::Api);

}  // namespace umbel
