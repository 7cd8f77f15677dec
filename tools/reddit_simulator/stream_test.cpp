#include "stream.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "answers.hpp"
#include "listing_window.hpp"

namespace umbel::reddit_simulator {
namespace {

constexpr WallTime kEpoch = from_micros(1'735'689'600'000'000);
const WallTime kNow = kEpoch + std::chrono::hours{5};

StreamOptions options(std::uint64_t seed = 7) {
  return {seed, 2.0, kEpoch, {"AskReddit", "cpp", "linux"}};
}

std::string text_of(const Stream& stream, std::uint64_t number, WallTime now) {
  return boost::json::serialize(submission_json(stream.post(number), now));
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

TEST(Stream, TheSameSeedMakesTheSameSubmissions) {
  const Stream one{options()};
  const Stream other{options()};

  for (std::uint64_t number = 0; number < 300; ++number) {
    EXPECT_EQ(text_of(one, number, kNow), text_of(other, number, kNow));
  }
}

TEST(Stream, AnotherSeedMakesOtherSubmissions) {
  const Stream one{options(7)};
  const Stream other{options(8)};
  int alike = 0;

  for (std::uint64_t number = 0; number < 100; ++number) {
    alike += one.post(number).title == other.post(number).title ? 1 : 0;
  }

  EXPECT_LT(alike, 20);
}

TEST(Stream, ASubmissionExistsFromTheInstantOfItsCreation) {
  const Stream stream{options()};

  for (std::uint64_t number = 0; number < 2000; ++number) {
    const WallTime created = stream.created(number);
    EXPECT_EQ(stream.count_at(created), number + 1);
    EXPECT_EQ(stream.count_at(created - std::chrono::microseconds{1}), number);
  }
  EXPECT_EQ(stream.count_at(kEpoch - std::chrono::hours{1}), 0U);
}

TEST(Stream, TheRateHoldsOverHours) {
  const Stream stream{options()};

  EXPECT_NEAR(static_cast<double>(stream.count_at(kNow)), 2.0 * 5 * 3600, 2);
}

TEST(Stream, IdsRiseAndLeadBack) {
  for (std::uint64_t number = 0; number < 100'000; number += 37) {
    const std::string id = id_of(number);
    EXPECT_EQ(number_of(id), number);
    EXPECT_LT(id, id_of(number + 1));
  }
  EXPECT_EQ(number_of(""), std::nullopt);
  EXPECT_EQ(number_of("abc"), std::nullopt);
  EXPECT_EQ(number_of("1DM4ETC"), std::nullopt);
  EXPECT_EQ(number_of("zzzzzzzzzzzzz"), std::nullopt);
}

TEST(Stream, TitlesAreOfManyLengthsAndKeepRedditsBounds) {
  const Stream stream{options()};
  std::set<std::size_t> lengths;
  bool unicode = false;

  for (std::uint64_t number = 0; number < 2000; ++number) {
    const Post post = stream.post(number);
    lengths.insert(characters(post.title));
    unicode = unicode || characters(post.title) != post.title.size();
    EXPECT_LE(post.author.size(), 20U) << post.author;
    EXPECT_LE(characters(post.selftext), 40'000U);
    boost::system::error_code bad;
    static_cast<void>(boost::json::parse(text_of(stream, number, kNow), bad));
    EXPECT_FALSE(bad) << "not UTF-8: " << post.title;
  }

  EXPECT_GE(*lengths.begin(), 2U);
  EXPECT_LE(*lengths.rbegin(), 300U);
  EXPECT_GT(lengths.size(), 50U);
  EXPECT_TRUE(unicode);
}

TEST(Stream, EveryKindAndPeculiarityOccurs) {
  const Stream stream{options()};
  std::set<PostKind> kinds;
  int over_18 = 0;
  int flairs = 0;
  int edited = 0;
  int deleted = 0;

  for (std::uint64_t number = 0; number < 3000; ++number) {
    const Post post = stream.post(number);
    kinds.insert(post.kind);
    over_18 += post.over_18 ? 1 : 0;
    flairs += post.flair ? 1 : 0;
    edited += post.edited ? 1 : 0;
    deleted += post.deleted ? 1 : 0;
  }

  EXPECT_EQ(kinds.size(), 4U);
  EXPECT_GT(over_18, 0);
  EXPECT_LT(over_18, 100);
  EXPECT_GT(flairs, 300);
  EXPECT_GT(edited, 0);
  EXPECT_GT(deleted, 0);
}

TEST(Stream, ScoreAndCommentsGrowWithAge) {
  const Stream stream{options()};

  for (std::uint64_t number = 0; number < 500; ++number) {
    const Post post = stream.post(number);
    std::int64_t score = post.score_at(post.created);
    std::int64_t comments = post.comments_at(post.created);
    EXPECT_EQ(comments, 0);
    for (int minutes = 1; minutes < 600; minutes += 17) {
      const WallTime then = post.created + std::chrono::minutes{minutes};
      EXPECT_GE(post.score_at(then), score);
      EXPECT_GE(post.comments_at(then), comments);
      score = post.score_at(then);
      comments = post.comments_at(then);
    }
  }
}

TEST(Stream, ADeletedSubmissionLosesItsAuthor) {
  const Stream stream{options()};
  std::uint64_t number = 0;
  while (!stream.deleted(number)) ++number;

  const auto before =
      submission_json(stream.post(number), *stream.deleted(number) - std::chrono::seconds{1});
  const auto after = submission_json(stream.post(number), *stream.deleted(number));

  EXPECT_NE(before.at("data").at("author").as_string(), "[deleted]");
  EXPECT_EQ(after.at("data").at("author").as_string(), "[deleted]");
}

std::vector<std::uint64_t> all_pages(const Stream& stream, ListingQuery query, WallTime floor) {
  std::vector<std::uint64_t> numbers;
  for (;;) {
    const ListingWindow page = list(stream, query, floor, kNow);
    numbers.insert(numbers.end(), page.numbers.begin(), page.numbers.end());
    if (!page.after) return numbers;
    query.after = *page.after;
  }
}

TEST(ListingWindow, ItsPagesTogetherShowEachSubmissionOnceNewestFirst) {
  const Stream stream{options()};
  const WallTime floor = kNow - std::chrono::seconds{300};

  const auto numbers = all_pages(stream, {std::nullopt, 7, "", ""}, floor);

  std::vector<std::uint64_t> expected;
  for (std::uint64_t n = stream.count_at(kNow); n-- > 0 && stream.created(n) >= floor;) {
    if (const auto gone = stream.deleted(n); !gone || *gone > kNow) expected.push_back(n);
  }
  EXPECT_EQ(numbers, expected);
  EXPECT_GT(expected.size(), 500U);
}

TEST(ListingWindow, ASubredditShowsItsOwnAlone) {
  const Stream stream{options()};

  const auto page = list(stream, {1, 100, "", ""}, kEpoch, kNow);

  ASSERT_EQ(page.numbers.size(), 100U);
  for (const auto number : page.numbers) EXPECT_EQ(stream.post(number).subreddit, "cpp");
}

TEST(ListingWindow, NoMoreThanAThousandAreEverListed) {
  const Stream stream{options()};

  EXPECT_EQ(all_pages(stream, {std::nullopt, 100, "", ""}, kEpoch).size(), kMostListed);
}

TEST(ListingWindow, BeforeShowsWhatStandsNextToTheAnchorAndNoAfter) {
  const Stream stream{options()};
  const auto newest = list(stream, {std::nullopt, 100, "", ""}, kEpoch, kNow).numbers;
  const std::string anchor = "t3_" + id_of(newest[10]);

  const auto few = list(stream, {std::nullopt, 3, "", anchor}, kEpoch, kNow);
  const auto many = list(stream, {std::nullopt, 100, "", anchor}, kEpoch, kNow);

  EXPECT_EQ(few.numbers, (std::vector{newest[7], newest[8], newest[9]}));
  EXPECT_EQ(few.after, std::nullopt);
  EXPECT_EQ(many.numbers, (std::vector<std::uint64_t>{newest.begin(), newest.begin() + 10}));
}

TEST(ListingWindow, AnUnknownOrDeletedAnchorAnswersNothing) {
  const Stream stream{options()};
  std::uint64_t gone = stream.count_at(kNow) - 300;
  while (!stream.deleted(gone) || *stream.deleted(gone) > kNow) --gone;

  for (const std::string& anchor :
       {std::string{"t3_zz"}, std::string{"nonsense"}, "t3_" + id_of(gone)}) {
    EXPECT_TRUE(list(stream, {std::nullopt, 5, "", anchor}, kEpoch, kNow).numbers.empty())
        << anchor;
    EXPECT_TRUE(list(stream, {std::nullopt, 5, anchor, ""}, kEpoch, kNow).numbers.empty())
        << anchor;
  }
}

}  // namespace
}  // namespace umbel::reddit_simulator
