#include "umbel/results_rpc/rpc_results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using ::testing::HasSubstr;

class RpcResults : public ::testing::Test {
 protected:
  std::vector<Message> answers(const std::string& queue) {
    const auto consumer = broker->consume({{QueueName{queue}}, 100, "the caller"}).value();
    std::vector<Message> messages;
    for (auto& one : consumer->next(100, std::chrono::milliseconds{0}, {}).value()) {
      messages.push_back(std::move(one.message));
    }
    return messages;
  }

  umbel::testing::TempDir dir;
  SystemClock clock;
  std::unique_ptr<Broker> broker =
      open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value();
  std::unique_ptr<CallerResults> results = make_rpc_results(*broker);
};

TEST_F(RpcResults, AnswersEachStateToTheQueueThatCameWithTheMessage) {
  const QueueName queue{"c7d2"};
  ASSERT_TRUE(broker->declare({&queue, 1}));
  CallerResult started;
  started.id = TaskId{"bbd02cb7"};
  started.state = TaskState::Started;
  started.result = R"({"pid": 7, "hostname": "w1@test"})";
  started.reply_to = "c7d2";
  auto done = started;
  done.state = TaskState::Success;
  done.result = "11";
  done.done = from_micros(1);
  const std::vector<CallerResult> both{started, done};

  ASSERT_TRUE(results->tell(both));

  const auto sent = answers("c7d2");
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].content_type, "application/json");
  EXPECT_EQ(sent[0].content_encoding, "utf-8");
  EXPECT_EQ(sent[0].correlation_id, "bbd02cb7");
  EXPECT_THAT(sent[0].body, HasSubstr(R"("status": "STARTED")"));
  EXPECT_EQ(sent[1].body,
            R"({"task_id": "bbd02cb7", "status": "SUCCESS", "result": 11, "traceback": null, )"
            R"("children": []})");
}

TEST_F(RpcResults, ManyAreToldInTheirOrder) {
  const std::vector<QueueName> queues{QueueName{"odd"}, QueueName{"even"}};
  ASSERT_TRUE(broker->declare(queues));
  std::vector<CallerResult> all;
  for (int i = 0; i < 1100; ++i) {
    CallerResult result;
    result.id = TaskId{std::to_string(i)};
    result.state = TaskState::Success;
    result.result = "1";
    result.reply_to = i % 3 == 0 ? "" : i % 2 == 0 ? "even" : "odd";
    all.push_back(std::move(result));
  }

  ASSERT_TRUE(results->tell(all));

  for (const int rest : {0, 1}) {
    const auto name = rest == 0 ? "even" : "odd";
    const auto consumer = broker->consume({{QueueName{name}}, 2000, "the caller"}).value();
    std::vector<std::string> told;
    for (const auto& one : consumer->next(2000, std::chrono::milliseconds{0}, {}).value()) {
      told.push_back(one.message.correlation_id);
    }
    std::vector<std::string> expected;
    for (int i = 0; i < 1100; ++i) {
      if (i % 3 != 0 && i % 2 == rest) expected.push_back(std::to_string(i));
    }
    EXPECT_EQ(told, expected) << name;
  }
}

TEST_F(RpcResults, TellsNobodyWhereNobodyWaits) {
  CallerResult alone;
  alone.id = TaskId{"a"};
  auto gone = alone;
  gone.reply_to = "a queue that is gone";
  const std::vector<CallerResult> both{alone, gone};

  ASSERT_TRUE(results->tell(both));

  EXPECT_TRUE(broker->queues().value().empty());
}

TEST_F(RpcResults, KeepsNothingAndCountsNoChords) {
  EXPECT_EQ(results->find(TaskId{"a"}).error().code, Errc::NotFound);
  EXPECT_FALSE(results->counts_chords());
  EXPECT_EQ(results->chord_part({}).error().code, Errc::Invalid);
  EXPECT_TRUE(results->ping());
}

}  // namespace
}  // namespace umbel
