#include "rate_budget.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "reddit_testing.hpp"
#include "shared_budget.hpp"

namespace umbel::reddit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WallTime kStart = from_micros(1'700'000'000'000'000);

RateAnswer answer_at(WallTime sent, std::optional<RateHeaders> headers, WallTime received = {}) {
  RateAnswer answer;
  answer.sent = sent;
  answer.received = received == WallTime{} ? sent : received;
  answer.answered = true;
  answer.headers = headers;
  return answer;
}

TEST(RateBudget, OneRequestFindsOutWhatTheLimitIs) {
  RateBudget budget;

  const auto first = budget.reserve(kStart);
  const auto second = budget.reserve(kStart);
  EXPECT_TRUE(first.granted);
  EXPECT_FALSE(second.granted);
  EXPECT_LE(second.until - kStart, seconds{1}) << "soon known";
  budget.finish(first, answer_at(kStart, RateHeaders{1, 2, seconds{600}}));

  EXPECT_EQ(budget.remaining(), 2);
  EXPECT_TRUE(budget.reserve(kStart).granted);
  EXPECT_TRUE(budget.reserve(kStart).granted);
  const auto none = budget.reserve(kStart);
  EXPECT_FALSE(none.granted);
  EXPECT_EQ(none.until, kStart + seconds{600});
  EXPECT_TRUE(budget.reserve(kStart + seconds{600}).granted) << "the next window";
}

TEST(RateBudget, AProbeThatNeverCameBackIsReplaced) {
  RateBudget budget;
  static_cast<void>(budget.reserve(kStart));

  EXPECT_FALSE(budget.reserve(kStart + seconds{19}).granted);
  EXPECT_TRUE(budget.reserve(kStart + seconds{20}).granted);
}

TEST(RateBudget, WithoutHeadersThereIsNoLimitUntilTheyAreThere) {
  RateBudget budget;
  budget.finish(budget.reserve(kStart), answer_at(kStart, std::nullopt));

  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(budget.reserve(kStart).granted);
  EXPECT_EQ(budget.remaining(), std::nullopt);
  const auto last = budget.reserve(kStart);
  budget.finish(last, answer_at(kStart, RateHeaders{1002, 0, seconds{60}}));
  EXPECT_FALSE(budget.reserve(kStart).granted);
}

TEST(RateBudget, A429StopsEverybodyForAsLongAsItSays) {
  RateBudget budget;
  const auto grant = budget.reserve(kStart);
  auto limited = answer_at(kStart, RateHeaders{5, 95, seconds{600}});
  limited.wait = seconds{30};
  budget.finish(grant, limited);

  const auto refused = budget.reserve(kStart + seconds{29});
  EXPECT_FALSE(refused.granted);
  EXPECT_EQ(refused.until, kStart + seconds{30});
  EXPECT_TRUE(budget.reserve(kStart + seconds{30}).granted);
}

TEST(RateBudget, CountsWhatOthersUse) {
  RateBudget budget;
  budget.finish(budget.reserve(kStart), answer_at(kStart, RateHeaders{60, 40, seconds{600}}));
  EXPECT_EQ(budget.remaining(), 40);

  const auto mine = budget.reserve(kStart);
  budget.finish(mine, answer_at(kStart, RateHeaders{90, 10, seconds{600}}));

  EXPECT_EQ(budget.remaining(), 10) << "somebody else used 29";
}

TEST(RateBudget, WhatDidNotArriveIsGivenBackByTheNextAnswer) {
  RateBudget budget;
  budget.finish(budget.reserve(kStart), answer_at(kStart, RateHeaders{1, 99, seconds{600}}));
  for (int i = 0; i < 50; ++i) {
    RateAnswer nothing;
    nothing.sent = nothing.received = kStart;
    budget.finish(budget.reserve(kStart), nothing);
  }
  EXPECT_EQ(budget.remaining(), 49) << "they may have arrived";

  budget.finish(budget.reserve(kStart), answer_at(kStart, RateHeaders{2, 98, seconds{600}}));

  EXPECT_EQ(budget.remaining(), 98);
}

TEST(RateBudget, ASlowAnswerDoesNotMoveTheWindow) {
  RateBudget budget;
  const auto slow = budget.reserve(kStart);
  budget.finish(slow, answer_at(kStart, RateHeaders{1, 9, seconds{10}}));
  const auto dripping = budget.reserve(kStart);
  for (int i = 0; i < 8; ++i) {
    budget.finish(budget.reserve(kStart + seconds{1}),
                  answer_at(kStart + seconds{1}, RateHeaders{3 + i, 7 - i, seconds{9}}));
  }
  budget.finish(dripping, answer_at(kStart, RateHeaders{2, 8, seconds{10}}, kStart + seconds{9}));

  const auto more = budget.reserve(kStart + seconds{9});
  EXPECT_FALSE(more.granted) << "all ten are used";
  EXPECT_EQ(more.until, kStart + seconds{10});
}

TEST(RateBudget, AClockSetBackDoesNotStopItForEver) {
  RateBudget budget;
  budget.finish(budget.reserve(kStart), answer_at(kStart, RateHeaders{10, 0, seconds{600}}));
  EXPECT_FALSE(budget.reserve(kStart).granted);

  EXPECT_TRUE(budget.reserve(kStart - std::chrono::hours{24}).granted);
}

TEST(RateBudget, IsWrittenAndReadBack) {
  RateBudget budget;
  budget.finish(budget.reserve(kStart), answer_at(kStart, RateHeaders{3, 97, seconds{600}}));
  static_cast<void>(budget.reserve(kStart));

  EXPECT_EQ(RateBudget::from(budget.text()), budget);
  for (const char* text : {"", "1", "2 1 0 0 0 0 0 0 0 0 0", "1 9 0 0 0 0 0 0 0 0 0",
                           "1 1 0 0 0 0 0 0 0 0 0 ", "1 1 0 0 x 0 0 0 0 0 0"}) {
    EXPECT_EQ(RateBudget::from(text), std::nullopt) << text;
  }
}

// A Reddit that counts, with answers that are lost, late and out of order.
class CountingReddit {
 public:
  CountingReddit(std::int64_t limit, seconds window) : limit_{limit}, window_{window} {}
  RateHeaders arrive(WallTime now) {
    if (now - began_ >= window_) {
      began_ = now;
      used_ = 0;
    }
    ++used_;
    if (used_ > limit_) ++exceeded;
    return {std::min(used_, limit_), std::max<std::int64_t>(limit_ - used_, 0),
            std::chrono::ceil<seconds>(began_ + window_ - now)};
  }
  int exceeded = 0;

 private:
  std::int64_t limit_, used_ = 0;
  seconds window_;
  WallTime began_{};
};

TEST(RateBudget, IsNeverExceededWhateverTheOrderOfAnswers) {
  struct UnderWay {
    RateGrant grant;
    WallTime sent, arrives, answered;
    std::optional<RateHeaders> headers;
    bool arrived = false;
  };
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random{seed};
    const auto upto = [&](int most) { return std::uniform_int_distribution{0, most}(random); };
    CountingReddit reddit{20 + upto(30), seconds{2 + upto(8)}};
    RateBudget budget;
    std::deque<UnderWay> all;
    WallTime now = kStart;
    int granted = 0;
    for (int step = 0; step < 3000; ++step) {
      now += milliseconds{upto(30)};
      for (auto& one : all) {
        if (!one.arrived && one.arrives <= now) {
          one.headers = reddit.arrive(one.arrives);
          one.arrived = true;
        }
      }
      for (auto one = all.begin(); one != all.end();) {
        if (one->answered > now) {
          ++one;
          continue;
        }
        RateAnswer answer = answer_at(one->sent, one->headers, now);
        if (upto(9) == 0) {  // the answer is lost on its way
          answer.answered = false;
          answer.headers.reset();
        }
        budget.finish(one->grant, answer);
        one = all.erase(one);
      }
      if (all.size() >= 8) continue;
      const auto grant = budget.reserve(now);
      if (!grant.granted) continue;
      ++granted;
      UnderWay one{grant, now, now + milliseconds{upto(200)}, {}, {}};
      one.answered = one.arrives + milliseconds{upto(800)};
      all.push_back(one);
    }
    EXPECT_EQ(reddit.exceeded, 0) << "seed " << seed;
    EXPECT_GT(granted, 50) << "seed " << seed;
  }
}

using SharedBudgetTest = RedditTaskTest;

TEST_F(SharedBudgetTest, TwoStoresOverOneFileNeverExceedIt) {
  constexpr std::int64_t kLimit = 200;
  const auto other = open_sqlite_store({dir.file("umbel.db")}, clock, Log::none()).value();
  std::mutex mutex;
  std::int64_t used = 0;
  const auto work = [&](Store& mine) {
    SharedBudget budget{mine.shared(), "reddit.budget.test"};
    for (int i = 0; i < 200; ++i) {
      const auto grant = budget.reserve(clock);
      if (!grant) {
        ADD_FAILURE() << grant.error().what;
        return;
      }
      if (!grant->granted) continue;
      RateHeaders told;
      {
        const std::lock_guard lock{mutex};
        ++used;
        told = {used, kLimit - used, seconds{600}};
      }
      budget.finish(*grant, answer_at(clock.wall(), told));
    }
  };

  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] { work(i % 2 == 0 ? *store : *other); });
  }

  EXPECT_LE(used, kLimit);
  EXPECT_GT(used, kLimit / 2);
}

}  // namespace
}  // namespace umbel::reddit
