#include "umbel/model/retry_policy.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace umbel {
namespace {

using std::chrono::milliseconds;

TEST(RetryPolicy, never_retries_unless_told_to) {
  EXPECT_EQ(RetryPolicy{}.delay_after(0, 0.0), std::nullopt);
}

TEST(RetryPolicy, ends_when_the_retries_are_used_up) {
  const RetryPolicy policy{.max_retries = 3};
  EXPECT_TRUE(policy.delay_after(0, 0.0));
  EXPECT_TRUE(policy.delay_after(2, 0.0));
  EXPECT_FALSE(policy.delay_after(3, 0.0));
  EXPECT_FALSE(policy.delay_after(100, 0.0));
}

TEST(RetryPolicy, grows_by_its_factor_up_to_its_cap) {
  const RetryPolicy policy{.max_retries = 2'000'000'000,
                           .first_delay = milliseconds{1000},
                           .factor = 2.0,
                           .max_delay = milliseconds{10'000},
                           .jitter = 0.0};
  EXPECT_EQ(policy.delay_after(0, 0.9), milliseconds{1000});
  EXPECT_EQ(policy.delay_after(1, 0.9), milliseconds{2000});
  EXPECT_EQ(policy.delay_after(3, 0.9), milliseconds{8000});
  EXPECT_EQ(policy.delay_after(4, 0.9), milliseconds{10'000});
  EXPECT_EQ(policy.delay_after(1'999'999'999, 0.9), milliseconds{10'000});
}

TEST(RetryPolicy, takes_at_most_its_share_of_jitter_off) {
  const RetryPolicy policy{.max_retries = 1, .first_delay = milliseconds{1000}, .jitter = 0.5};
  EXPECT_EQ(policy.delay_after(0, 0.0), milliseconds{1000});
  EXPECT_EQ(policy.delay_after(0, 0.5), milliseconds{750});
  const auto least = policy.delay_after(0, std::nextafter(1.0, 0.0));
  ASSERT_TRUE(least);
  EXPECT_GE(*least, milliseconds{500});
  EXPECT_LT(*least, milliseconds{502});
}

TEST(RetryPolicy, takes_a_negative_count_as_the_first_run) {
  const RetryPolicy policy{.max_retries = 1, .first_delay = milliseconds{1000}, .jitter = 0.0};
  EXPECT_EQ(policy.delay_after(-3, 0.0), milliseconds{1000});
}

TEST(Postponement, is_never_shorter_than_asked_and_bounded) {
  using namespace std::chrono_literals;
  EXPECT_EQ(postponed_by(60s, 0), 60s);
  EXPECT_EQ(postponed_by(60s, 1), 66s);
  EXPECT_EQ(postponed_by(3000s, 1), 3030s);
  EXPECT_EQ(postponed_by(48h, 0), kLongestPostponement);
  EXPECT_EQ(postponed_by(-5s, 0.5), 0s);
}

}  // namespace
}  // namespace umbel
