// What the tests of the Reddit tasks share: a Reddit whose answers the test writes, and a place to
// run tasks in.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/http/server.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/tasks_reddit/reddit_tasks.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/task.hpp"

namespace umbel::reddit {

inline std::filesystem::path recordings() {
  if (const char* folder = std::getenv("UMBEL_RECORDINGS")) return folder;
  return std::filesystem::path{UMBEL_SOURCE_DIR} / ".." / "shared" / "data" / "reddit";
}

inline bool have_recordings() {
  return std::filesystem::exists(recordings() / "askreddit_new_1.json");
}

inline std::string recording(const std::string& name) {
  std::ifstream file{recordings() / name};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A server that gives tokens and otherwise answers as the test says; it keeps what it was asked.
class ScriptedReddit {
 public:
  using Script = std::function<http::Response(const http::Request&)>;

  // An empty `token_answer` gives a new token each time.
  explicit ScriptedReddit(Script api, Script token_answer = {})
      : api_{std::move(api)}, token_answer_{std::move(token_answer)} {
    http::Router router;
    router.add("POST", "/api/v1/access_token", [this](const http::Request& request) {
      const std::lock_guard lock{mutex_};
      token_requests_.push_back(request);
      return token_answer_ ? token_answer_(request) : token("token-" + std::to_string(++tokens_));
    });
    router.add("GET", "/<path...>", [this](const http::Request& request) {
      {
        const std::lock_guard lock{mutex_};
        requests_.push_back(request);
      }
      auto response = api_(request);
      const std::lock_guard lock{mutex_};  // what the script read, change() may write from here on
      return response;
    });
    http::ServerOptions options;
    options.max_connections = 16;
    server_ = std::make_unique<http::Server>(options, std::move(router),
                                             std::vector<http::WebSocketRoute>{}, Log::none());
    const auto started = server_->start();
    if (!started) throw std::runtime_error{started.error().what};
  }
  ~ScriptedReddit() { server_->stop(); }

  static http::Response token(const std::string& text, int seconds = 3600) {
    return http::json_response(R"({"access_token":")" + text +
                               R"(","token_type":"bearer","expires_in":)" +
                               std::to_string(seconds) + R"(,"scope":"*"})");
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->port());
  }
  [[nodiscard]] std::vector<http::Request> requests() const {
    const std::lock_guard lock{mutex_};
    return requests_;
  }
  [[nodiscard]] std::vector<http::Request> token_requests() const {
    const std::lock_guard lock{mutex_};
    return token_requests_;
  }
  [[nodiscard]] RedditOptions options() const {
    RedditOptions options;
    options.client_id = "umbel-test";
    options.client_secret = "a secret of the test";
    options.token_url = url() + "/api/v1/access_token";
    options.api_url = url();
    return options;
  }

  // Changes what the script reads, between requests.
  void change(const std::function<void()>& with) {
    const std::lock_guard lock{mutex_};
    with();
  }

 private:
  Script api_, token_answer_;
  mutable std::mutex mutex_;
  std::vector<http::Request> requests_, token_requests_;
  int tokens_ = 0;
  std::unique_ptr<http::Server> server_;  // last: its threads use everything above
};

// A task's context outside of a worker: what it spawns is really accepted by the store.
class BareContext final : public TaskContext {
 public:
  BareContext(Enqueuer& enqueuer, metrics::Metrics& metrics, const Clock& clock,
              std::stop_token stop = {})
      : enqueuer_{enqueuer}, metrics_{metrics}, clock_{clock}, stop_{std::move(stop)} {}

  const TaskId& id() const override { return id_; }
  const std::string& name() const override { return name_; }
  std::int64_t retries() const override { return 0; }
  std::stop_token stop() const override { return stop_; }
  const Log& log() const override { return log_; }
  metrics::Metrics& metrics() override { return metrics_; }
  const Clock& clock() const override { return clock_; }
  Result<std::vector<AcceptedHandle>> spawn(std::vector<TaskRequest> requests,
                                            const Together& together) override {
    auto handles = enqueuer_.submit(requests, together);
    if (handles) spawned.insert(spawned.end(), requests.begin(), requests.end());
    return handles;
  }
  bool sleep_for(std::chrono::milliseconds) override { return !stop_.stop_requested(); }

  std::vector<TaskRequest> spawned;

 private:
  Enqueuer& enqueuer_;
  metrics::Metrics& metrics_;
  const Clock& clock_;
  std::stop_token stop_;
  TaskId id_{"test-task"};
  std::string name_ = "reddit.test";
  Log log_ = Log::none();
};

// Both tasks over a real store and broker in a folder of their own.
class RedditTaskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened_store = open_sqlite_store({dir.file("umbel.db")}, clock, Log::none());
    ASSERT_TRUE(opened_store.has_value()) << opened_store.error().what;
    store = std::move(*opened_store);
    SqliteBrokerOptions broker_options;
    broker_options.path = dir.file("broker.db");
    auto opened_broker = open_sqlite_broker(broker_options, clock, Log::none());
    ASSERT_TRUE(opened_broker.has_value()) << opened_broker.error().what;
    broker = std::move(*opened_broker);
    enqueuer = std::make_unique<Enqueuer>(*store, *broker, clock, Log::none(), "gen1@test");
  }

  void use(const RedditOptions& options) {
    tasks = std::make_unique<TaskRegistry>();
    add_reddit_tasks(*tasks, options, *store);
  }
  boost::json::value run(const std::string& task, const std::string& argument,
                         BareContext& context) {
    return tasks->find(task)->call(context, {boost::json::string{argument}}, {});
  }
  BareContext context() { return BareContext{*enqueuer, metrics, clock}; }
  boost::json::value discover(const std::string& subreddit, BareContext& context) {
    return run("reddit.discover", subreddit, context);
  }
  boost::json::value discover(const std::string& subreddit) {
    auto bare = context();
    return discover(subreddit, bare);
  }
  boost::json::value fetch(const std::string& url) {
    auto bare = context();
    return run("reddit.fetch_submission", url, bare);
  }
  // Runs what discover() spawned.
  void fetch_all(const BareContext& from) {
    for (const auto& request : from.spawned) {
      fetch(std::string{boost::json::parse(request.args).at(0).as_string()});
    }
  }
  double failures(const std::string& reason) {
    return metrics.counter(metrics::kSubmissionFetchFailures, {reason}).Value();
  }

  testing::TempDir dir;
  testing::FakeClock clock;
  metrics::Metrics metrics{"tasks_reddit_test"};
  std::unique_ptr<Store> store;
  std::unique_ptr<Broker> broker;
  std::unique_ptr<Enqueuer> enqueuer;
  std::unique_ptr<TaskRegistry> tasks;
};

}  // namespace umbel::reddit
