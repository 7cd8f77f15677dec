// The built-in application: reddit.discover(subreddit) lists what is new, reddit.fetch_submission(url) fetches one submission.
#pragma once

#include <string>

#include "umbel/store/store.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

struct RedditOptions {
  std::string client_id, client_secret;
  std::string token_url = "https://www.reddit.com/api/v1/access_token";
  std::string api_url = "https://oauth.reddit.com";
  std::string user_agent;  // empty: a descriptive one with Umbel's version
  bool simulated = false;  // the answers come from the simulator; stored with every submission, and shown
};

// Registers both tasks on queue `reddit`. `store` outlives the registry.
void add_reddit_tasks(TaskRegistry& tasks, const RedditOptions& options, Store& store);

}  // namespace umbel
