#include "umbel/tasks_reddit/reddit_tasks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "phases.hpp"
#include "reddit_testing.hpp"
#include "submission_builder.hpp"

namespace umbel::reddit {
namespace {

namespace json = boost::json;

http::Response text(const std::string& body) { return http::json_response(body); }

// A subreddit that the test fills: listed newest first. Thread-safe.
class LittleReddit {
 public:
  void page_of(std::ptrdiff_t submissions) {
    const std::lock_guard lock{mutex_};
    per_page_ = submissions;
  }
  void break_after(const std::string& fullname) {  // the page after it is a 503; empty: none
    const std::lock_guard lock{mutex_};
    broken_after_ = fullname;
  }
  void forget_all() {
    const std::lock_guard lock{mutex_};
    posts_.clear();
  }
  void post(const std::string& id, double created) {
    const std::lock_guard lock{mutex_};
    posts_.insert(posts_.begin(), submission_data(id, created));
  }
  http::Response answer(const http::Request& request) {
    const std::lock_guard lock{mutex_};
    if (request.path.starts_with("/comments/")) {
      const std::string id = request.path.substr(10, request.path.size() - 11);
      for (const auto& post : posts_) {
        if (post.at("id").as_string() == id) return text(comments_text({post}));
      }
      return http::json_response("{}", 404);
    }
    const std::string after = request.argument("after").value_or("");
    if (!after.empty() && after == broken_after_) return http::json_response("{}", 503);
    auto first = posts_.begin();
    if (!after.empty()) {
      first = std::find_if(posts_.begin(), posts_.end(),
                           [&](const auto& post) { return post.at("name").as_string() == after; });
      if (first != posts_.end()) ++first;
    }
    const auto room = std::min<std::ptrdiff_t>(per_page_, std::distance(first, posts_.end()));
    const std::vector<json::object> page(first, first + room);
    const bool more = first + room != posts_.end();
    return text(
        listing_text(page, more ? std::optional{std::string{page.back().at("name").as_string()}}
                                : std::nullopt));
  }

 private:
  std::mutex mutex_;
  std::ptrdiff_t per_page_ = 100;
  std::string broken_after_;
  std::vector<json::object> posts_;
};

class RedditTasksTest : public RedditTaskTest {
 protected:
  static constexpr double kT = 1'700'000'000;
  LittleReddit reddit;
  ScriptedReddit server{[this](const http::Request& request) { return reddit.answer(request); }};

  double gaps() { return metrics.counter(metrics::kSubmissionsGap, {"cpp"}).Value(); }
  double discovered() { return metrics.counter(metrics::kSubmissionsDiscovered, {"cpp"}).Value(); }
  bool sighted(const std::string& id) {
    const std::vector<std::string> names{"t3_" + id};
    return store->submissions().sighted(names).value().at(0);
  }
};

TEST_F(RedditTasksTest, DiscoverAsksForEachNewSubmissionOldestFirst) {
  use(server.options());
  reddit.post("a", kT);
  reddit.post("b", kT + 1);
  auto bare = context();

  const auto result = discover("Cpp", bare);

  auto told = result.as_object();
  EXPECT_EQ(told.at("seconds").as_object().size(), kPhaseNames.size());
  told.erase("seconds");
  EXPECT_EQ(told, (json::object{{"subreddit", "cpp"}, {"new", 2}, {"pages", 1}, {"gap", false}}));
  ASSERT_EQ(bare.spawned.size(), 2U);
  EXPECT_EQ(bare.spawned[0].name, "reddit.fetch_submission");
  EXPECT_EQ(bare.spawned[0].args, R"(["https://www.reddit.com/r/Cpp/comments/a/title/"])");
  EXPECT_EQ(bare.spawned[0].id, TaskId{named_uuid("fetch|t3_a")});
  EXPECT_EQ(store->submissions().watermark("cpp").value(), from_unix_seconds(kT + 1));
  EXPECT_TRUE(sighted("a"));
  EXPECT_TRUE(sighted("b"));
  EXPECT_EQ(discovered(), 2);
  EXPECT_EQ(server.requests().at(0).query, "limit=100&raw_json=1");
}

TEST_F(RedditTasksTest, DiscoverFindsASubmissionOnce) {
  use(server.options());
  reddit.post("a", kT);
  static_cast<void>(discover("cpp"));
  reddit.post("b", kT + 30);

  const auto second = discover("cpp");
  const auto third = discover("cpp");

  EXPECT_EQ(second.at("new").to_number<int>(), 1);
  EXPECT_EQ(third.at("new").to_number<int>(), 0);
  EXPECT_EQ(discovered(), 2);
  EXPECT_EQ(gaps(), 0);
}

TEST_F(RedditTasksTest, DiscoverStopsAtThePageWithWhatWasThereBeforeIt) {
  use(server.options());
  reddit.page_of(3);
  for (int i = 0; i < 9; ++i) reddit.post("p" + std::to_string(i), kT + i);
  static_cast<void>(discover("cpp"));
  reddit.post("q", kT + 20);

  const auto second = discover("cpp");

  EXPECT_EQ(second.at("new").to_number<int>(), 3);
  EXPECT_EQ(second.at("pages").to_number<int>(), 2);
  EXPECT_TRUE(sighted("p4"));
  EXPECT_FALSE(sighted("p3"));
}

TEST_F(RedditTasksTest, DiscoverWalksBackToWhereItWas) {
  use(server.options());
  reddit.page_of(3);
  reddit.post("a", kT - 3600);
  static_cast<void>(discover("cpp"));
  for (int i = 0; i < 8; ++i) reddit.post("p" + std::to_string(i), kT + i);

  const auto result = discover("cpp");

  EXPECT_EQ(result.at("new").to_number<int>(), 8);
  EXPECT_EQ(result.at("pages").to_number<int>(), 3);
  EXPECT_EQ(result.at("gap").as_bool(), false);
}

TEST_F(RedditTasksTest, DiscoverCountsAGapWhenTheListingEndsTooSoon) {
  use(server.options());
  reddit.post("a", kT);
  static_cast<void>(discover("cpp"));
  reddit.forget_all();
  reddit.post("z", kT + 7200);

  const auto result = discover("cpp");

  EXPECT_EQ(result.at("gap").as_bool(), true);
  EXPECT_EQ(gaps(), 1);
  EXPECT_EQ(discover("cpp").at("gap").as_bool(), false);
}

TEST_F(RedditTasksTest, DiscoverChangesNothingWhenALaterPageFails) {
  use(server.options());
  reddit.page_of(2);
  reddit.post("a", kT);
  static_cast<void>(discover("cpp"));
  for (int i = 0; i < 6; ++i) reddit.post("p" + std::to_string(i), kT + 10 + i);
  reddit.break_after("t3_p2");

  EXPECT_THROW(static_cast<void>(discover("cpp")), TaskError);

  EXPECT_EQ(store->submissions().watermark("cpp").value(), from_unix_seconds(kT));
  EXPECT_FALSE(sighted("p5"));
  reddit.break_after("");
  EXPECT_EQ(discover("cpp").at("new").to_number<int>(), 6);
}

TEST_F(RedditTasksTest, DiscoverTakesAnEmptySubredditAsItIs) {
  use(server.options());

  EXPECT_EQ(discover("cpp").at("new").to_number<int>(), 0);
  EXPECT_EQ(store->submissions().watermark("cpp").value(), std::nullopt);
}

TEST_F(RedditTasksTest, DiscoverRefusesWhatIsNoName) {
  use(server.options());

  for (const char* name :
       {"", "x", "r/cpp", "/r/cpp", "cpp?limit=1", "a name", "1234567890123456789012"}) {
    try {
      static_cast<void>(discover(name));
      ADD_FAILURE() << name;
    } catch (const FinalTaskError& error) {
      EXPECT_EQ(error.type(), "ValueError");
      EXPECT_NE(std::string{error.what()}.find("letters"), std::string::npos);
    }
  }
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(RedditTasksTest, FetchStoresTheSubmissionAndMeasuresIt) {
  auto options = server.options();
  options.simulated = true;
  use(options);
  reddit.post("abc", to_unix_seconds(clock.wall()) - 42);

  const auto result = fetch("https://www.reddit.com/r/Cpp/comments/abc/title/");

  EXPECT_EQ(result.at("fullname").as_string(), "t3_abc");
  EXPECT_EQ(result.at("subreddit").as_string(), "Cpp");
  EXPECT_EQ(result.at("title").as_string(), "Title of abc");
  EXPECT_EQ(result.at("score").to_number<int>(), 3);
  EXPECT_EQ(result.at("num_comments").to_number<int>(), 1);
  EXPECT_GE(result.at("fetch_seconds").to_number<double>(), 0);
  const auto stored = store->submissions().find("t3_abc");
  ASSERT_TRUE(stored.has_value()) << stored.error().what;
  EXPECT_EQ(stored->source, "api");
  EXPECT_TRUE(stored->simulated);
  EXPECT_EQ(stored->fetched, clock.wall());
  const std::string metrics_text = metrics.text();
  for (const char* line :
       {"submission_fetch_time_count{source=\"api\"} 1",
        "submission_title_length_characters_sum{source=\"api\"} 12",
        "submission_text_length_characters_count{source=\"api\"} 1",
        "submission_score_sum{source=\"api\"} 3", "submission_comments_sum{source=\"api\"} 1",
        "submission_age_seconds_sum{source=\"api\"} 42"}) {
    EXPECT_NE(metrics_text.find(line), std::string::npos) << line;
  }
  EXPECT_EQ(metrics.counter(metrics::kSubmissionsFetched, {"cpp", "api"}).Value(), 1);
}

TEST_F(RedditTasksTest, LengthsAreCountedInCharacters) {
  auto data = submission_data("abc", kT);
  data["title"] = "\xE6\x9D\xB1\xE4\xBA\xAC \xF0\x9F\x99\x82";  // four
  data["selftext"] = "\xC3\xA9\xC3\xA9";                        // two
  ScriptedReddit one{[&](const http::Request&) { return text(comments_text({data})); }};
  use(one.options());

  static_cast<void>(fetch("/comments/abc"));

  EXPECT_NE(metrics.text().find("submission_title_length_characters_sum{source=\"api\"} 4"),
            std::string::npos);
  EXPECT_NE(metrics.text().find("submission_text_length_characters_sum{source=\"api\"} 2"),
            std::string::npos);
}

TEST_F(RedditTasksTest, FetchRefusesAnAddressThatIsNoSubmissions) {
  use(server.options());

  try {
    static_cast<void>(fetch("https://example.com/comments/abc"));
    FAIL() << "accepted";
  } catch (const FinalTaskError& error) {
    EXPECT_EQ(error.type(), "ValueError");
  }
  EXPECT_TRUE(server.requests().empty());
}

// Runs a fetch against one answer; what was thrown, as `final TYPE`, `again TYPE` or `after N`.
std::string outcome(const std::function<void()>& run, std::string* what = nullptr) {
  try {
    run();
    return "stored";
  } catch (const FinalTaskError& error) {
    if (what != nullptr) *what = error.what();
    return "final " + error.type();
  } catch (const TaskError& error) {
    if (what != nullptr) *what = error.what();
    return "again " + error.type();
  } catch (const RetryRequest& request) {
    return "after " +
           std::to_string(request.delay().value_or(std::chrono::milliseconds{-1}).count());
  }
}

TEST_F(RedditTasksTest, FetchEndsAsItsFailureDemandsAndCountsIt) {
  http::Response answer;
  ScriptedReddit one{[&](const http::Request&) { return answer; }};
  use(one.options());
  const auto fetch_of = [&](const http::Response& given, std::string* what = nullptr) {
    one.change([&] { answer = given; });
    return outcome([&] { static_cast<void>(fetch("/comments/abc")); }, what);
  };
  http::Response limited = http::json_response("{}", 429);
  limited.headers.emplace_back("Retry-After", "17");
  auto wrong = submission_data("abc", kT);
  wrong["score"] = "high";
  std::string what;

  EXPECT_EQ(fetch_of(http::json_response("{}", 404)), "final LookupError");
  EXPECT_EQ(fetch_of(http::json_response("{}", 403)), "final PermissionError");
  EXPECT_EQ(failures("not_found"), 1);
  EXPECT_EQ(failures("forbidden"), 1);
  EXPECT_EQ(fetch_of(http::json_response("{}", 502)), "again ConnectionError");
  EXPECT_EQ(failures("http_5xx"), 1);
  EXPECT_EQ(fetch_of(limited), "after 17000");
  EXPECT_EQ(failures("rate_limited"), 1);
  clock.advance(std::chrono::seconds{17});
  EXPECT_EQ(fetch_of(text("<html>")), "again ValueError");
  EXPECT_EQ(fetch_of(text(comments_text({wrong})), &what), "again ValueError");
  EXPECT_NE(what.find("[0].data.children[0].data.score: expected a number, got a string"),
            std::string::npos)
      << what;
  EXPECT_EQ(fetch_of(text(comments_text({}))), "final LookupError");
  EXPECT_EQ(fetch_of(text(comments_text({submission_data("other", kT)})), &what),
            "again ValueError");
  EXPECT_NE(what.find("t3_abc"), std::string::npos) << what;
  EXPECT_EQ(failures("parse"), 3);
  EXPECT_EQ(failures("not_found"), 2);
  EXPECT_EQ(store->submissions().count().value(), 0U);
  EXPECT_EQ(fetch_of(text(comments_text({submission_data("abc", kT)}))), "stored");
}

TEST_F(RedditTasksTest, TheRetriesAreThoseOfThePolicy) {
  use(server.options());
  const auto& retry = tasks->find("reddit.fetch_submission")->options.retry;

  EXPECT_EQ(retry.max_retries, 5);
  EXPECT_EQ(retry.first_delay, std::chrono::seconds{2});
  EXPECT_EQ(tasks->queues(), std::vector{QueueName{"reddit"}});
}

TEST_F(RedditTasksTest, KnownSeriesExistBeforeTheFirstRun) {
  init_reddit_metrics(metrics);

  const std::string before = metrics.text();

  for (const char* reason :
       {"timeout", "network", "http_4xx", "http_5xx", "rate_limited", "parse", "store", "redirect",
        "forbidden", "not_found", "private", "banned", "quarantined"}) {
    EXPECT_NE(
        before.find("submission_fetch_failures_total{reason=\"" + std::string{reason} + "\"} 0"),
        std::string::npos)
        << reason;
  }
  EXPECT_NE(before.find("submission_fetch_time_count{source=\"api\"} 0"), std::string::npos);
}

// Against the recordings.

class RedditReplay : public RedditTaskTest {
 protected:
  void SetUp() override {
    // The recordings are Reddit's and no part of the repository; UMBEL_RECORDINGS names their
    // folder.
    if (!have_recordings()) GTEST_SKIP() << "no recordings of Reddit's answers in " << recordings();
    RedditTaskTest::SetUp();
    const auto listing = json::parse(recording("askreddit_new_1.json"));
    for (const auto& child : listing.at("data").at("children").as_array()) {
      const auto& data = child.at("data").as_object();
      recorded.emplace(data.at("id").as_string(), data);
    }
  }
  std::map<std::string, json::object> recorded;  // by id
};

void expect_same(const json::object& data, const Submission& stored) {
  const auto string = [&](const char* key) { return std::string{data.at(key).as_string()}; };
  const auto optional = [&](const char* key) {
    return data.at(key).is_null() ? std::nullopt : std::optional{string(key)};
  };
  EXPECT_EQ(stored.fullname, string("name"));
  EXPECT_EQ(stored.subreddit, string("subreddit"));
  EXPECT_EQ(stored.author, string("author"));
  EXPECT_EQ(stored.title, string("title"));
  EXPECT_EQ(stored.selftext, string("selftext"));
  EXPECT_EQ(stored.url, string("url"));
  EXPECT_EQ(stored.permalink, string("permalink"));
  EXPECT_EQ(stored.domain, string("domain"));
  EXPECT_EQ(stored.score, data.at("score").to_number<std::int64_t>());
  EXPECT_EQ(stored.num_comments, data.at("num_comments").to_number<std::int64_t>());
  EXPECT_EQ(stored.upvote_ratio, std::nullopt);
  EXPECT_DOUBLE_EQ(to_unix_seconds(stored.created), data.at("created_utc").to_number<double>());
  if (data.at("edited").is_bool()) {
    EXPECT_EQ(stored.edited, std::nullopt);
  } else {
    EXPECT_DOUBLE_EQ(to_unix_seconds(stored.edited.value_or(WallTime{})),
                     data.at("edited").to_number<double>());
  }
  EXPECT_EQ(stored.is_self, data.at("is_self").as_bool());
  EXPECT_EQ(stored.over_18, data.at("over_18").as_bool());
  EXPECT_EQ(stored.stickied, data.at("stickied").as_bool());
  EXPECT_EQ(stored.locked, data.at("locked").as_bool());
  EXPECT_EQ(stored.link_flair_text, optional("link_flair_text"));
  EXPECT_EQ(stored.thumbnail, optional("thumbnail"));
  EXPECT_EQ(stored.source, "api");
  EXPECT_FALSE(stored.simulated);
}

TEST_F(RedditReplay, EveryFieldOfAHundredRecordedSubmissionsIsStored) {
  ScriptedReddit server{[this](const http::Request& request) {
    if (request.path == "/r/askreddit/new") return text(recording("askreddit_new_1.json"));
    const std::string id = request.path.substr(10, request.path.size() - 11);  // /comments/<id>/
    if (!recorded.contains(id)) return http::json_response("{}", 404);
    return text(comments_text({recorded.at(id)}));
  }};
  use(server.options());
  auto bare = context();

  const auto result = discover("askreddit", bare);
  fetch_all(bare);

  EXPECT_EQ(result.at("new").to_number<int>(), 100);
  ASSERT_EQ(recorded.size(), 100U);
  EXPECT_EQ(store->submissions().count().value(), 100U);
  for (const auto& [id, data] : recorded) {
    SCOPED_TRACE(id);
    const auto stored = store->submissions().find("t3_" + id);
    ASSERT_TRUE(stored.has_value()) << stored.error().what;
    expect_same(data, *stored);
    EXPECT_EQ(stored->fetched, clock.wall());
  }
  EXPECT_EQ(metrics.counter(metrics::kSubmissionsFetched, {"askreddit", "api"}).Value(), 100);
}

}  // namespace
}  // namespace umbel::reddit
