#include "permalink.hpp"

#include <gtest/gtest.h>

namespace umbel::reddit {
namespace {

constexpr const char* kApi = "http://127.0.0.1:8090";

TEST(Permalink, EveryFormOfAnAddressGivesItsId) {
  for (const char* url :
       {"https://www.reddit.com/r/cpp/comments/48fbm9/some_title/",
        "https://reddit.com/r/cpp/comments/48fbm9", "http://old.reddit.com/comments/48fbm9/",
        "https://www.reddit.com/r/cpp/comments/48fbm9/x/?utm=1#top",
        "https://www.reddit.com/user/someone/comments/48fbm9/x/",
        "HTTPS://WWW.REDDIT.COM/comments/48fbm9", "/r/cpp/comments/48fbm9/some_title/",
        "/comments/48fbm9", "/comments/48fbm9.json",
        "https://oauth.reddit.com:443/comments/48fbm9/", "http://127.0.0.1:8090/comments/48fbm9/",
        "https://www.reddit.com/r/de/comments/48fbm9/stra\xC3\x9F"
        "e/"}) {
    const auto id = permalink_of(url, kApi);
    ASSERT_TRUE(id.has_value()) << url << ": " << id.error().what;
    EXPECT_EQ(id->id, "48fbm9") << url;
  }
}

TEST(Permalink, NamesTheSubredditWhereItCan) {
  const auto subreddit = [](const char* url) { return permalink_of(url, kApi).value().subreddit; };

  EXPECT_EQ(subreddit("https://www.reddit.com/r/Cpp/comments/48fbm9/x/"), "Cpp");
  EXPECT_EQ(subreddit("/comments/48fbm9"), "");
  EXPECT_EQ(subreddit("https://www.reddit.com/user/someone/comments/48fbm9/x/"), "");
  EXPECT_EQ(subreddit("/r/no%2Fname/comments/48fbm9/x/"), "") << "it is never asked for";
}

TEST(Permalink, AnythingElseIsRefusedWithWhatIsAllowed) {
  for (const char* url :
       {"", "48fbm9", "r/cpp/comments/48fbm9", "https://example.com/r/cpp/comments/48fbm9/",
        "https://notreddit.com/comments/48fbm9", "https://reddit.com.example.com/comments/48fbm9",
        "https://www.reddit.com@example.com/comments/48fbm9",
        "ftp://www.reddit.com/comments/48fbm9", "https://www.reddit.com",
        "https://www.reddit.com/r/cpp/", "https://www.reddit.com/r/cpp/comments/",
        "https://www.reddit.com/comments/48FBM9", "/comments/../secrets", "/comments/48fbm9%2e",
        "https:///comments/48fbm9", "http://:80/comments/48fbm9",
        "/comments/00000000000000000000"}) {
    const auto id = permalink_of(url, kApi);
    ASSERT_TRUE(id.has_error()) << url;
    EXPECT_EQ(id.error().code, Errc::Invalid);
    EXPECT_NE(id.error().what.find("/comments/<id>"), std::string::npos) << id.error().what;
  }
}

TEST(Permalink, ARefusalIsShortWhateverWasAsked) {
  const auto id = permalink_of("https://" + std::string(5000, 'x') + "/comments/48fbm9", kApi);
  ASSERT_TRUE(id.has_error());
  EXPECT_LT(id.error().what.size(), 600U);
}

}  // namespace
}  // namespace umbel::reddit
