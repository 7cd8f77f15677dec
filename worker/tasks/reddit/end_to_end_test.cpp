// The Reddit tasks in a worker, against the simulator, over the embedded engine.
#include <gtest/gtest.h>

#include <set>

#include "reddit_testing.hpp"
#include "umbel/base/text.hpp"
#include "umbel/reddit_simulator/simulator.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/worker/worker.hpp"

namespace umbel::reddit {
namespace {

namespace json = boost::json;

class RedditEndToEnd : public ::testing::Test {
 protected:
  void SetUp() override {
    reddit_simulator::SimulatorOptions options;
    options.rate = 5;
    options.history = std::chrono::seconds{60};
    options.rate_limit = 1'000'000;
    options.client_id = "umbel";
    options.client_secret = "s3cret";
    auto opened = reddit_simulator::Simulator::open(options, clock, Log::none());
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    simulator = std::move(*opened);
    simulator->add_routes(router);
    server = std::make_unique<http::Server>(http::ServerOptions{}, router,
                                            std::vector<http::WebSocketRoute>{}, Log::none());
    ASSERT_TRUE(server->start().has_value());
    store = std::move(open_sqlite_store({dir.file("umbel.db")}, clock, Log::none()).value());
    SqliteBrokerOptions broker_options;
    broker_options.path = dir.file("broker.db");
    broker = std::move(open_sqlite_broker(broker_options, clock, Log::none()).value());
    const std::string url = "http://127.0.0.1:" + std::to_string(server->port());
    RedditOptions reddit;
    reddit.client_id = "umbel";
    reddit.client_secret = "s3cret";
    reddit.token_url = url + "/api/v1/access_token";
    reddit.api_url = url;
    reddit.simulated = true;
    add_reddit_tasks(tasks, reddit, *store);
    enqueuer = std::make_unique<Enqueuer>(*store, *broker, clock, Log::none(), "gen1@test");
    WorkerOptions worker_options;
    worker_options.name = WorkerName{"test@here"};
    worker = std::make_unique<Worker>(worker_options, tasks, *broker, *store, clock, metrics,
                                      Log::none());
    const auto started = worker->start();
    ASSERT_TRUE(started.has_value()) << started.error().what;
  }
  void TearDown() override {
    if (worker) worker->stop();
    if (server) server->stop();
  }

  void discover(const std::string& subreddit) {
    TaskRequest request;
    request.name = "reddit.discover";
    request.args = "[" + json_quoted(subreddit) + "]";
    request.queue = QueueName{"reddit"};
    const auto accepted = enqueuer->submit(std::span{&request, 1});
    ASSERT_TRUE(accepted.has_value()) << accepted.error().what;
    const TaskId id = accepted->at(0).id;
    ASSERT_TRUE(testing::eventually(
        [&] {
          const auto result = store->results().find(id);
          return result && is_final(result->state);
        },
        std::chrono::seconds{30}));
    EXPECT_EQ(store->results().find(id)->state, TaskState::Success);
  }
  json::value ledger() {
    http::Request request;
    request.method = "GET";
    request.path = "/ledger";
    return json::parse(router.handle(request).body);
  }
  std::set<std::string> listed() {
    std::set<std::string> names;
    const auto told = ledger();
    for (const auto& one : told.at("listed").as_array())
      names.emplace(one.at("fullname").as_string());
    return names;
  }

  testing::TempDir dir;
  SystemClock clock;
  metrics::Metrics metrics{"tasks_reddit_test"};
  http::Router router;
  std::unique_ptr<reddit_simulator::Simulator> simulator;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<Store> store;
  std::unique_ptr<Broker> broker;
  TaskRegistry tasks;
  std::unique_ptr<Enqueuer> enqueuer;
  std::unique_ptr<Worker> worker;
};

TEST_F(RedditEndToEnd, WhatWasListedIsWhatIsStored) {
  discover("askreddit");
  discover("cpp");
  const std::size_t before = listed().size();
  ASSERT_GT(before, 50U);
  // The stream goes on while the worker fetches: wait until there is more to find.
  ASSERT_TRUE(testing::eventually(
      [&] {
        discover("askreddit");
        return listed().size() > before;
      },
      std::chrono::seconds{20}));

  const auto names = listed();
  EXPECT_TRUE(
      testing::eventually([&] { return store->submissions().count().value() >= names.size(); },
                          std::chrono::seconds{40}));

  EXPECT_EQ(store->submissions().count().value(), names.size());
  const auto told = ledger();
  for (const auto& name : names) {
    const auto stored = store->submissions().find(name);
    ASSERT_TRUE(stored.has_value()) << name;
    EXPECT_TRUE(stored->simulated);
    EXPECT_EQ(stored->source, "api");
    EXPECT_TRUE(stored->upvote_ratio.has_value());
    EXPECT_EQ(told.at("served").at(name).to_number<int>(), 1) << name;
  }
  EXPECT_EQ(told.at("tokens_issued").to_number<int>(), 1);
}

}  // namespace
}  // namespace umbel::reddit
