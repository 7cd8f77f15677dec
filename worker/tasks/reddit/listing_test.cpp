#include "listing.hpp"

#include <gtest/gtest.h>

#include "reddit_testing.hpp"
#include "submission_builder.hpp"

namespace umbel::reddit {
namespace {

namespace json = boost::json;

std::string complaint(const std::string& text) {
  const auto page = parse_listing(text);
  return page ? "nothing" : page.error().what;
}

std::string complaint_with(const std::string& key, const json::value& value) {
  auto data = submission_data("abc", 1e9);
  data[key] = value;
  return complaint(listing_text({submission_data("abd", 1e9), data}));
}

Submission parsed_with(const std::string& key, const json::value& value) {
  auto data = submission_data("abc", 1e9);
  data[key] = value;
  const auto page = parse_listing(listing_text({data}));
  if (!page) throw std::runtime_error{page.error().what};
  return page->children.at(0);
}

TEST(Listing, ReadsWhatIsStored) {
  auto data = submission_data("abc", 1456821458.0);
  data["selftext"] = "a &amp; b < c";
  data["link_flair_text"] = "News";
  data["upvote_ratio"] = 0.84;

  const auto page = parse_listing(listing_text({data}, "t3_abc"));

  ASSERT_TRUE(page.has_value()) << page.error().what;
  EXPECT_EQ(page->after, "t3_abc");
  ASSERT_EQ(page->children.size(), 1U);
  const Submission& read = page->children[0];
  EXPECT_EQ(read.fullname, "t3_abc");
  EXPECT_EQ(read.selftext, "a &amp; b < c");
  EXPECT_EQ(read.link_flair_text, "News");
  EXPECT_EQ(read.upvote_ratio, 0.84);
  EXPECT_EQ(read.created, from_micros(1'456'821'458'000'000));
  EXPECT_EQ(read.edited, std::nullopt);
  EXPECT_EQ(read.score, 3);
  EXPECT_TRUE(read.is_self);
}

TEST(Listing, TakesNumbersAsTheyCome) {
  EXPECT_EQ(parsed_with("score", 12.0).score, 12);
  EXPECT_EQ(parsed_with("score", -4).score, -4);
  EXPECT_EQ(parsed_with("created_utc", 1'000'000'000).created, from_micros(1'000'000'000'000'000));
}

TEST(Listing, RefusesANumberThatIsTooLargeToBeOne) {
  std::string text = listing_text({submission_data("abc", 1e9)});
  const std::string field = "\"score\":3,";
  const auto at = text.find(field);
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, field.size(), "\"score\":3,\"upvote_ratio\":0.8e400,");

  EXPECT_EQ(complaint(text),
            "data.children[0].data.upvote_ratio: expected a number of reasonable size, got a "
            "number");
}

TEST(Listing, TakesEditedAsFalseTrueOrATime) {
  EXPECT_EQ(parsed_with("edited", false).edited, std::nullopt);
  EXPECT_EQ(parsed_with("edited", true).edited, std::nullopt);
  EXPECT_EQ(parsed_with("edited", 1e9 + 60).edited, from_micros(1'000'000'060'000'000));
}

TEST(Listing, CallsAMissingAuthorDeleted) {
  EXPECT_EQ(parsed_with("author", nullptr).author, "[deleted]");
  EXPECT_EQ(parsed_with("author", "[deleted]").author, "[deleted]");
}

TEST(Listing, LetsAnEmptyPageBe) {
  const auto page = parse_listing(listing_text({}));

  ASSERT_TRUE(page.has_value());
  EXPECT_TRUE(page->children.empty());
  EXPECT_EQ(page->after, std::nullopt);
}

TEST(Listing, NamesTheFieldThatIsWrong) {
  const std::string at = "data.children[1].data.";
  EXPECT_EQ(complaint_with("score", "many"), at + "score: expected a number, got a string");
  EXPECT_EQ(complaint_with("title", 3), at + "title: expected a string, got a number");
  EXPECT_EQ(complaint_with("over_18", "no"), at + "over_18: expected a boolean, got a string");
  EXPECT_EQ(complaint_with("link_flair_text", json::array{}),
            at + "link_flair_text: expected a string, got an array");
  EXPECT_EQ(complaint_with("edited", "yes"),
            at + "edited: expected false or a number, got a string");
  EXPECT_NE(complaint_with("created_utc", -1).find(at + "created_utc"), std::string::npos);
  EXPECT_NE(complaint_with("created_utc", 1e300).find(at + "created_utc"), std::string::npos);
  EXPECT_NE(complaint_with("score", 1e300).find(at + "score"), std::string::npos);
  EXPECT_NE(complaint_with("name", "t1_abc").find(at + "name"), std::string::npos);
  EXPECT_NE(complaint_with("name", "t3_<script>").find(at + "name"), std::string::npos);
  EXPECT_NE(complaint_with("permalink", "javascript:").find(at + "permalink"), std::string::npos);
}

TEST(Listing, NamesTheFieldThatIsMissing) {
  auto data = submission_data("abc", 1e9);
  data.erase("title");

  EXPECT_EQ(complaint(listing_text({data})),
            "data.children[0].data.title: expected a string, got nothing");
}

TEST(Listing, RefusesWhatIsNoListing) {
  EXPECT_NE(complaint("").find("not JSON"), std::string::npos);
  EXPECT_NE(complaint("<html>busy</html>").find("not JSON"), std::string::npos);
  EXPECT_NE(complaint(R"({"kind": "Listing"} x)").find("not JSON"), std::string::npos);
  EXPECT_EQ(complaint("[]"), "the answer: expected a Listing, got an array");
  EXPECT_EQ(complaint(R"({"kind":"t3"})"), "kind: expected \"Listing\", got a string");
  EXPECT_EQ(complaint(R"({"kind":"Listing","data":[]})"), "data: expected an object, got an array");
  EXPECT_EQ(complaint(R"({"kind":"Listing","data":{}})"),
            "data.children: expected an array, got nothing");
  EXPECT_EQ(complaint(R"({"kind":"Listing","data":{"children":[7]}})"),
            "data.children[0]: expected an object, got a number");
  EXPECT_EQ(complaint(R"({"kind":"Listing","data":{"children":[],"after":5}})"),
            "data.after: expected a string, got a number");
  EXPECT_NE(complaint(std::string(100'000, '[')).find("not JSON"), std::string::npos);
}

TEST(Listing, ReadsDeeplyNestedReplies) {
  std::string replies = "\"\"";
  for (int depth = 0; depth < 60; ++depth) {
    replies = R"({"kind":"Listing","data":{"children":[{"kind":"t1","data":{"replies":)" + replies +
              "}}]}}";
  }
  const std::string text = "[" + listing_text({submission_data("abc", 1e9)}) + "," + replies + "]";

  const auto submission = parse_comments(text);

  ASSERT_TRUE(submission.has_value()) << submission.error().what;
  EXPECT_EQ(submission->fullname, "t3_abc");
}

TEST(Listing, TellsAnEmptySubmissionPageFromABrokenOne) {
  EXPECT_EQ(parse_comments(comments_text({})).error().code, Errc::NotFound);
  EXPECT_EQ(parse_comments("{}").error().code, Errc::Invalid);
  EXPECT_EQ(parse_comments("[7]").error().what, "[0]: expected a Listing, got a number");
}

class ListingRecordings : public ::testing::Test {
 protected:
  void SetUp() override {
    // The recordings are Reddit's and no part of the repository; UMBEL_RECORDINGS names their
    // folder.
    if (!have_recordings()) GTEST_SKIP() << "no recordings of Reddit's answers in " << recordings();
  }
};

TEST_F(ListingRecordings, EveryRecordedListingIsRead) {
  const std::vector<std::pair<std::string, std::size_t>> files{
      {"askreddit_new_1.json", 100}, {"all_new_stream_1.json", 100}, {"all_new_stream_2.json", 4}};
  for (const auto& [name, count] : files) {
    const auto page = parse_listing(recording(name));
    ASSERT_TRUE(page.has_value()) << name << ": " << page.error().what;
    EXPECT_EQ(page->children.size(), count) << name;
  }
}

TEST_F(ListingRecordings, TheRecordedSubmissionIsRead) {
  const auto submission = parse_comments(recording("submission_comments_1.json"));

  ASSERT_TRUE(submission.has_value()) << submission.error().what;
  EXPECT_EQ(submission->fullname, "t3_2gmzqe");
  EXPECT_EQ(submission->author, "bboe");
  EXPECT_EQ(submission->upvote_ratio, 0.84);
  EXPECT_EQ(submission->num_comments, 2);
}

}  // namespace
}  // namespace umbel::reddit
