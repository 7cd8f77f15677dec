// What remote control decides with: whom a request is for, what is revoked, how fast tasks may
// start, how many slots there should be, what time it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "control/addressed.hpp"
#include "control/autoscaler.hpp"
#include "control/election.hpp"
#include "control/gossip.hpp"
#include "control/lamport_clock.hpp"
#include "control/revocations.hpp"
#include "control/revoked_exchange.hpp"
#include "control/revoked_file.hpp"
#include "control/token_bucket.hpp"
#include "control/worker_controlled.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(LamportClock, CountsOnAndGoesPastWhatItSees) {
  LamportClock clock;
  EXPECT_EQ(clock.forward(), 1);
  EXPECT_EQ(clock.adjust(41), 42);
  EXPECT_EQ(clock.adjust(7), 43);
  EXPECT_EQ(clock.adjust(-5), 44);
  EXPECT_EQ(clock.adjust(std::numeric_limits<std::int64_t>::max()), 45);
  EXPECT_EQ(clock.value(), 45);
}

TEST(LamportClock, FollowsWhatOtherWorkersSayOfThemselves) {
  LamportClock clock;
  const auto hear = [&](const std::string& body) {
    follow_clocks(body, "me@here", clock);
    return clock.value();
  };
  EXPECT_EQ(hear(R"({"type": "worker-heartbeat", "hostname": "you@there", "timestamp": 1.5, )"
                 R"("clock": 40, "pid": 1, "freq": 2.0})"),
            41);
  EXPECT_EQ(hear(R"([{"type": "worker-online", "hostname": "you@there", "timestamp": 1.5, )"
                 R"("clock": 50}])"),
            51);
  // Its own, votes, tasks and what is nothing of the kind.
  for (const auto* const no :
       {R"({"type": "worker-heartbeat", "hostname": "me@here", "timestamp": 1.5, "clock": 90})",
        R"({"type": "worker-elect", "hostname": "you@there", "timestamp": 1.5, "clock": 90})",
        R"({"type": "worker-heartbeat", "hostname": "you@there", "timestamp": 1.5})",
        R"({"type": "worker-heartbeat", "hostname": "you@there", "timestamp": 1.5, "clock": "9"})",
        R"({"type": "task-sent", "uuid": "x", "hostname": "you@there", "timestamp": 1.5, )"
        R"("clock": 90})",
        "{", "[]", "5", ""}) {
    EXPECT_EQ(hear(no), 51) << no;
  }
}

TEST(LamportClock, NeverGivesOneTimeTwice) {
  LamportClock clock;
  std::vector<std::int64_t> a, b;
  {
    const std::jthread one{[&] {
      for (int i = 0; i < 2000; ++i) a.push_back(clock.forward());
    }};
    const std::jthread two{[&] {
      for (int i = 0; i < 2000; ++i) b.push_back(clock.adjust(i));
    }};
  }
  a.insert(a.end(), b.begin(), b.end());
  std::ranges::sort(a);
  EXPECT_EQ(std::ranges::adjacent_find(a), a.end());
}

TEST(Glob, MatchesAsFnmatch) {
  EXPECT_TRUE(matches_glob("*", "w1@cap"));
  EXPECT_TRUE(matches_glob("w?@*", "w1@cap"));
  EXPECT_TRUE(matches_glob("w[0-9]@cap", "w1@cap"));
  EXPECT_FALSE(matches_glob("w[!0-9]@cap", "w1@cap"));
  EXPECT_TRUE(matches_glob("*a*p", "w1@cap"));
  EXPECT_FALSE(matches_glob("w1", "w1@cap"));
  EXPECT_TRUE(matches_glob("a[", "a["));
  EXPECT_TRUE(matches_glob("a[]]b", "a]b"));
  EXPECT_FALSE(matches_glob("", "w"));
  const std::string many(200, 'a');
  EXPECT_FALSE(matches_glob("*a*a*a*a*a*a*a*a*a*a*a*b", many));
}

celery::ControlRequest asked(std::vector<std::string> destination, std::string pattern = "",
                             std::string matcher = "") {
  celery::ControlRequest request;
  request.method = "ping";
  request.destination = std::move(destination);
  request.pattern = std::move(pattern);
  request.matcher = std::move(matcher);
  return request;
}

TEST(Addressed, ListsBeatPatterns) {
  EXPECT_TRUE(is_for(asked({}), "w1@cap").value());
  EXPECT_TRUE(is_for(asked({"w2@cap", "w1@cap"}), "w1@cap").value());
  EXPECT_FALSE(is_for(asked({"w2@cap"}, "*", "glob"), "w1@cap").value());
  EXPECT_TRUE(is_for(asked({}, "nobody"), "w1@cap").value());  // without a matcher: everybody
  EXPECT_FALSE(is_for(asked({}, "nobody*", "glob"), "w1@cap").value());
  EXPECT_TRUE(is_for(asked({}, "w[12]@.*", "pcre"), "w1@cap").value());
  EXPECT_TRUE(is_for(asked({}, "w1", "pcre"), "w1@cap").value());  // from its beginning on
  EXPECT_FALSE(is_for(asked({}, "cap", "pcre"), "w1@cap").value());
}

TEST(Addressed, SaysWhatCannotBeUsed) {
  EXPECT_THAT(is_for(asked({}, "(", "pcre"), "w1@cap").error().what, HasSubstr("cannot be used"));
  EXPECT_THAT(is_for(asked({}, "x", "soundex"), "w1@cap").error().what, HasSubstr("glob, pcre"));
  EXPECT_TRUE(is_for(asked({}, std::string(5000, 'x'), "glob"), "w").has_error());
}

// A pattern that would keep a matcher busy for ever is given up, or answered: either way soon.
TEST(Addressed, EvilPatternsComeToAnEnd) {
  const std::string node = std::string(60, 'a') + "@cap";
  const auto answer = is_for(asked({}, "(a+)+$", "pcre"), node);
  EXPECT_TRUE(answer.has_error() || !answer.value());
}

TEST(RevokedSet, ForgetsAfterThreeHours) {
  FakeClock clock;
  RevokedSet revoked{clock};
  EXPECT_FALSE(revoked.contains("x"));
  revoked.add("x");
  clock.advance(RevokedSet::kLongest / 2);
  revoked.add("y");
  EXPECT_TRUE(revoked.contains("x"));
  clock.advance(RevokedSet::kLongest / 2);
  EXPECT_FALSE(revoked.contains("x"));
  EXPECT_TRUE(revoked.contains("y"));
  ASSERT_EQ(revoked.entries().size(), 1U);
  revoked.add("y");  // again: it counts from now
  clock.advance(RevokedSet::kLongest / 2 + 1s);
  EXPECT_TRUE(revoked.contains("y"));
}

TEST(RevokedSet, HoldsTheNewestOfTooMany) {
  FakeClock clock;
  RevokedSet revoked{clock};
  for (std::size_t i = 0; i < RevokedSet::kMost + 10; ++i) {
    revoked.add(std::to_string(i));
    clock.advance(1us);
  }
  EXPECT_EQ(revoked.entries().size(), RevokedSet::kMost);
  EXPECT_FALSE(revoked.contains("9"));
  EXPECT_TRUE(revoked.contains("10"));
  revoked.add(std::string(RevokedSet::kLongestId + 1, 'x'));
  EXPECT_EQ(revoked.entries().size(), RevokedSet::kMost);
}

TEST(RevokedSet, ATimeToComeCountsAsNow) {
  FakeClock clock;
  RevokedSet revoked{clock};
  revoked.add("x", clock.steady() + 100h);
  clock.advance(RevokedSet::kLongest);
  EXPECT_FALSE(revoked.contains("x"));
}

TEST(RevokedExchange, TakesCelerysForms) {
  FakeClock clock;
  clock.advance(1000s);
  RevokedSet revoked{clock};
  const auto merge = [&](const char* text) {
    return merge_revoked(revoked, celery::parse_json(text).value());
  };
  EXPECT_TRUE(merge(R"({"abc": [878.623024266, "abc"], "rev-1": 45.5})"));
  EXPECT_TRUE(merge(R"(["plain"])"));
  EXPECT_TRUE(merge("null"));
  EXPECT_TRUE(revoked.contains("abc") && revoked.contains("rev-1") && revoked.contains("plain"));
  EXPECT_TRUE(merge(R"({"word": "x"})").has_error());
  EXPECT_TRUE(merge("7").has_error());
  EXPECT_THAT(celery::to_json(revoked_document(revoked)),
              HasSubstr(R"("abc": [878.623024266, "abc"])"));
}

TEST(Revocations, CoverIdsAndStamps) {
  FakeClock clock;
  Revocations revocations{clock};
  celery::TaskMessage task;
  task.id = TaskId{"t-1"};
  task.extra_headers["stamps"] =
      boost::json::object{{"mon", boost::json::array{"m1", "m2"}}, {"one", "single"}};
  EXPECT_FALSE(revocations.cover(task));
  EXPECT_TRUE(revocations.stamps.add("mon", {"m2"}));
  EXPECT_TRUE(revocations.cover(task));
  task.extra_headers["stamps"] = boost::json::object{{"one", "single"}};
  EXPECT_FALSE(revocations.cover(task));
  EXPECT_TRUE(revocations.stamps.add("one", {"single"}));
  EXPECT_TRUE(revocations.cover(task));
  task.extra_headers.clear();
  revocations.ids.add("t-1");
  EXPECT_TRUE(revocations.cover(task));
  EXPECT_FALSE(
      revocations.stamps.add("x", std::vector<std::string>(RevokedStamps::kMost + 1, "v")));
}

TEST(RevokedFile, KeepsIdsAndClockOverARestart) {
  const TempDir dir;
  FakeClock clock;
  const auto path = dir.file("state");
  {
    RevokedSet revoked{clock};
    LamportClock lamport;
    (void)lamport.adjust(77);
    RevokedFile file{path, clock, Log::none()};
    EXPECT_TRUE(file.load(revoked, lamport));  // no file: nothing was kept
    revoked.add("x");
    clock.advance(1h);
    revoked.add("y");
    file.save_changes(revoked, lamport);
  }
  clock.advance(2h + 1s);
  RevokedSet revoked{clock};
  LamportClock lamport;
  RevokedFile file{path, clock, Log::none()};
  ASSERT_TRUE(file.load(revoked, lamport));
  EXPECT_FALSE(revoked.contains("x"));  // three hours ago
  EXPECT_TRUE(revoked.contains("y"));
  EXPECT_GT(lamport.value(), 77);
}

TEST(RevokedFile, AStrangersFileIsNoState) {
  const TempDir dir;
  FakeClock clock;
  RevokedSet revoked{clock};
  LamportClock lamport;
  for (const char* text : {"", "{}", "[1]", "{\"revoked\": 5}", "\x01\x02"}) {
    const auto path = dir.file("state");
    std::ofstream{path} << text;
    RevokedFile file{path, clock, Log::none()};
    EXPECT_THAT(file.load(revoked, lamport).error().what, HasSubstr("--statedb")) << text;
  }
}

TEST(Rate, ReadsCelerysForms) {
  EXPECT_EQ(parse_rate("").per_second, 0);
  EXPECT_EQ(parse_rate("10").per_second, 10);
  EXPECT_EQ(parse_rate("10/s").per_second, 10);
  EXPECT_EQ(parse_rate("0.5/s").per_second, 0.5);
  EXPECT_DOUBLE_EQ(parse_rate("30/m").per_second, 0.5);
  EXPECT_DOUBLE_EQ(parse_rate("3600/h").per_second, 1);
  EXPECT_EQ(parse_rate(" 4 /s").per_second, 4);
  EXPECT_EQ(parse_rate("0/m").per_second, 0);
  EXPECT_EQ(parse_rate("1/d").fault, "KeyError('d')");
  EXPECT_TRUE(parse_rate("-1/s").value_error);
  EXPECT_TRUE(parse_rate("inf").value_error);
  EXPECT_TRUE(parse_rate("/s").value_error);
}

TEST(TokenBucket, LetsPassWhatItsRateAllows) {
  FakeClock clock;
  TokenBucket bucket{10, clock.steady()};
  int passed = 0;
  for (int i = 0; i < 10'000; ++i) {  // ten seconds
    if (bucket.take(clock.steady())) ++passed;
    clock.advance(1ms);
  }
  EXPECT_GE(passed, 99);
  EXPECT_LE(passed, 102);
}

TEST(TokenBucket, SaysWhenTheNextOneMayPass) {
  FakeClock clock;
  TokenBucket bucket{0.5, clock.steady()};
  EXPECT_TRUE(bucket.take(clock.steady()));
  EXPECT_FALSE(bucket.take(clock.steady()));
  const auto wait = bucket.until_next(clock.steady());
  EXPECT_EQ(wait, 2s);
  clock.advance(wait);
  EXPECT_TRUE(bucket.take(clock.steady()));
}

// Celery's does, since it does not look at the clock while it is full.
TEST(TokenBucket, AfterAPauseTwoPassAtOnce) {
  FakeClock clock;
  TokenBucket bucket{1, clock.steady()};
  clock.advance(10s);
  EXPECT_TRUE(bucket.take(clock.steady()));
  EXPECT_TRUE(bucket.take(clock.steady()));
  EXPECT_FALSE(bucket.take(clock.steady()));
}

TEST(AutoscalePlan, FollowsTheLoadWithinItsRange) {
  FakeClock clock;
  AutoscalePlan plan{{4, 1}, 30s};
  EXPECT_EQ(plan.slots(1, 0, clock.steady()), std::nullopt);
  EXPECT_EQ(plan.slots(1, 3, clock.steady()), 3U);
  EXPECT_EQ(plan.slots(3, 9, clock.steady()), 4U);
  EXPECT_EQ(plan.slots(4, 0, clock.steady()), std::nullopt);  // it has just grown
  clock.advance(31s);
  EXPECT_EQ(plan.slots(4, 2, clock.steady()), 2U);
  EXPECT_EQ(plan.slots(2, 0, clock.steady()), 1U);
}

TEST(AutoscalePlan, ANewRangeHoldsAtOnce) {
  AutoscalePlan plan{{4, 1}, 30s};
  EXPECT_EQ(plan.change(2, std::nullopt, 4), 2U);
  EXPECT_EQ(plan.change(std::nullopt, 2, 1), 2U);
  EXPECT_EQ(plan.change(8, 2, 3), std::nullopt);
  EXPECT_EQ(plan.range().most, 8U);
}

TEST(LosingVote, HasAllThatGossipReads) {
  const auto vote = losing_vote("w1@cap", "el", "task", boost::json::object{{"task", "t"}},
                                from_micros(5'000'000), 7);
  for (const auto* const field :
       {"id", "clock", "hostname", "pid", "topic", "action", "cver", "type", "timestamp"}) {
    EXPECT_TRUE(vote.contains(field)) << field;
  }
  EXPECT_EQ(vote.at("clock").as_int64(), 7 + kLosingClock);
  EXPECT_EQ(vote.at("cver").as_int64(), 1);
  EXPECT_EQ(vote.at("type").as_string(), "worker-elect");
}

TEST(ShownUrl, HidesPasswordsAndOptions) {
  EXPECT_EQ(shown_url("amqp://guest:geheim@127.0.0.1:5682//"),
            "amqp://guest:********@127.0.0.1:5682//");
  EXPECT_EQ(shown_url("amqp://a:x@h//?management=http://u:p@h;amqp://b:y@i//"),
            "amqp://a:********@h//;amqp://b:********@i//");
  EXPECT_EQ(shown_url("sqlite:var/broker.db"), "sqlite:var/broker.db");
  EXPECT_EQ(shown_url("amqp://host/vhost"), "amqp://host/vhost");
}

}  // namespace
}  // namespace umbel::testing
