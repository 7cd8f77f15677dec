// The Reddit tasks in a worker, against the simulator, over the embedded engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "listing.hpp"
#include "reddit_testing.hpp"
#include "scrape_source.hpp"
#include "umbel/base/text.hpp"
#include "umbel/reddit_simulator/simulator.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/worker/worker.hpp"

namespace umbel::reddit {
namespace {

namespace json = boost::json;

// A worker with a store and a broker of its own.
class Place {
 public:
  Place(const RedditOptions& reddit, const Clock& clock, std::size_t threads = 2)
      : store{open_sqlite_store({dir.file("umbel.db")}, clock, Log::none()).value()},
        broker{open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value()},
        enqueuer{*store, *broker, clock, Log::none(), "gen1@test"} {
    add_reddit_tasks(tasks, reddit, *store);
    WorkerOptions options;
    options.name = WorkerName{"test@here"};
    options.concurrency = threads;
    worker = std::make_unique<Worker>(options, tasks, *broker, *store, clock, metrics, Log::none());
    const auto started = worker->start();
    if (!started) throw std::runtime_error{started.error().what};
  }
  ~Place() { worker->stop(); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  TaskId ask_discover(const std::string& subreddit) {
    TaskRequest request;
    request.name = "reddit.discover";
    request.args = "[" + json_quoted(subreddit) + "]";
    request.queue = QueueName{"reddit"};
    const auto accepted = enqueuer.submit(std::span{&request, 1});
    EXPECT_TRUE(accepted.has_value()) << accepted.error().what;
    return accepted->at(0).id;
  }
  // Its final state.
  TaskState ended(const TaskId& id) {
    TaskState state = TaskState::Pending;
    EXPECT_TRUE(testing::eventually(
        [&] {
          const auto result = store->results().find(id);
          if (result) state = result->state;
          return is_final(state);
        },
        std::chrono::seconds{60}));
    return state;
  }
  void discover(const std::string& subreddit) {
    EXPECT_EQ(ended(ask_discover(subreddit)), TaskState::Success);
  }
  bool stores(std::size_t count) {
    return testing::eventually([&] { return store->submissions().count().value() >= count; },
                               std::chrono::seconds{40});
  }

  testing::TempDir dir;
  metrics::Metrics metrics{"tasks_reddit_test"};
  std::unique_ptr<Store> store;
  std::unique_ptr<Broker> broker;
  TaskRegistry tasks;
  Enqueuer enqueuer;
  std::unique_ptr<Worker> worker;
};

// The machine's clock, until it is stopped: then Reddit has nothing new any more.
class StoppableClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override {
    const std::int64_t stopped = stopped_;
    return stopped == 0 ? clock_.wall() : from_micros(stopped);
  }
  [[nodiscard]] Steady::time_point steady() const override { return clock_.steady(); }
  void stop() { stopped_ = to_micros(clock_.wall()); }

 private:
  SystemClock clock_;
  std::atomic<std::int64_t> stopped_{0};
};

// A simulator, and whatever uses it.
class RedditEndToEnd : public ::testing::Test {
 protected:
  void serve(reddit_simulator::SimulatorOptions options, const Clock& machine) {
    options.client_id = "umbel";
    options.client_secret = "s3cret";
    auto opened = reddit_simulator::Simulator::open(std::move(options), machine, Log::none());
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    simulator = std::move(*opened);
    simulator->add_routes(router);
    http::ServerOptions listen;
    listen.port = port;
    server = std::make_unique<http::Server>(listen, router, std::vector<http::WebSocketRoute>{},
                                            Log::none());
    ASSERT_TRUE(server->start().has_value());
    port = server->port();
  }
  // Another simulator at the same address; what the first one told is known to it by its ledger.
  void serve_instead(reddit_simulator::SimulatorOptions options, const Clock& machine) {
    ASSERT_FALSE(options.ledger_path.empty());
    TearDown();
    server.reset();
    router = {};
    simulator.reset();
    serve(std::move(options), machine);
  }
  void serve_without_faults(const Clock& machine) {
    reddit_simulator::SimulatorOptions options;
    options.rate = 5;
    options.history = std::chrono::seconds{60};
    options.rate_limit = options.public_rate_limit = 1'000'000;
    serve(options, machine);
  }
  void TearDown() override {
    if (simulator) simulator->stop();
    if (server) server->stop();
  }
  [[nodiscard]] RedditOptions reddit(RedditSource source = RedditSource::Api) const {
    const std::string url = "http://127.0.0.1:" + std::to_string(port);
    RedditOptions options;
    options.source = source;
    options.client_id = "umbel";
    options.client_secret = "s3cret";
    options.token_url = url + "/api/v1/access_token";
    options.api_url = options.public_url = url;
    options.simulated = true;
    return options;
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

  // All that Reddit shows of it now.
  std::set<std::string> shown(Place& place, const char* subreddit) {
    std::set<std::string> names;
    const auto options_of_source = reddit(RedditSource::Scrape);
    ScrapeSource source{options_of_source, place.store->shared()};
    std::string after;
    do {
      Phases phases;
      const auto answer = source.listing(subreddit, after, {clock, {}, phases});
      if (!answer) {
        ADD_FAILURE() << answer.error().what;
        break;
      }
      const auto page = parse_listing(answer->body).value();
      for (const Submission& one : page.children) names.insert(one.fullname);
      after = page.after.value_or("");
    } while (!after.empty());
    return names;
  }

  SystemClock clock;
  std::uint16_t port = 0;
  http::Router router;
  std::unique_ptr<reddit_simulator::Simulator> simulator;
  std::unique_ptr<http::Server> server;
};

TEST_F(RedditEndToEnd, WhatWasListedIsWhatIsStored) {
  serve_without_faults(clock);
  Place place{reddit(), clock};
  Store* const store = place.store.get();
  const auto discover = [&](const char* subreddit) { place.discover(subreddit); };
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

TEST_F(RedditEndToEnd, BothSourcesStoreTheSameRows) {
  testing::FakeClock frozen;  // Reddit's own: scores do not grow while the test looks
  serve_without_faults(frozen);
  Place api{reddit(RedditSource::Api), clock};
  Place scrape{reddit(RedditSource::Scrape), clock};

  for (Place* place : {&api, &scrape}) {
    for (const char* subreddit : {"askreddit", "cpp", "linux"}) place->discover(subreddit);
  }
  const auto names = listed();
  ASSERT_GT(names.size(), 50U);
  ASSERT_TRUE(api.stores(names.size()));
  ASSERT_TRUE(scrape.stores(names.size()));

  for (const std::string& name : names) {
    auto one = api.store->submissions().find(name);
    auto other = scrape.store->submissions().find(name);
    ASSERT_TRUE(one.has_value()) << name;
    ASSERT_TRUE(other.has_value()) << name;
    EXPECT_EQ(one->source, "api");
    EXPECT_EQ(other->source, "scrape");
    other->source = one->source;
    other->fetched = one->fetched;
    EXPECT_EQ(*one, *other) << name;
  }
  EXPECT_EQ(ledger().at("tokens_issued").to_number<int>(), 1) << "scraping needs none";
}

TEST_F(RedditEndToEnd, AResultTellsWhereTheTimeWent) {
  serve_without_faults(clock);
  Place place{reddit(), clock};
  place.discover("cpp");
  ASSERT_TRUE(place.stores(1));
  const std::string name = *listed().begin();
  const TaskId id{named_uuid("fetch|" + name)};
  ASSERT_EQ(place.ended(id), TaskState::Success);

  const auto result = json::parse(place.store->results().find(id)->result);

  const auto& seconds = result.at("seconds").as_object();
  double sum = 0;
  for (const auto& [phase, value] : seconds) sum += value.to_number<double>();
  EXPECT_EQ(seconds.size(), 9U);
  EXPECT_GT(seconds.at("first_byte").to_number<double>(), 0);
  EXPECT_GT(seconds.at("store").to_number<double>(), 0);
  EXPECT_LE(sum, result.at("fetch_seconds").to_number<double>() * 1.1 + 0.05);
  EXPECT_NE(
      place.metrics.text().find(R"(reddit_request_phase_seconds_count{phase="dns",source="api"})"),
      std::string::npos);
}

// Reddit tells whole seconds: what is written later in the second of the watermark, and what was
// written in the second of the beginning before the first page's end, is as old as what is known.
TEST_F(RedditEndToEnd, WhatIsWrittenInTheSecondOfAnEndIsFoundToo) {
  testing::FakeClock frozen;  // at a whole second
  reddit_simulator::SimulatorOptions options;
  options.rate = 50;
  options.history = std::chrono::seconds{3};
  options.subreddits = {"cpp"};
  options.rate_limit = options.public_rate_limit = 1'000'000;
  serve(options, frozen);
  Place place{reddit(), clock};
  frozen.advance(std::chrono::milliseconds{300});
  place.discover("cpp");
  const auto first = listed();
  const auto watermark = place.store->submissions().watermark("cpp").value();
  ASSERT_EQ(first.size(), 100U) << "a whole page, and more behind it";

  frozen.advance(std::chrono::milliseconds{600});
  place.discover("cpp");

  const auto all = listed();
  EXPECT_EQ(place.store->submissions().watermark("cpp").value(), watermark) << "the same second";
  EXPECT_GT(all.size(), first.size() + 20);
  const auto began = std::find_if(all.begin(), all.end(),
                                  [&](const std::string& name) { return first.contains(name); });
  EXPECT_NE(began, all.begin()) << "older ones, of the second in which the first page ended";
  EXPECT_TRUE(place.stores(all.size()));
  for (const std::string& name : all) {
    EXPECT_TRUE(place.store->submissions().find(name).has_value()) << name;
  }
}

// How the fetch of a listed submission ended: "stored", or the reason of its failure; each fails
// the test if it is neither.
std::string end_of(Place& place, const std::string& name) {
  if (!place.store->submissions().sighted(std::span{&name, 1}).value().at(0)) {
    ADD_FAILURE() << name << " was listed and never sighted";
    return "lost";
  }
  const TaskId id{named_uuid("fetch|" + name)};
  const TaskState state = place.ended(id);
  if (state == TaskState::Success) {
    EXPECT_TRUE(place.store->submissions().find(name).has_value()) << name;
    return "stored";
  }
  EXPECT_EQ(state, TaskState::Failure) << name;
  const auto result = json::parse(place.store->results().find(id)->result);
  const std::string what = json::serialize(result.at("exc_message"));
  for (const Reason reason : kReasons) {
    const std::string label{to_text(reason)};
    if (what.find(label + ": ") != std::string::npos) return label;
  }
  ADD_FAILURE() << name << ": " << what;
  return "unnamed";
}

// Everything at once, for some seconds, and then nothing any more: whatever was listed, even in an
// answer that could not be read, is stored or has ended with a reason that has a name.
// UMBEL_REDDIT_SOAK_SECONDS makes it longer.
TEST_F(RedditEndToEnd, UnderEveryFaultNothingIsLostAndTheWatermarkNeverSkips) {
  const char* given = std::getenv("UMBEL_REDDIT_SOAK_SECONDS");
  const std::chrono::seconds length{given == nullptr ? 2 : std::stoi(given)};
  StoppableClock machine;
  testing::TempDir dir;
  reddit_simulator::SimulatorOptions options;
  options.seed = 7;
  // All of it is to fit into a listing.
  options.rate = std::min(12.0, 900.0 / static_cast<double>(length.count()));
  options.history = std::chrono::seconds{6};
  options.subreddits = {"cpp", "linux"};
  options.ledger_path = dir.file("ledger.jsonl");
  options.faults = {"429=0.05",       "503=0.05",      "401=0.05",       "html=0.05",
                    "truncated=0.05", "type=0.05",     "hang=0.05",      "oversized=0.05",
                    "gzip=0.05",      "redirect=0.05", "elsewhere=0.05", "loop=0.01",
                    "reset=0.01",     "drip=0.01",     "bomb=0.01",      "empty=0.01",
                    "badgzip=0.01",   "private=0.05",  "banned=0.05",    "quarantined=0.05",
                    "deleted=0.05"};
  options.rate_limit = options.public_rate_limit = 1'000'000;
  options.retry_after = std::chrono::seconds{0};  // a second, then
  options.slow = std::chrono::milliseconds{1500};
  options.oversized = 3 * 1024 * 1024;
  serve(options, machine);
  auto tasks = reddit();
  tasks.timeout = std::chrono::milliseconds{500};
  tasks.max_body = 1024 * 1024;
  tasks.first_retry = std::chrono::milliseconds{50};
  Place place{tasks, clock, 8};

  const auto subreddits = {"cpp", "linux"};
  const auto end = Steady::now() + length;
  while (Steady::now() < end) {
    for (const char* subreddit : subreddits) {
      static_cast<void>(place.ended(place.ask_discover(subreddit)));
    }
  }
  const std::size_t under_faults = listed().size();

  // No fault from here on. The stream flows until each watermark has passed what was listed.
  options.faults.clear();
  serve_instead(options, machine);
  const WallTime cut = machine.wall();
  const auto is_past_the_cut = [&](const char* subreddit) {
    place.discover(subreddit);
    return place.store->submissions().watermark(subreddit).value().value_or(WallTime{}) > cut;
  };
  for (const char* subreddit : subreddits) {
    EXPECT_TRUE(
        testing::eventually([&] { return is_past_the_cut(subreddit); }, std::chrono::seconds{40}));
  }
  machine.stop();
  for (const char* subreddit : subreddits) place.discover(subreddit);

  const auto told = ledger();
  const auto all = listed();
  EXPECT_GT(all.size(), under_faults);
  std::map<std::string, std::size_t> ends;
  for (const std::string& name : all) {
    const std::string found = end_of(place, name);
    ++ends[found];
    const auto* gone = told.at("gone").as_object().if_contains(name);
    if (gone != nullptr && found != "not_found") {
      EXPECT_EQ(gone->as_string(), found) << name;
    }
  }
  EXPECT_GT(ends["stored"], 20U);
  EXPECT_GT(told.at("faults").as_object().size(), 10U);

  // Nor has Reddit anything that was not listed to us, from the oldest to the newest.
  for (const char* subreddit : subreddits) {
    const auto here = shown(place, subreddit);
    EXPECT_GT(here.size(), 10U);
    for (const std::string& name : here) EXPECT_TRUE(all.contains(name)) << name;
  }
}

}  // namespace
}  // namespace umbel::reddit
