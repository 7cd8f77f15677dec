#include "api_source.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <thread>

#include "http_date.hpp"
#include "reddit_testing.hpp"
#include "sealed.hpp"
#include "umbel/base/text.hpp"

namespace umbel::reddit {
namespace {

TEST(Sealer, OpensWhatItSealedForTheSamePlaceAlone) {
  const Sealer sealer{"id", "secret"};

  const std::string sealed = sealer.seal("the token", "place");

  EXPECT_EQ(sealer.open(sealed, "place"), "the token");
  EXPECT_EQ(sealer.open(sealed, "elsewhere"), std::nullopt);
  EXPECT_EQ((Sealer{"id", "other"}.open(sealed, "place")), std::nullopt);
  EXPECT_EQ((Sealer{"other", "secret"}.open(sealed, "place")), std::nullopt);
  EXPECT_EQ((Sealer{"id", "secret"}.open(sealed, "place")), "the token");
}

TEST(Sealer, HidesTheTextAndNeverRepeatsItself) {
  const Sealer sealer{"id", "secret"};

  const std::string one = sealer.seal("the token", "place");
  const std::string other = sealer.seal("the token", "place");

  EXPECT_NE(one, other);
  EXPECT_EQ(one.find("token"), std::string::npos);
}

TEST(Sealer, RefusesEveryChangedByteAndEveryShortening) {
  const Sealer sealer{"id", "secret"};
  const std::string sealed = sealer.seal("the token", "place");

  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(sealer.open(changed, "place"), std::nullopt) << i;
    EXPECT_EQ(sealer.open(sealed.substr(0, i), "place"), std::nullopt) << i;
  }
}

TEST(ParseToken, EndsAMinuteOrATenthBeforeRedditDoes) {
  const WallTime now = from_micros(1'000'000'000'000);
  const auto long_lived = parse_token(R"({"access_token":"x","expires_in":3600})", now);
  const auto short_lived = parse_token(R"({"access_token":"x","expires_in":10})", now);

  EXPECT_EQ(long_lived.value().ends, now + std::chrono::seconds{3540});
  EXPECT_EQ(short_lived.value().ends, now + std::chrono::seconds{9});
}

TEST(ParseToken, NamesWhatIsWrong) {
  const auto why = [](const char* text) { return parse_token(text, {}).error().what; };

  EXPECT_NE(why("nope").find("no JSON object"), std::string::npos);
  EXPECT_NE(why(R"({"expires_in":1})").find("access_token"), std::string::npos);
  EXPECT_NE(why(R"({"access_token":"","expires_in":1})").find("access_token"), std::string::npos);
  EXPECT_NE(why(R"({"access_token":"x","expires_in":"soon"})").find("expires_in"),
            std::string::npos);
}

http::Response status(int code, std::vector<std::pair<std::string, std::string>> headers = {}) {
  http::Response response = http::json_response("{}", code);
  response.headers = std::move(headers);
  return response;
}

// Takes the tokens that the test says are good.
class ApiSourceTest : public RedditTaskTest {
 protected:
  ApiResult<Answer> get(ApiSource& source, const std::string& target = "/r/cpp/new?limit=1") {
    Phases phases;
    return source.get(target, {clock, {}, phases});
  }
  static std::string bearer(const http::Request& request) {
    return request.header("authorization");
  }
};

TEST_F(ApiSourceTest, AsksForATokenOnceAndSaysWhoItIs) {
  ScriptedReddit server{[](const http::Request&) { return http::json_response("[]"); }};
  const RedditOptions options = server.options();
  ApiSource source{options, store->shared()};

  ASSERT_TRUE(get(source).has_value());
  ASSERT_TRUE(get(source).has_value());

  const auto tokens = server.token_requests();
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_EQ(tokens[0].body, "grant_type=client_credentials");
  EXPECT_EQ(tokens[0].header("authorization"),
            "Basic dW1iZWwtdGVzdDphIHNlY3JldCBvZiB0aGUgdGVzdA==");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  for (const auto& request : requests) {
    EXPECT_EQ(bearer(request), "Bearer token-1");
    EXPECT_EQ(request.header("user-agent").find("linux:umbel:"), 0U)
        << request.header("user-agent");
  }
  EXPECT_EQ(requests[0].query, "limit=1");
}

TEST_F(ApiSourceTest, SharesItsTokenSealed) {
  ScriptedReddit server{
      [](const http::Request&) { return http::json_response("[]"); },
      [](const http::Request&) { return ScriptedReddit::token("very-secret-token"); }};
  const RedditOptions options = server.options();
  ApiSource first{options, store->shared()};
  ApiSource second{options, store->shared()};

  ASSERT_TRUE(get(first).has_value());
  ASSERT_TRUE(get(second).has_value());

  EXPECT_EQ(server.token_requests().size(), 1U);
  EXPECT_EQ(bearer(server.requests().at(1)), "Bearer very-secret-token");
  for (const auto& entry : std::filesystem::directory_iterator{dir.path()}) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file{entry.path(), std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    EXPECT_EQ(bytes.find("very-secret-token"), std::string::npos) << entry.path();
    EXPECT_EQ(bytes.find(options.client_secret), std::string::npos) << entry.path();
  }
}

TEST_F(ApiSourceTest, AsksAgainWhenTheTokenEnds) {
  ScriptedReddit server{[](const http::Request&) { return http::json_response("[]"); }};
  const RedditOptions options = server.options();
  ApiSource source{options, store->shared()};
  ASSERT_TRUE(get(source).has_value());

  clock.advance(std::chrono::seconds{3539});
  ASSERT_TRUE(get(source).has_value());
  EXPECT_EQ(server.token_requests().size(), 1U);
  clock.advance(std::chrono::seconds{2});
  ASSERT_TRUE(get(source).has_value());

  EXPECT_EQ(server.token_requests().size(), 2U);
  EXPECT_EQ(bearer(server.requests().back()), "Bearer token-2");
}

TEST_F(ApiSourceTest, RenewsARefusedTokenOnceForEverybody) {
  ScriptedReddit server{[](const http::Request& request) {
    return bearer(request) == "Bearer token-2" ? http::json_response("[]") : status(401);
  }};
  const RedditOptions options = server.options();
  ApiSource first{options, store->shared()};
  ApiSource second{options, store->shared()};

  ASSERT_TRUE(get(first).has_value());
  ASSERT_TRUE(get(second).has_value());

  EXPECT_EQ(server.token_requests().size(), 2U);
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST_F(ApiSourceTest, GivesInWhenTheNewTokenIsRefusedToo) {
  ScriptedReddit server{[](const http::Request&) { return status(401); }};
  const RedditOptions options = server.options();
  ApiSource source{options, store->shared()};

  const auto answer = get(source);

  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().type, "PermissionError");
  EXPECT_EQ(server.token_requests().size(), 2U);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST_F(ApiSourceTest, SaysWhenTheCredentialsAreRefusedWithoutRepeatingThem) {
  ScriptedReddit server{[](const http::Request&) { return http::json_response("[]"); },
                        [](const http::Request&) { return status(401); }};
  const RedditOptions options = server.options();
  ApiSource source{options, store->shared()};

  const auto answer = get(source);

  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().next, ApiFailure::Next::Retry);
  EXPECT_NE(answer.error().what.find("/api/v1/access_token"), std::string::npos);
  EXPECT_EQ(answer.error().what.find(options.client_secret), std::string::npos);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(ApiSourceTest, ManyThreadsShareOneToken) {
  ScriptedReddit server{[](const http::Request&) { return http::json_response("[]"); }};
  const RedditOptions options = server.options();
  ApiSource source{options, store->shared()};

  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int call = 0; call < 10; ++call) EXPECT_TRUE(get(source).has_value());
      });
    }
  }

  EXPECT_EQ(server.token_requests().size(), 1U);
  EXPECT_EQ(server.requests().size(), 40U);
}

struct StatusCase {
  int status;
  Reason reason;
  ApiFailure::Next next;
};

TEST_F(ApiSourceTest, TakesEachStatusForWhatItMeans) {
  std::atomic<int> code = 0;
  ScriptedReddit server{[&code](const http::Request&) { return status(code); }};
  const RedditOptions options = server.options();
  ApiSource source{options, store->shared()};
  using Next = ApiFailure::Next;

  for (const StatusCase& one : {StatusCase{302, Reason::Http4xx, Next::GiveUp},
                                StatusCase{400, Reason::Http4xx, Next::GiveUp},
                                StatusCase{403, Reason::Forbidden, Next::GiveUp},
                                StatusCase{404, Reason::NotFound, Next::GiveUp},
                                StatusCase{408, Reason::Timeout, Next::Retry},
                                StatusCase{500, Reason::Http5xx, Next::Retry},
                                StatusCase{503, Reason::Http5xx, Next::Retry},
                                StatusCase{429, Reason::RateLimited, Next::Later}}) {
    code = one.status;
    const auto answer = get(source);
    ASSERT_TRUE(answer.has_error()) << code;
    EXPECT_EQ(answer.error().reason, one.reason) << code;
    EXPECT_EQ(answer.error().next, one.next) << code;
    EXPECT_NE(answer.error().what.find("/r/cpp/new"), std::string::npos) << answer.error().what;
  }
}

http::ClientResponse refusal(int code, std::map<std::string, std::string> headers,
                             std::string body = "") {
  http::ClientResponse answer;
  answer.status = code;
  answer.headers = std::move(headers);
  answer.body = std::move(body);
  return answer;
}

TEST(FailureOfStatus, WaitsAsLongAsRedditAsksWithinBounds) {
  const WallTime now = parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").value();
  const auto wait = [now](std::map<std::string, std::string> headers) {
    return wait_asked_for(refusal(429, std::move(headers)), now).count();
  };

  EXPECT_EQ(wait({{"retry-after", "7"}, {"x-ratelimit-reset", "300"}}), 7);
  EXPECT_EQ(wait({{"x-ratelimit-reset", "300"}}), 300);
  EXPECT_EQ(wait({{"x-ratelimit-reset", "299.5"}}), 300);
  EXPECT_EQ(wait({{"retry-after", "soon"}}), 60);
  EXPECT_EQ(wait({{"retry-after", "0"}}), 1);
  EXPECT_EQ(wait({{"retry-after", "999999"}}), 900);
  EXPECT_EQ(wait({{"retry-after", "-5"}}), 60);
  EXPECT_EQ(wait({{"retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"}}), 30);
  EXPECT_EQ(wait({{"retry-after", "Wed, 21 Oct 2026 07:27:30 GMT"}}), 1) << "already over";
  EXPECT_EQ(wait({{"retry-after", "Wed, 21 Oct 2026 09:00:30 GMT"},
                  {"date", "Wed, 21 Oct 2026 09:00:00 GMT"}}),
            30)
      << "by the clock of who said it";
}

TEST(FailureOfStatus, SaysWhyReasonsAreForGood) {
  struct Case {
    int status;
    const char* body;
    Reason reason;
  };
  for (const Case& one :
       {Case{403, R"({"reason":"private","message":"Forbidden","error":403})", Reason::Private},
        Case{404, R"({"reason":"banned","message":"Not Found","error":404})", Reason::Banned},
        Case{403, R"({"reason":"quarantined","error":403})", Reason::Quarantined},
        Case{403, R"({"reason":"gold_only","error":403})", Reason::Forbidden},
        Case{403, "<html>blocked</html>", Reason::Forbidden},
        Case{404, R"({"message":"Not Found","error":404})", Reason::NotFound},
        Case{404, "", Reason::NotFound}, Case{404, R"({"reason":7})", Reason::NotFound}}) {
    const auto failure = failure_of_status(refusal(one.status, {}, one.body), "/r/x/new", {});
    EXPECT_EQ(failure.reason, one.reason) << one.body;
    EXPECT_EQ(failure.next, ApiFailure::Next::GiveUp) << one.body;
    EXPECT_NE(failure.what.find("/r/x/new"), std::string::npos) << failure.what;
  }
}

TEST(HttpDate, IsReadInItsOneForm) {
  EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:10 GMT"), from_micros(10'000'000));
  EXPECT_EQ(parse_http_date("Sun, 22 Nov 2026 18:50:35 GMT"),
            parse_iso8601("2026-11-22T18:50:35Z"));
  for (const char* text :
       {"", "soon", "120", "Thu, 32 Jan 1970 00:00:10 GMT", "Thu, 01 Foo 1970 00:00:10 GMT",
        "Thu, 01 Jan 1970 24:00:10 GMT", "Thu, 01 Jan 1970 00:00:10 UTC",
        "Thu, 30 Feb 1970 00:00:10 GMT", "Thu  01 Jan 1970 00:00:10 GMT"}) {
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
  }
}

TEST_F(ApiSourceTest, TellsARefusedConnectionAndASlowAnswerApart) {
  std::mutex mutex;
  std::condition_variable wake;
  bool released = false;
  std::string closed;
  {
    const ScriptedReddit gone{[](const http::Request&) { return status(200); }};
    closed = gone.url();
  }
  ScriptedReddit server{[&](const http::Request&) {
    std::unique_lock lock{mutex};
    wake.wait_for(lock, std::chrono::seconds{20}, [&] { return released; });
    return status(200);
  }};
  RedditOptions options = server.options();
  options.timeout = std::chrono::milliseconds{200};
  ApiSource slow{options, store->shared()};
  RedditOptions nowhere = server.options();
  nowhere.api_url = closed;
  ApiSource refused{nowhere, store->shared()};

  const auto late = get(slow);
  const auto none = get(refused);
  {
    const std::lock_guard lock{mutex};
    released = true;
  }
  wake.notify_all();

  EXPECT_EQ(late.error().reason, Reason::Timeout) << late.error().what;
  EXPECT_EQ(none.error().reason, Reason::Network) << none.error().what;
}

TEST_F(ApiSourceTest, StopsWhenTheWorkerDoesAndCallsThatNoFailure) {
  ScriptedReddit server{[](const http::Request&) { return http::json_response("[]"); }};
  const RedditOptions options = server.options();
  ApiSource source{options, store->shared()};
  std::stop_source stop;
  stop.request_stop();
  Phases phases;

  const auto answer = source.get("/r/cpp/new", {clock, stop.get_token(), phases});

  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().next, ApiFailure::Next::Stopped);
}

}  // namespace
}  // namespace umbel::reddit
