// Asking workers over the embedded broker, answered by scripted ones.
#include "control_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_worker.hpp"
#include "test_engines.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ControlClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<ControlClient> client(ControlOptions options = {.limit = seconds{5}}) {
    auto made = std::make_unique<ControlClient>(*engines.broker, engines.clock, metrics,
                                                Log::none(), options);
    made->start();
    return made;
  }

  TestEngines engines;
  metrics::Metrics metrics{"collector"};
};

TEST_F(ControlClientTest, AnAnswerOfEachThatWasAskedEndsTheWait) {
  FakeWorker one{*engines.broker, "w1@a"}, two{*engines.broker, "w2@a"},
      three{*engines.broker, "w3@a"};
  for (auto* worker : {&one, &two, &three}) worker->answers("ping", json::object{{"ok", "pong"}});
  const auto control = client({.limit = std::chrono::minutes{5}});

  const auto answers = control->ask({"ping", {}, {"w1@a", "w2@a"}});

  ASSERT_TRUE(answers) << answers.error().what;
  EXPECT_EQ(answers->by_node.size(), 2U);
  EXPECT_EQ(answers->by_node.at("w1@a"), (json::value{{"ok", "pong"}}));
  EXPECT_TRUE(answers->silent.empty());
  EXPECT_TRUE(three.asked("ping").empty());
}

TEST_F(ControlClientTest, WhoDoesNotAnswerIsNamedAndNobodyIsNoSuccess) {
  FakeWorker one{*engines.broker, "w1@a"}, mute{*engines.broker, "w2@a"};
  one.answers("ping", json::object{{"ok", "pong"}});
  const auto control = client({.limit = milliseconds{300}});

  const auto some = control->ask({"ping", {}, {"w1@a", "w2@a"}});
  ASSERT_TRUE(some) << some.error().what;
  EXPECT_THAT(some->silent, ElementsAre("w2@a"));

  const auto none = control->ask({"ping", {}, {"w2@a"}});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::TimedOut);
  EXPECT_EQ(none.error().what, "w2@a did not answer `ping` within 300 ms");
  EXPECT_EQ(mute.asked("ping").size(), 2U) << "it heard";

  const auto nobody = control->ask({"nosuch", {}, {}});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().what, "no worker answered `nosuch` within 300 ms");
  EXPECT_THAT(metrics.text(), HasSubstr("umbel_control_questions_total{outcome=\"silent\"} 2"));
}

TEST_F(ControlClientTest, ManyWhoAskAtOnceShareABoxAndGetTheirOwnAnswers) {
  FakeWorker worker{*engines.broker, "w1@a"};
  worker.answers("echo", [](const json::object& arguments) {
    return std::optional<json::value>{arguments.at("n")};
  });
  const auto control = client({.limit = seconds{30}});
  std::vector<std::jthread> askers;
  std::atomic<int> right = 0;
  for (int n = 0; n < 20; ++n) {
    askers.emplace_back([&, n] {
      const auto answers = control->ask({"echo", {{"n", n}}, {"w1@a"}});
      if (answers && answers->by_node.at("w1@a") == json::value(n)) ++right;
    });
  }
  askers.clear();
  EXPECT_EQ(right, 20);
}

TEST_F(ControlClientTest, OfTooManyQuestionsTheLastIsRefusedAndAStopEndsAll) {
  FakeWorker mute{*engines.broker, "w1@a"};
  const auto control = client({.limit = std::chrono::minutes{5}, .most_questions = 1});
  std::optional<Result<ControlAnswers>> first;
  std::jthread asker{[&] { first = control->ask({"ping", {}, {"w1@a"}}); }};
  ASSERT_TRUE(testing::eventually([&] { return !mute.asked("ping").empty(); }));

  const auto second = control->ask({"ping", {}, {"w1@a"}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::Unavailable);
  EXPECT_THAT(second.error().what, HasSubstr("at most 1 may be"));

  control->stop();
  asker.join();
  ASSERT_FALSE(*first);
  EXPECT_EQ(first->error().code, Errc::Unavailable);
}

TEST_F(ControlClientTest, AnAnswerThatIsTooLargeIsSaidToBeAndSoAreBareInfinities) {
  FakeWorker worker{*engines.broker, "w1@a"};
  worker.answers("conf", json::object{{"retries", std::numeric_limits<double>::infinity()}});
  worker.answers("memdump", json::value(std::string(5000, 'x')));
  const auto control = client({.limit = seconds{10}, .most_bytes = 1000});

  const auto conf = control->ask({"conf", {}, {"w1@a"}});
  ASSERT_TRUE(conf) << conf.error().what;
  EXPECT_TRUE(std::isinf(conf->by_node.at("w1@a").at("retries").as_double()));
  const auto dump = control->ask({"memdump", {}, {"w1@a"}});
  ASSERT_TRUE(dump);
  EXPECT_THAT(std::string{dump->by_node.at("w1@a").at("error").as_string()},
              HasSubstr("at most 1000 are taken"));
}

}  // namespace
}  // namespace umbel::collector
