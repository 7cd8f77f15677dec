// The pure parts: what to do with a message, and what follows from how a run ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ending.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/worker/task.hpp"
#include "verdict.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const WallTime kNow = from_micros(1'795'350'738'000'000);

TEST(Verdict, DecidesByWhatIsKnown) {
  const auto with = [](auto change) {
    Delivered it;
    change(it);
    return judge(it, kNow);
  };
  EXPECT_EQ(with([](Delivered&) {}), Verdict::Run);
  EXPECT_EQ(with([](Delivered& it) { it.final = true; }), Verdict::Drop);
  EXPECT_EQ(with([](Delivered& it) { it.decoded = false; }), Verdict::Unfit);
  EXPECT_EQ(with([](Delivered& it) { it.decoded = false, it.final = true; }), Verdict::Drop);
  EXPECT_EQ(with([](Delivered& it) { it.registered = false; }), Verdict::Unknown);
  EXPECT_EQ(with([](Delivered& it) { it.expires = kNow; }), Verdict::Expired);
  EXPECT_EQ(with([](Delivered& it) { it.expires = kNow + 1s; }), Verdict::Run);
  EXPECT_EQ(with([](Delivered& it) { it.eta = kNow; }), Verdict::Run);
  EXPECT_EQ(with([](Delivered& it) { it.eta = kNow + 1s; }), Verdict::Hold);
  EXPECT_EQ(with([](Delivered& it) { it.eta = kNow + 15min; }), Verdict::Hold);
  EXPECT_EQ(with([](Delivered& it) { it.eta = kNow + 15min + 1s; }), Verdict::SendOn);
}

TEST(Verdict, DropsAnAttemptThatAlreadyEndedInARetry) {
  Delivered it;
  it.run = 3;
  it.lost_starts = 1;  // so two retries were made
  it.retries = 1;
  EXPECT_EQ(judge(it, kNow), Verdict::Drop);
  it.retries = 2;
  EXPECT_EQ(judge(it, kNow), Verdict::Run);
  it.retries = 1;
  it.postponed = 1;  // of the two, one was no attempt
  EXPECT_EQ(judge(it, kNow), Verdict::Run);
}

TEST(Verdict, GivesUpATaskThatTookThreeWorkersWithIt) {
  Delivered it;
  it.redelivered = true;
  it.run = it.lost_starts = it.lost_workers = 2;
  EXPECT_EQ(judge(it, kNow), Verdict::Run);
  it.run = it.lost_starts = it.lost_workers = 3;
  EXPECT_EQ(judge(it, kNow), Verdict::WorkerLost);
  it.lost_workers = 2;  // one of the runs was given back on purpose
  EXPECT_EQ(judge(it, kNow), Verdict::Run);
  it.lost_workers = 3;
  it.redelivered = false;  // a retry that the third run asked for
  EXPECT_EQ(judge(it, kNow), Verdict::Run);
}

Raised thrown(const std::function<void()>& throwing) {
  try {
    throwing();
  } catch (...) {
    return raised_by(std::current_exception());
  }
  return {};
}

TEST(Raised, KnowsWhatWasThrown) {
  const auto task = thrown([] { throw TaskError{"ValueError", "boom"}; });
  EXPECT_EQ(task.kind, Raised::Kind::Ordinary);
  EXPECT_EQ(task.type, "ValueError");
  EXPECT_EQ(task.message, "boom");
  EXPECT_EQ(thrown([] { throw FinalTaskError{"KeyError", "x"}; }).kind, Raised::Kind::Final);
  EXPECT_EQ(thrown([] { throw std::out_of_range{"far"}; }).type, "RuntimeError");
  EXPECT_THAT(thrown([] { throw 42; }).message, HasSubstr("no std::exception"));
  const auto retry = thrown([] { throw RetryRequest{"later", 7ms}; });
  EXPECT_EQ(retry.kind, Raised::Kind::Retry);
  EXPECT_EQ(retry.delay, 7ms);
}

TEST(Raised, MakesAnyBytesText) {
  const auto raised = thrown([] { throw std::runtime_error{"a\xFF\x01"}; });
  const auto ending = failed(raised);
  EXPECT_TRUE(celery::parse_json(ending.result)) << ending.result;
  EXPECT_EQ(raised.message, "a\xEF\xBF\xBD\x01");
}

TEST(Ending, RetriesAnOrdinaryFailureWhileThePolicyHasRetries) {
  RetryPolicy policy;
  policy.max_retries = 2;
  policy.first_delay = 100ms;
  policy.jitter = 0;
  const Raised raised{Raised::Kind::Ordinary, "ValueError", "boom", "builtins", std::nullopt};

  const auto second = after(raised, policy, {1, 0, "t[1]"}, 0);
  EXPECT_EQ(second.state, TaskState::Retry);
  EXPECT_EQ(second.retry_in, 200ms);
  EXPECT_EQ(second.shown, "ValueError('boom')");
  const auto last = after(raised, policy, {2, 0, "t[1]"}, 0);
  EXPECT_EQ(last.state, TaskState::Failure);
  EXPECT_EQ(last.traceback, "ValueError: boom\n");
  EXPECT_THAT(last.result, HasSubstr("\"exc_type\": \"ValueError\""));
}

TEST(Ending, NeverRetriesAFinalError) {
  RetryPolicy policy;
  policy.max_retries = 9;
  const Raised raised{Raised::Kind::Final, "KeyError", "x", "builtins", std::nullopt};
  EXPECT_EQ(after(raised, policy, {0, 0, "t[1]"}, 0).state, TaskState::Failure);
}

TEST(Ending, AnswersARequestForRetryByItsDelayOrThePolicy) {
  RetryPolicy policy;
  policy.max_retries = 1;
  policy.first_delay = 100ms;
  policy.jitter = 0;
  Raised raised{Raised::Kind::Retry, "RuntimeError", "later", "builtins", 5ms};
  EXPECT_EQ(after(raised, policy, {0, 0, "t[1]"}, 0).retry_in, 5ms);
  raised.delay.reset();
  EXPECT_EQ(after(raised, policy, {0, 0, "t[1]"}, 0).retry_in, 100ms);

  const auto ending = after(raised, policy, {1, 0, "t[1]"}, 0);
  EXPECT_EQ(ending.state, TaskState::Failure);
  EXPECT_THAT(ending.result, HasSubstr("MaxRetriesExceededError"));
  EXPECT_THAT(ending.result, HasSubstr("celery.exceptions"));
  EXPECT_THAT(ending.result, HasSubstr("Can't retry t[1]"));
}

TEST(Ending, PutsATaskOffWithoutCountingIt) {
  const RetryPolicy none;
  const Raised raised{Raised::Kind::Later, "RuntimeError", "429", "builtins", 60s};

  const auto ending = after(raised, none, {0, kMostPostponements - 1, "t[1]"}, 0);
  EXPECT_EQ(ending.state, TaskState::Retry);
  EXPECT_TRUE(ending.postponed);
  EXPECT_EQ(ending.retry_in, 60s);
  EXPECT_EQ(after(raised, none, {0, 0, "t[1]"}, 0.5).retry_in, 63s) << "not all at once";
  EXPECT_THAT(after(raised, none, {0, kMostPostponements, "t[1]"}, 0).result,
              HasSubstr("MaxRetriesExceededError"));
  RetryPolicy one;
  one.max_retries = 1;
  const auto counted = after(raised, one, {0, kMostPostponements, "t[1]"}, 0);
  EXPECT_EQ(counted.state, TaskState::Retry);
  EXPECT_FALSE(counted.postponed);
}

TEST(Ending, KeepsTheValueOutOfTheStoreWhenItIsIgnored) {
  EXPECT_EQ(succeeded(5, false).result, "5");
  EXPECT_EQ(succeeded(5, true).result, "null");
  EXPECT_EQ(succeeded(boost::json::string(5000, 'x'), false).shown.size(), 1024U);
}

}  // namespace
}  // namespace umbel
