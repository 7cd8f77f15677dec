// /api/system and /api/submissions.
#include "system.hpp"

#include <gtest/gtest.h>

#include "http_session.hpp"
#include "submissions_api.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::eventually;

constexpr WallTime kNoon = from_micros(1'795'348'800'000'000);

Submission fetched(const std::string& subreddit, WallTime at, std::int64_t score) {
  Submission made;
  made.fullname = "t3_" + std::to_string(score);
  made.subreddit = subreddit;
  made.score = score;
  made.num_comments = score / 2;
  made.created = at - minutes{10};
  made.fetched = at;
  made.simulated = true;
  return made;
}

TEST(SubmissionsAnswer, TellsOfEachSubredditWithinTheWindow) {
  std::vector<Submission> latest;
  for (int i = 0; i < 100; ++i) latest.push_back(fetched("cpp", kNoon - seconds{i}, i));
  latest.push_back(fetched("rust", kNoon - minutes{2}, 7));
  latest.push_back(fetched("old", kNoon - hours{2}, 7));
  NameWindow window;
  window.known = 300;
  window.counts.succeeded = 101;
  window.counts.failed = 2;
  window.run.add(std::chrono::milliseconds{80});
  Fetches fetches;
  fetches.failed = {{"cpp", 2}, {"gone", 1}};
  fetches.phases = {{"dns", {0.1, 0.3, 0.2}}, {"store", {0.5}}};

  const json::object answer = submissions_answer(latest, window, fetches, 5, kNoon);

  const json::array& subreddits = answer.at("subreddits").as_array();
  ASSERT_EQ(subreddits.size(), 3U);
  EXPECT_EQ(subreddits[0].at("name"), "cpp");
  EXPECT_EQ(subreddits[0].at("failed"), 2);
  EXPECT_EQ(subreddits[1].at("name"), "gone") << "of which nothing could be fetched";
  EXPECT_EQ(subreddits[1].at("fetched"), 0);
  EXPECT_TRUE(subreddits[1].at("last_fetched").is_null());
  EXPECT_EQ(subreddits[0].at("fetched"), 100);
  EXPECT_EQ(subreddits[0].at("score"), (json::array{49, 94}));
  EXPECT_DOUBLE_EQ(subreddits[2].at("freshness").as_double(), 120);
  EXPECT_EQ(subreddits[2].at("failed"), 0);
  EXPECT_EQ(json::serialize(answer.at("fetch").at("phases")),
            json::serialize(json::parse(R"([{"phase": "dns", "p50": 0.2, "p95": 0.2},
                                            {"phase": "store", "p50": 0.5, "p95": 0.5}])")));
  std::uint64_t counted = 0;
  for (const json::value& bin : answer.at("distributions").at("score").as_array())
    counted += bin.at("count").to_number<std::uint64_t>();
  EXPECT_EQ(counted, 101U);
  EXPECT_EQ(answer.at("distributions").at("score").at(0), (json::object{{"le", 0}, {"count", 1}}));
  EXPECT_TRUE(answer.at("distributions").at("score").as_array().back().at("le").is_null());
  EXPECT_EQ(answer.at("distributions").at("age_at_fetch").at(2).at("count"), 101);
  EXPECT_EQ(answer.at("fetch").at("failed"), 2);
  EXPECT_NEAR(answer.at("fetch").at("p50").as_double(), 0.08, 0.004);
  EXPECT_EQ(answer.at("latest").as_array().size(), 100U);
  EXPECT_EQ(answer.at("source"), "simulated");
  EXPECT_EQ(answer.at("cut"), false);
}

TEST(SubmissionsAnswer, WhatWasNotLookedAtIsNotCalledZero) {
  Fetches fetches;
  fetches.whole = false;
  const auto answer =
      submissions_answer({fetched("cpp", kNoon - seconds{1}, 1)}, {}, fetches, 5, kNoon);
  EXPECT_TRUE(answer.at("subreddits").at(0).at("failed").is_null());
}

Event with_texts(Event event, const std::string& args, const std::string& result) {
  auto& task = std::get<TaskEvent>(event);
  if (!args.empty()) task.args = args;
  if (!result.empty()) task.result = result;
  return event;
}

TEST(FetchesTest, AreReadFromWhatTheTasksTell) {
  LiveState state{100, kNoon - hours{2}};
  const auto tell = [&](const Event& event) { (void)state.apply(event, kNoon); };
  const auto at = kNoon - minutes{1};
  const std::string link = "('https://www.reddit.com/r/CPP/comments/1a/x/',)";
  tell(with_texts(received("a", at, kFetchTask), link, ""));
  tell(with_texts(succeeded("a", at), "",
                  "{'fullname': 't3_1a', 'title': \"it's\", 'deleted': False, "
                  "'seconds': {'dns': 0.25, 'first_byte': 0.5}}"));
  tell(with_texts(received("b", at, kFetchTask), link, ""));
  tell(failed("b", at));
  tell(with_texts(received("c", at, kDiscoverTask), "('Rust',)", ""));
  tell(failed("c", at));
  tell(with_texts(received("d", at, "demo.add"), "('/r/other/',)", ""));
  tell(failed("d", at));
  tell(with_texts(received("e", at, kFetchTask), "('https://exa...", ""));
  tell(failed("e", at));
  tell(with_texts(received("f", kNoon - hours{1}, kFetchTask), link, ""));
  tell(failed("f", kNoon - hours{1}));

  const auto ended = ended_fetches(state, kNoon - minutes{5});
  EXPECT_EQ(ended.tasks.size(), 4U);
  const auto fetches = fetches_of(ended);

  using Failed = std::map<std::string, std::uint64_t>;
  EXPECT_TRUE(fetches.whole);
  EXPECT_EQ(fetches.failed, (Failed{{"cpp", 1}, {"rust", 1}}));
  ASSERT_EQ(fetches.phases.size(), 2U);
  EXPECT_EQ(fetches.phases[0].first, "dns");
  EXPECT_EQ(fetches.phases[1].second, std::vector<double>{0.5});
}

TEST(SubmissionsAnswer, WithoutAnyNothingIsMadeUp) {
  const json::object answer = submissions_answer({}, {}, {}, 60, kNoon);
  EXPECT_TRUE(answer.at("subreddits").as_array().empty());
  EXPECT_TRUE(answer.at("fetch").at("p50").is_null());
  EXPECT_TRUE(answer.at("fetch").at("failed").is_null());
  EXPECT_EQ(answer.at("source"), "none");
}

TEST(SubmissionsAnswer, SaysWhenThereWereMoreThanItLookedAt) {
  std::vector<Submission> latest(kLookedAtSubmissions, fetched("cpp", kNoon - seconds{1}, 1));
  EXPECT_EQ(submissions_answer(latest, {}, {}, 5, kNoon).at("cut"), true);
  latest.back().fetched = kNoon - hours{1};
  EXPECT_EQ(submissions_answer(latest, {}, {}, 5, kNoon).at("cut"), false);
}

TEST(ProcessFiguresTest, AreOfThisProcess) {
  const ProcessFigures process = process_figures();
  EXPECT_GT(process.memory_bytes.value_or(0), 1'000'000U);
  EXPECT_GE(process.threads.value_or(0), 1U);
  EXPECT_GE(process.descriptors.value_or(0), 3U);
}

class SystemOverHttp : public CollectorSession {};

TEST_F(SystemOverHttp, TellsOfTheHistoryTheEventsAndTheEngines) {
  CollectorOptions options;
  options.broker = "amqp://user:**@host";
  options.max_tasks = 1234;
  start(options);
  engines.publish({received("a", now()), started("a", now()), succeeded("a", now())});
  ASSERT_TRUE(eventually([&] {
    const json::value system = ask_json("/api/system");
    return system.at("events").at("total") == 3 && system.at("history").at("writer") == true &&
           !system.at("history").at("days").as_array().empty();
  }));

  const json::value system = ask_json("/api/system");

  EXPECT_GT(system.at("history").at("bytes").to_number<std::uint64_t>(), 1000U);
  EXPECT_EQ(system.at("history").at("oldest"), system.at("history").at("days").at(0).at("day"));
  EXPECT_EQ(system.at("history").at("retention_days"), 30);
  EXPECT_EQ(system.at("live").at("tasks"), 1);
  EXPECT_EQ(system.at("live").at("limit"), 1234);
  EXPECT_EQ(system.at("engines").at("broker"), "amqp://user:**@host");
  EXPECT_TRUE(system.at("engines").at("store").is_null());
  EXPECT_EQ(system.at("version"), "0.1.0");
  EXPECT_EQ(ask_json("/api/submissions").at("source"), "none");
  EXPECT_EQ(ask("/api/submissions?minutes=2").status, 400);
}

}  // namespace
}  // namespace umbel::collector
