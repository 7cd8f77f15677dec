// Answers that nobody wants: what a request makes of redirects, bombs, pages and silence, and whom
// it tells its token.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "api_source.hpp"
#include "origin.hpp"
#include "reddit_testing.hpp"
#include "scrape_source.hpp"
#include "submission_builder.hpp"
#include "umbel/reddit_simulator/simulator.hpp"

namespace umbel::reddit {
namespace {

namespace json = boost::json;

TEST(Origin, ReadsAnAddressOneWayOnly) {
  const auto url = [](const char* text) {
    const auto address = address_of(text);
    return address ? address->url() : std::string{};
  };

  EXPECT_EQ(url("https://www.Reddit.com/r/cpp?x=1#top"), "https://www.reddit.com/r/cpp?x=1");
  EXPECT_EQ(url("HTTP://127.0.0.1:8090"), "http://127.0.0.1:8090/");
  EXPECT_EQ(url("https://reddit.com?x"), "https://reddit.com/?x");
  for (const char* text :
       {"ftp://reddit.com/", "https://", "https://user@reddit.com/", "https://a:b@reddit.com/",
        "https://reddit.com\\@evil.example/", "https://red dit.com/", "https://[::1]/",
        "https://reddit.com:/", "https://reddit.com:80x/", "//reddit.com/", "/r/cpp",
        "javascript:alert(1)", "https://reddit.com/\r\nX: y"}) {
    EXPECT_EQ(url(text), "") << text;
  }
}

TEST(Origin, FollowsToRedditAndToItselfAlone) {
  const auto follows = [](const char* from, const char* location) {
    const auto base = address_of(from).value();
    const auto to = resolved(base, location);
    return to && may_follow(base, *to);
  };

  EXPECT_TRUE(follows("https://oauth.reddit.com/r/x", "/r/X/"));
  EXPECT_TRUE(follows("https://oauth.reddit.com/r/x", "https://www.reddit.com/r/x"));
  EXPECT_TRUE(follows("https://www.reddit.com/r/x", "//old.reddit.com/r/x"));
  EXPECT_TRUE(follows("http://127.0.0.1:8090/r/x", "?a=1"));
  EXPECT_TRUE(follows("http://127.0.0.1:8090/r/x", "http://127.0.0.1:8090/y"));
  EXPECT_FALSE(follows("https://oauth.reddit.com/r/x", "http://www.reddit.com/r/x")) << "no TLS";
  EXPECT_FALSE(follows("https://oauth.reddit.com/r/x", "https://evil.example/r/x"));
  EXPECT_FALSE(follows("https://oauth.reddit.com/r/x", "https://notreddit.com/"));
  EXPECT_FALSE(follows("https://oauth.reddit.com/r/x", "https://reddit.com.evil.example/"));
  EXPECT_FALSE(follows("https://oauth.reddit.com/r/x", "//evil.example/"));
  EXPECT_FALSE(follows("https://oauth.reddit.com/r/x", "/\\evil.example/"));
  EXPECT_FALSE(follows("http://127.0.0.1:8090/r/x", "http://127.0.0.1:8091/y"));
  EXPECT_FALSE(follows("http://127.0.0.1:8090/r/x", "https://www.reddit.com/y"));
}

http::Response redirect_to(const std::string& location) {
  http::Response response;
  response.status = 302;
  response.headers.emplace_back("Location", location);
  return response;
}

class HostileAnswers : public RedditTaskTest {
 protected:
  ApiResult<Answer> get(const RedditOptions& options) {
    ApiSource source{options, store->shared()};
    Phases phases;
    return source.get("/r/cpp/new?limit=1", {clock, {}, phases});
  }
};

TEST_F(HostileAnswers, NoTokenLeavesTheHostItIsFor) {
  ScriptedReddit elsewhere{[](const http::Request&) { return http::json_response("[]"); }};
  ScriptedReddit server{
      [&](const http::Request&) { return redirect_to(elsewhere.url() + "/collect"); }};

  const auto answer = get(server.options());

  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().reason, Reason::Redirect) << answer.error().what;
  EXPECT_NE(answer.error().what.find("127.0.0.1, where we do not follow"), std::string::npos);
  EXPECT_TRUE(elsewhere.requests().empty());
}

TEST_F(HostileAnswers, ARedirectWithinTheHostIsFollowedSomeTimes) {
  ScriptedReddit server{[&](const http::Request& request) {
    const int hop = std::stoi("0" + request.argument("hop").value_or(""));
    if (hop < 5) return redirect_to(request.path + "?hop=" + std::to_string(hop + 1));
    return http::json_response("[]");
  }};
  EXPECT_TRUE(get(server.options()).has_value());
  EXPECT_EQ(server.requests().back().header("authorization"), "Bearer token-1");

  ScriptedReddit loop{[&](const http::Request& request) { return redirect_to(request.path); }};
  const auto answer = get(loop.options());

  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().reason, Reason::Redirect);
  EXPECT_EQ(loop.requests().size(), 6U);
}

TEST_F(HostileAnswers, ARedirectToWhereNobodyGetsInIsFinal) {
  for (const auto& [location, reason] :
       {std::pair{"/subreddits/search?q=cpp", Reason::NotFound},
        std::pair{"/login/?dest=x", Reason::Private}, std::pair{"/over18", Reason::Forbidden},
        std::pair{"/quarantine?dest=x", Reason::Quarantined}}) {
    ScriptedReddit server{[&](const http::Request&) { return redirect_to(location); }};
    const auto answer = get(server.options());
    ASSERT_TRUE(answer.has_error()) << location;
    EXPECT_EQ(answer.error().reason, reason) << location;
    EXPECT_EQ(answer.error().next, ApiFailure::Next::GiveUp) << location;
  }
}

TEST_F(HostileAnswers, AReusedTokenIsRenewedOnceByAllWorkersTogether) {
  std::atomic<int> refused{0};
  ScriptedReddit server{[&](const http::Request& request) {
    if (request.header("authorization") == "Bearer token-1") {
      ++refused;
      return http::json_response("{}", 401);
    }
    return http::json_response("[]");
  }};
  const auto options = server.options();
  const auto other = open_sqlite_store({dir.file("umbel.db")}, clock, Log::none()).value();
  ApiSource one{options, store->shared()};
  ApiSource two{options, other->shared()};

  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] {
        Phases phases;
        EXPECT_TRUE((i % 2 == 0 ? one : two).get("/r/cpp/new", {clock, {}, phases}).has_value());
      });
    }
  }

  EXPECT_GE(refused, 1);
  EXPECT_EQ(server.token_requests().size(), 2U);
}

// Each fault of the simulator, all the time, against both sources.
class SimulatedFaults : public RedditTaskTest {
 protected:
  void serve(reddit_simulator::SimulatorOptions given) {
    TearDown();
    auto opened = reddit_simulator::Simulator::open(std::move(given), clock, Log::none());
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    simulator = std::move(*opened);
    http::Router router;
    simulator->add_routes(router);
    http::ServerOptions listen;
    listen.max_connections = 16;
    server = std::make_unique<http::Server>(listen, std::move(router),
                                            std::vector<http::WebSocketRoute>{}, Log::none());
    ASSERT_TRUE(server->start().has_value());
  }
  void TearDown() override {
    if (simulator) simulator->stop();
    if (server) server->stop();
    server.reset();
    simulator.reset();
  }
  [[nodiscard]] RedditOptions options(RedditSource source) const {
    const std::string url = "http://127.0.0.1:" + std::to_string(server->port());
    RedditOptions options;
    options.source = source;
    options.client_id = options.client_secret = "x";
    options.token_url = url + "/api/v1/access_token";
    options.api_url = options.public_url = url;
    options.timeout = std::chrono::seconds{20};
    options.max_body = 1024 * 1024;
    return options;
  }
  json::value ledger() {
    http::Client client;
    http::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server->port()) + "/ledger";
    return json::parse(client.send(request).value().body);
  }

  std::unique_ptr<reddit_simulator::Simulator> simulator;
  std::unique_ptr<http::Server> server;
};

TEST_F(SimulatedFaults, EachEndsAsItShould) {
  struct Case {
    const char* fault;
    Reason reason;
    ApiFailure::Next next;
  };
  using Next = ApiFailure::Next;
  for (const Case& one :
       {Case{"408=1", Reason::Timeout, Next::Retry},
        Case{"429=1", Reason::RateLimited, Next::Later},
        Case{"500=1", Reason::Http5xx, Next::Retry}, Case{"502=1", Reason::Http5xx, Next::Retry},
        Case{"503=1", Reason::Http5xx, Next::Retry}, Case{"reset=1", Reason::Network, Next::Retry},
        Case{"hang=1", Reason::Timeout, Next::Retry}, Case{"drip=1", Reason::Timeout, Next::Retry},
        Case{"oversized=1", Reason::Parse, Next::Retry}, Case{"bomb=1", Reason::Parse, Next::Retry},
        Case{"badgzip=1", Reason::Parse, Next::Retry},
        Case{"loop=1", Reason::Redirect, Next::Retry},
        Case{"elsewhere=1", Reason::Redirect, Next::Retry}}) {
    SCOPED_TRACE(one.fault);
    reddit_simulator::SimulatorOptions given;
    given.faults = {one.fault};
    given.oversized = 4 * 1024 * 1024;
    serve(given);
    auto scrape = options(RedditSource::Scrape);
    // Long enough for a busy machine, where it is not the time that runs out.
    if (one.reason == Reason::Timeout) scrape.timeout = std::chrono::milliseconds{400};
    ScrapeSource source{scrape, store->shared()};
    Phases phases;

    const auto answer = source.listing("cpp", "", {clock, {}, phases});

    ASSERT_TRUE(answer.has_error());
    EXPECT_EQ(answer.error().reason, one.reason) << answer.error().what;
    EXPECT_EQ(answer.error().next, one.next) << answer.error().what;
    clock.advance(std::chrono::hours{1});
  }
}

TEST_F(SimulatedFaults, WhatIsClosedEndsTheTaskWithTheReason) {
  reddit_simulator::SimulatorOptions given;
  given.private_subreddits = {"secret"};
  given.banned_subreddits = {"evil"};
  given.quarantined_subreddits = {"ill"};
  serve(given);
  for (const RedditSource source : {RedditSource::Api, RedditSource::Scrape}) {
    use(options(source));
    for (const auto& [name, type, reason] : {std::tuple{"secret", "PermissionError", "private: "},
                                             std::tuple{"evil", "LookupError", "banned: "},
                                             std::tuple{"ill", "PermissionError", "quarantined: "},
                                             std::tuple{"nowhere", "LookupError", "not_found: "}}) {
      try {
        static_cast<void>(discover(name));
        ADD_FAILURE() << name;
      } catch (const FinalTaskError& error) {
        EXPECT_EQ(error.type(), type) << name;
        EXPECT_EQ(std::string{error.what()}.find(reason), 0U) << error.what();
      }
    }
  }
}

TEST_F(SimulatedFaults, TwoWorkersTogetherStayWithinTheBudget) {
  reddit_simulator::SimulatorOptions given;
  given.rate_limit = 60;
  given.history = std::chrono::seconds{600};
  serve(given);
  const auto reddit = options(RedditSource::Api);
  const auto other = open_sqlite_store({dir.file("umbel.db")}, clock, Log::none()).value();
  ApiSource one{reddit, store->shared()};
  ApiSource two{reddit, other->shared()};
  std::atomic<int> answered{0};
  std::atomic<int> put_off{0};
  const auto work = [&](ApiSource& source) {
    for (int i = 0; i < 40; ++i) {
      Phases phases;
      const auto answer = source.listing("cpp", "", {clock, {}, phases});
      if (answer) {
        ++answered;
      } else {
        EXPECT_EQ(answer.error().next, ApiFailure::Next::Later) << answer.error().what;
        EXPECT_LE(answer.error().after, std::chrono::seconds{600});
        ++put_off;
      }
    }
  };

  for (int window = 0; window < 3; ++window) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&, i] { work(i % 2 == 0 ? one : two); });
    threads.clear();
    EXPECT_GT(put_off, 0);
    clock.advance(std::chrono::seconds{601});
  }

  const auto told = ledger();
  EXPECT_EQ(told.at("limited").to_number<int>(), 0) << "nobody was ever refused";
  EXPECT_EQ(told.at("listings").to_number<int>(), answered);
  EXPECT_GE(answered, 150) << "of 180 in three windows";
  EXPECT_LE(answered, 180);
}

TEST_F(SimulatedFaults, OfAHundredThousandSubredditsTheMetricsKeepFifty) {
  const char* given = std::getenv("UMBEL_SUBREDDITS");
  const int count = given == nullptr ? 5'000 : std::stoi(given);
  constexpr int kOnAPage = 500;
  int next = 0;
  ScriptedReddit many{[&](const http::Request&) {
    std::vector<json::object> page;
    for (int i = 0; i < kOnAPage && next < count; ++i, ++next) {
      auto data = submission_data("s" + std::to_string(1'000'000 + next), 1.7e9 + next);
      data["subreddit"] = "sub_" + std::to_string(next);
      page.push_back(std::move(data));
    }
    return http::json_response(listing_text(page));
  }};
  use(many.options());

  while (next < count) static_cast<void>(discover("all"));

  const std::string text = metrics.text();
  std::size_t series = 0;
  for (auto at = text.find("submissions_discovered_total{"); at != std::string::npos;
       at = text.find("submissions_discovered_total{", at + 1)) {
    ++series;
  }
  EXPECT_LE(series, 51U);
  EXPECT_GE(metrics.counter(metrics::kSubmissionsDiscovered, {"other"}).Value(), count - 50);
  EXPECT_GE(metrics.counter(metrics::kLabelsFolded).Value(), count - 50);
}

}  // namespace
}  // namespace umbel::reddit
