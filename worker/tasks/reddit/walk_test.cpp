#include "walk.hpp"

#include <gtest/gtest.h>

namespace umbel::reddit {
namespace {

using std::chrono::minutes;
using Step = Walk::Step;

constexpr WallTime kMark = from_micros(1'700'000'000'000'000);
const Step kStop{};

ListedItem fresh(const std::string& name, minutes from_mark) {
  return {name, kMark + from_mark, false};
}
ListedItem known(const std::string& name, minutes from_mark) {
  return {name, kMark + from_mark, true};
}
using Names = std::vector<std::string>;

WalkOptions with_mark() {
  WalkOptions options;
  options.watermark = kMark;
  return options;
}

TEST(Walk, TheFirstRunTakesTheFirstPageAlone) {
  Walk walk{{}};

  const Step step =
      walk.feed({fresh("c", minutes{2}), fresh("b", minutes{1}), fresh("a", minutes{0})}, "a");

  EXPECT_EQ(step, kStop);
  EXPECT_EQ(walk.fresh(), (Names{"c", "b", "a"}));
  EXPECT_EQ(walk.newest(), kMark + minutes{2});
  EXPECT_EQ(walk.began(), kMark);
  EXPECT_FALSE(walk.gap());
}

TEST(Walk, AFirstRunThatSeesEverythingBeginsWithTheOldest) {
  Walk walk{{}};

  static_cast<void>(walk.feed({fresh("a", minutes{0})}, std::nullopt));

  EXPECT_EQ(walk.began(), kMark);
}

TEST(Walk, GoesBackToWhereARunThatDiedBeforeItsAcceptanceBegan) {
  WalkOptions options;
  options.began = kMark;
  Walk walk{options};

  EXPECT_EQ(walk.feed({fresh("d", minutes{3}), fresh("c", minutes{2})}, "c"), (Step{true, "c"}));
  EXPECT_EQ(walk.feed({fresh("b", minutes{0}), fresh("a", minutes{-1})}, "a"), kStop);
  EXPECT_EQ(walk.fresh(), (Names{"d", "c", "b", "a"}));
  EXPECT_EQ(walk.began(), std::nullopt);
  EXPECT_FALSE(walk.gap());
}

// Reddit tells whole seconds: the page of that run may have ended anywhere in this one.
TEST(Walk, GoesThroughTheWholeSecondOfTheBeginning) {
  WalkOptions options;
  options.began = kMark;
  Walk walk{options};

  EXPECT_EQ(walk.feed({fresh("d", minutes{1}), fresh("c", minutes{0})}, "c"), (Step{true, "c"}));
  EXPECT_EQ(walk.feed({fresh("b", minutes{0}), fresh("a", minutes{-1})}, "a"), kStop);
  EXPECT_EQ(walk.fresh(), (Names{"d", "c", "b", "a"}));
}

TEST(Walk, CountsAGapWhenTheListingEndsBeforeTheBeginning) {
  WalkOptions options;
  options.began = kMark;
  Walk walk{options};

  EXPECT_EQ(walk.feed({fresh("d", minutes{60})}, std::nullopt), kStop);
  EXPECT_TRUE(walk.gap());
}

TEST(Walk, TakesWhatIsOfTheSecondOfTheWatermark) {
  Walk walk{with_mark()};

  EXPECT_EQ(walk.feed({fresh("c", minutes{0}), known("b", minutes{0}), fresh("a", minutes{0}),
                       known("old", minutes{-10})},
                      "old"),
            kStop);
  EXPECT_EQ(walk.fresh(), (Names{"c", "a"}));
  EXPECT_EQ(walk.newest(), kMark);
}

TEST(Walk, AnEmptySubredditHasNothing) {
  for (const auto& options : {WalkOptions{}, with_mark()}) {
    Walk walk{options};

    EXPECT_EQ(walk.feed({}, std::nullopt), kStop);
    EXPECT_TRUE(walk.fresh().empty());
    EXPECT_EQ(walk.newest(), std::nullopt);
    EXPECT_FALSE(walk.gap());
  }
}

TEST(Walk, StopsWhereAPageReachesTheKnownBelowTheOverlap) {
  Walk walk{with_mark()};

  const Step step = walk.feed({fresh("d", minutes{1}), known("c", minutes{0}),
                               known("b", minutes{-9}), known("a", minutes{-11})},
                              "a");

  EXPECT_EQ(step, kStop);
  EXPECT_EQ(walk.fresh(), Names{"d"});
  EXPECT_FALSE(walk.gap());
}

TEST(Walk, GoesOnUntilThePageIsOlderThanTheOverlap) {
  Walk walk{with_mark()};

  EXPECT_EQ(walk.feed({fresh("d", minutes{1}), known("c", minutes{0})}, "c"), (Step{true, "c"}));
  EXPECT_EQ(walk.feed({known("b", minutes{-9})}, "b"), (Step{true, "b"}));
  EXPECT_EQ(walk.feed({known("a", minutes{-10})}, "a"), kStop);
  EXPECT_EQ(walk.pages(), 3U);
}

TEST(Walk, FindsWhatShowsUpLateWithinTheOverlap) {
  Walk walk{with_mark()};

  const Step step = walk.feed(
      {known("c", minutes{0}), fresh("late", minutes{-5}), known("a", minutes{-12})}, "a");

  EXPECT_EQ(step, kStop);
  EXPECT_EQ(walk.fresh(), Names{"late"});
}

TEST(Walk, GoesOnBelowTheOverlapWhileSomethingThereIsUnknown) {
  Walk walk{with_mark()};

  EXPECT_EQ(walk.feed({known("c", minutes{0}), fresh("missed", minutes{-20})}, "missed"),
            (Step{true, "missed"}));
  EXPECT_EQ(walk.feed({known("b", minutes{-30}), known("a", minutes{-40})}, "a"), kStop);
  EXPECT_EQ(walk.fresh(), Names{"missed"});
}

TEST(Walk, CountsAGapWhenTheListingEndsBeforeTheWatermark) {
  Walk walk{with_mark()};

  EXPECT_EQ(walk.feed({fresh("z", minutes{60})}, "z"), (Step{true, "z"}));
  EXPECT_EQ(walk.feed({fresh("y", minutes{50})}, std::nullopt), kStop);
  EXPECT_TRUE(walk.gap());
  EXPECT_EQ(walk.fresh(), (Names{"z", "y"}));
  EXPECT_EQ(walk.newest(), kMark + minutes{60});
}

TEST(Walk, ReachingTheWatermarkIsNoGapEvenIfTheListingEndsAboveTheOverlap) {
  Walk walk{with_mark()};

  EXPECT_EQ(walk.feed({fresh("b", minutes{1}), known("a", minutes{0})}, std::nullopt), kStop);
  EXPECT_FALSE(walk.gap());
}

TEST(Walk, StepsBackWhenItsAnchorWasDeleted) {
  Walk walk{with_mark()};

  EXPECT_EQ(
      walk.feed({fresh("e", minutes{9}), fresh("d", minutes{8}), fresh("c", minutes{7})}, "c"),
      (Step{true, "c"}));
  EXPECT_EQ(walk.feed({}, std::nullopt), (Step{true, "d"}));
  EXPECT_EQ(walk.feed({fresh("b", minutes{6}), known("a", minutes{-11})}, "a"), kStop);
  EXPECT_EQ(walk.fresh(), (Names{"e", "d", "c", "b"}));
  EXPECT_FALSE(walk.gap());
}

TEST(Walk, StepsBackFromEachDeletedAnchorAnew) {
  Walk walk{with_mark()};

  for (int round = 9; round > 0; --round) {
    const std::string first = "x" + std::to_string(round), second = "y" + std::to_string(round);
    ASSERT_EQ(walk.feed({fresh(first, minutes{2 * round}), fresh(second, minutes{2 * round - 1})},
                        second),
              (Step{true, second}));
    ASSERT_EQ(walk.feed({}, std::nullopt), (Step{true, first})) << round;
  }
  EXPECT_EQ(walk.feed({known("a", minutes{-11})}, "a"), kStop);
  EXPECT_EQ(walk.fresh().size(), 18U);
  EXPECT_FALSE(walk.gap());
}

TEST(Walk, TakesAPageThatStaysEmptyForTheEnd) {
  Walk walk{with_mark()};
  std::vector<ListedItem> page;
  for (int i = 9; i > 0; --i) page.push_back(fresh(std::to_string(i), minutes{i}));

  Step step = walk.feed(page, "1");
  int empty = 0;
  while (step.fetch) {
    step = walk.feed({}, std::nullopt);
    ++empty;
  }

  EXPECT_EQ(empty, 4);
  EXPECT_TRUE(walk.gap());
}

TEST(Walk, CountsASubmissionOnceThoughTwoPagesShowIt) {
  Walk walk{with_mark()};

  static_cast<void>(walk.feed({fresh("c", minutes{3}), fresh("b", minutes{2})}, "b"));
  EXPECT_EQ(walk.feed({fresh("b", minutes{2}), known("a", minutes{-11})}, "a"), kStop);

  EXPECT_EQ(walk.fresh(), (Names{"c", "b"}));
}

TEST(Walk, StopsAtWhatWasThereBeforeTheFirstRunButTakesWhatWasListed) {
  WalkOptions options = with_mark();
  options.began = kMark - minutes{3};
  Walk walk{options};

  const Step step =
      walk.feed({fresh("c", minutes{1}), known("b", minutes{-3}), fresh("a", minutes{-4})}, "a");

  EXPECT_EQ(step, kStop);
  EXPECT_EQ(walk.fresh(), (Names{"c", "a"}));
}

TEST(Walk, EndsThoughTheListingRunsInCircles) {
  Walk walk{with_mark()};

  Step step = walk.feed({fresh("b", minutes{2})}, "b");
  int pages = 1;
  while (step.fetch && pages < 100) {
    step = walk.feed({fresh("b", minutes{2})}, "b");
    ++pages;
  }

  EXPECT_EQ(pages, 2);
  EXPECT_TRUE(walk.gap());
}

TEST(Walk, EndsAfterItsMostPages) {
  WalkOptions options = with_mark();
  options.most_pages = 5;
  Walk walk{options};

  int pages = 0;
  Step step{true, ""};
  while (step.fetch && pages < 100) {
    const std::string name = "n" + std::to_string(pages++);
    step = walk.feed({fresh(name, minutes{1000 - pages})}, name);
  }

  EXPECT_EQ(pages, 5);
  EXPECT_TRUE(walk.gap());
}

}  // namespace
}  // namespace umbel::reddit
