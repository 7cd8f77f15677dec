// `umbel inspect`, `control`, `status` and `forget`, against workers that are played by the test.
#include "umbel/cli/remote.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/cli/forget.hpp"
#include "umbel/testing/forwarding_broker.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {
namespace {

using ::testing::HasSubstr;

std::string arguments_of(const std::vector<std::string>& words) {
  const auto call = remote_call(words);
  EXPECT_TRUE(call) << call.error().what;
  return call ? call->request.method + " " + celery::to_json(call->request.arguments) : "";
}

TEST(RemoteCall, TakesWordsAsCeleryDoes) {
  EXPECT_EQ(arguments_of({"inspect", "ping"}), "ping {}");
  EXPECT_EQ(arguments_of({"inspect", "query_task", "a", "b"}), R"(query_task {"ids": ["a", "b"]})");
  EXPECT_EQ(arguments_of({"inspect", "registered"}), R"(registered {"taskinfoitems": []})");
  EXPECT_EQ(arguments_of({"inspect", "conf", "yes"}), R"(conf {"with_defaults": true})");
  EXPECT_EQ(arguments_of({"control", "revoke", "x"}), R"(revoke {"task_id": ["x"]})");
  EXPECT_EQ(arguments_of({"control", "terminate", "KILL", "x"}),
            R"(terminate {"signal": "KILL", "task_id": ["x"]})");
  EXPECT_EQ(arguments_of({"control", "rate_limit", "t", "10/m"}),
            R"(rate_limit {"task_name": "t", "rate_limit": "10/m"})");
  EXPECT_EQ(arguments_of({"control", "time_limit", "t", "1.5", "3"}),
            R"(time_limit {"task_name": "t", "soft": 1.5, "hard": 3.0})");
  EXPECT_EQ(arguments_of({"control", "pool_grow", "2"}), R"(pool_grow {"n": 2})");
  EXPECT_EQ(arguments_of({"control", "pool_grow"}), "pool_grow {}");
  EXPECT_EQ(arguments_of({"control", "autoscale", "4", "2"}), R"(autoscale {"max": 4, "min": 2})");
  EXPECT_EQ(arguments_of({"status"}), "ping {}");
  EXPECT_FALSE(remote_call({"control", "shutdown"}).value().answered);
}

TEST(RemoteCall, SaysWhatIsWrong) {
  const auto wrong = [](const std::vector<std::string>& words) {
    const auto call = remote_call(words);
    return call ? std::string{"no error"} : call.error().what;
  };
  EXPECT_THAT(wrong({"inspect", "nosuch"}), HasSubstr("allowed: active,"));
  EXPECT_THAT(wrong({"inspect"}), HasSubstr("allowed: active,"));
  EXPECT_THAT(wrong({"inspect", "revoke", "x"}), HasSubstr("allowed: active,"));
  EXPECT_THAT(wrong({"control", "pool_grow", "many"}), HasSubstr("whole number"));
  EXPECT_THAT(wrong({"control", "time_limit", "t", "soon"}), HasSubstr("no number"));
  EXPECT_THAT(wrong({"inspect", "ping", "twice"}), HasSubstr("takes nothing"));
  EXPECT_THAT(wrong({"inspect", "conf", "perhaps"}), HasSubstr("neither"));
  EXPECT_THAT(wrong({"status", "more"}), HasSubstr("allowed"));
  EXPECT_THAT(wrong({"inspect"}), HasSubstr("needs a METHOD"));
  // What a worker could only answer with an error, or what would do nothing at all.
  EXPECT_THAT(wrong({"control", "rate_limit"}), HasSubstr("takes task_name rate_limit"));
  EXPECT_THAT(wrong({"control", "rate_limit", "add"}), HasSubstr("takes task_name rate_limit"));
  EXPECT_THAT(wrong({"control", "time_limit", "add"}), HasSubstr("takes task_name soft [hard]"));
  EXPECT_THAT(wrong({"control", "terminate", "abc"}), HasSubstr("takes signal task_id…"));
  EXPECT_THAT(wrong({"control", "add_consumer"}), HasSubstr("takes queue [exchange]"));
  EXPECT_THAT(wrong({"control", "cancel_consumer"}), HasSubstr("takes queue"));
  for (const auto* const method : {"revoke", "revoke_by_stamped_headers"}) {
    EXPECT_THAT(wrong({"control", method}), HasSubstr("too little")) << method;
  }
  EXPECT_THAT(wrong({"inspect", "query_task"}), HasSubstr("takes ids…"));
}

class RemoteTest : public ::testing::Test {
 protected:
  // Answers what this node is asked until the test ends.
  std::jthread play(const std::string& node, const std::string& value) {
    auto inbox = broker->control_inbox(node).value();
    return std::jthread{[this, node, value,
                         inbox = std::shared_ptr{std::move(inbox)}](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        const auto messages = inbox->next(10, std::chrono::milliseconds{50}, stop);
        if (!messages) continue;
        for (const auto& message : *messages) {
          const auto request = celery::decode_control_request(message).value();
          if (!request.reply_to) continue;
          const ReplyAddress to{request.reply_to->exchange, request.reply_to->routing_key};
          EXPECT_TRUE(broker->reply(
              to, celery::encode_control_reply(
                      {node, celery::parse_json(value).value(), request.ticket, std::nullopt})));
        }
      }
    }};
  }
  int run(const std::vector<std::string>& words, RemoteOptions options) {
    return run_remote(*broker, remote_call(words).value(), options, out, err);
  }

  TempDir dir;
  SystemClock clock;
  std::unique_ptr<Broker> broker =
      open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value();
  std::ostringstream out, err;
};

TEST_F(RemoteTest, ShowsWhatTheWorkersAnswer) {
  const auto one = play("w1@test", R"({"ok": "pong"})");
  const auto two = play("w2@test", R"J({"error": "KeyError('x')"})J");
  RemoteOptions options;
  options.destination = {"w1@test", "w2@test"};
  options.timeout = std::chrono::seconds{20};
  EXPECT_EQ(run({"inspect", "ping"}, options), 0);
  EXPECT_EQ(out.str(),
            "->  w1@test: OK\n        pong\n->  w2@test: ERROR\n        KeyError('x')\n\n"
            "2 nodes online.\n");
}

TEST_F(RemoteTest, ShowsJsonAndStatus) {
  const auto one = play("w1@test", R"(["a", "b"])");
  RemoteOptions options;
  options.destination = {"w1@test"};
  options.timeout = std::chrono::seconds{20};
  EXPECT_EQ(run({"status"}, options), 0);
  options.json = true;
  EXPECT_EQ(run({"inspect", "registered"}, options), 0);
  EXPECT_EQ(out.str(), "->  w1@test: OK\n\n1 node online.\n{\"w1@test\": [\"a\", \"b\"]}\n");
}

TEST_F(RemoteTest, SaysThatNobodyAnswered) {
  RemoteOptions options;
  options.timeout = std::chrono::milliseconds{1};
  EXPECT_EQ(run({"status"}, options), kNobodyAnswered);
  EXPECT_THAT(err.str(), HasSubstr("no worker answered within 1 ms"));
}

TEST_F(RemoteTest, WaitsForNoAnswerToAShutdown) {
  const auto inbox = broker->control_inbox("w1@test").value();
  EXPECT_EQ(run({"control", "shutdown"}, {}), 0);
  const auto messages = inbox->next(10, std::chrono::seconds{20}, {}).value();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(celery::decode_control_request(messages[0]).value().method, "shutdown");
}

// Keeps something for one subscriber, or says why it does not delete it.
class Keeping : public ForwardingBroker {
 public:
  Keeping(Broker& real, Result<std::uint64_t> answer)
      : ForwardingBroker{real}, answer_{std::move(answer)} {}
  Result<std::uint64_t> forget_subscriber(const std::string& name) override {
    EXPECT_EQ(name, "old");
    return answer_;
  }

 private:
  Result<std::uint64_t> answer_;
};

TEST_F(RemoteTest, ForgetsARetiredCollectorAndRefusesWhileItReads) {
  const auto forget = [this](Result<std::uint64_t> answer) {
    Keeping keeping{*broker, std::move(answer)};
    out.str("");
    err.str("");
    return run_forget(keeping, "old", out, err);
  };
  EXPECT_EQ(forget(std::uint64_t{7}), 0);
  EXPECT_THAT(out.str(), HasSubstr("`old`"));
  EXPECT_THAT(out.str(), HasSubstr("7 batches"));
  EXPECT_EQ(forget(not_found("no queue")), 0);
  EXPECT_THAT(out.str(), HasSubstr("Nothing was kept"));
  EXPECT_EQ(forget(Error{Errc::Conflict, "in use"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("stop that collector first"));
  EXPECT_EQ(forget(unavailable("no server")), 1);
  EXPECT_THAT(err.str(), HasSubstr("no server"));
  // The embedded broker keeps nothing for anybody in particular.
  EXPECT_EQ(run_forget(*broker, "old", out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("nothing to be deleted"));
}

TEST(ShownReplies, ListsOneBelowTheOther) {
  EXPECT_EQ(
      shown_replies({{"w", celery::parse_json(R"J(["a", {"b": 1}])J").value()}}, false, false),
      "->  w: OK\n        * a\n        * {\"b\": 1}\n\n1 node online.\n");
  EXPECT_THAT(shown_replies({{"w", boost::json::array{}}}, false, false), HasSubstr("- empty -"));
  EXPECT_EQ(shown_replies({{"w", nullptr}}, false, false), "->  w: OK\n\n1 node online.\n");
}

}  // namespace
}  // namespace umbel::testing
