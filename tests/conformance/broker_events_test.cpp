#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "broker_under_test.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BrokerEvents : public BrokerConformance {
 protected:
  static void send(Broker& broker, const std::string& body) {
    if (const auto sent = broker.publish_events(body, {}); !sent) {
      throw std::runtime_error{sent.error().what};
    }
  }
  static std::unique_ptr<EventSubscription> subscribe(
      Broker& broker, const std::string& name, std::optional<EventOffset> after = std::nullopt) {
    auto made = broker.subscribe({.name = name, .after = after});
    if (!made) throw std::runtime_error{made.error().what};
    return std::move(*made);
  }
  static std::vector<EventBatch> read(EventSubscription& from, std::size_t max = 100,
                                      std::chrono::milliseconds limit = kAtOnce) {
    auto batches = from.next(max, limit, {});
    if (!batches) throw std::runtime_error{batches.error().what};
    return std::move(*batches);
  }
  // Waits until there are `count`; fewer when it took too long.
  static std::vector<EventBatch> read_all(EventSubscription& from, std::size_t count) {
    std::vector<EventBatch> all;
    while (all.size() < count) {
      auto some = read(from, count - all.size(), kLong);
      if (some.empty()) break;
      std::ranges::move(some, std::back_inserter(all));
    }
    return all;
  }
  static std::vector<std::string> texts(const std::vector<EventBatch>& batches) {
    std::vector<std::string> all;
    for (const auto& batch : batches) all.push_back(batch.body);
    return all;
  }
  static std::vector<EventOffset> offsets(const std::vector<EventBatch>& batches) {
    std::vector<EventOffset> all;
    for (const auto& batch : batches) all.push_back(batch.offset);
    return all;
  }
};
UMBEL_INSTANTIATE_BROKER_SUITE(BrokerEvents);

TEST_P(BrokerEvents, ComeInOrderNumberedWithoutHoles) {
  const auto broker = open();
  const auto subscription = subscribe(*broker, "c1");
  const auto before = on_wire(clock.wall());
  send(*broker, "[1]");
  send(*broker, "[2]");
  send(*broker, "[3]");
  const auto first = read_all(*subscription, 2);
  EXPECT_THAT(texts(first), ElementsAre("[1]", "[2]"));
  const auto rest = read_all(*subscription, 1);
  ASSERT_THAT(texts(rest), ElementsAre("[3]"));
  EXPECT_EQ(first[1].offset, first[0].offset + 1);
  EXPECT_EQ(rest[0].offset, first[1].offset + 1);
  EXPECT_GE(first[0].published, before);
  EXPECT_LE(rest[0].published, clock.wall());
  EXPECT_THAT(read(*subscription, 9, quiet()), IsEmpty());
}

TEST_P(BrokerEvents, ANewSubscriberBeginsWithWhatTheStreamStillHolds) {
  const auto broker = open();
  send(*broker, "[1]");
  const auto subscription = subscribe(*broker, "late");
  send(*broker, "[2]");
  if (traits().keeps_early_events) {
    EXPECT_THAT(texts(read_all(*subscription, 2)), ElementsAre("[1]", "[2]"));
  } else {
    EXPECT_THAT(texts(read_all(*subscription, 1)), ElementsAre("[2]"));
  }
}

TEST_P(BrokerEvents, AreBytes) {
  const auto broker = open();
  const auto subscription = subscribe(*broker, "c1");
  const std::string body{"[\"\xc3\xbc \0 \xff\"]", 9};
  send(*broker, body);
  EXPECT_THAT(texts(read_all(*subscription, 1)), ElementsAre(body));
}

TEST_P(BrokerEvents, ReadingGoesOnBehindTheCommittedOffset) {
  EventOffset first = 0;
  {
    const auto broker = open();
    const auto subscription = subscribe(*broker, "c1");
    for (const auto* body : {"[1]", "[2]", "[3]"}) send(*broker, body);
    const auto batches = read_all(*subscription, 3);
    ASSERT_EQ(batches.size(), 3U);
    first = batches[0].offset;
    ASSERT_TRUE(subscription->commit(first));
  }
  const auto broker = open();
  const auto subscription = subscribe(*broker, "c1");
  if (traits().numbered_stream) {
    EXPECT_EQ(subscription->figures()->committed, first);
  }
  EXPECT_THAT(texts(read_all(*subscription, 2)), ElementsAre("[2]", "[3]"));
}

TEST_P(BrokerEvents, AnOffsetOfItsOwnBeatsTheCommittedOne) {
  if (!traits().numbered_stream) GTEST_SKIP() << "its offsets are of one subscription each";
  const auto broker = open();
  std::vector<EventBatch> batches;
  {
    const auto subscription = subscribe(*broker, "c1");
    for (const auto* body : {"[1]", "[2]", "[3]"}) send(*broker, body);
    batches = read_all(*subscription, 3);
    ASSERT_EQ(batches.size(), 3U);
  }
  {
    const auto back = subscribe(*broker, "c1", batches[0].offset);
    EXPECT_THAT(texts(read_all(*back, 2)), ElementsAre("[2]", "[3]"));
  }
  const auto ahead = subscribe(*broker, "c1", batches[1].offset);
  EXPECT_THAT(texts(read_all(*ahead, 1)), ElementsAre("[3]"));
}

TEST_P(BrokerEvents, NumbersGoOnBehindTheSubscribersOwnAndNothingUncommittedIsLost) {
  if (traits().numbered_stream) GTEST_SKIP() << "its offsets are the stream's";
  const auto broker = open();
  EventOffset last = 0;
  {
    const auto subscription = subscribe(*broker, "c1");
    for (const auto* body : {"[1]", "[2]", "[3]"}) send(*broker, body);
    const auto batches = read_all(*subscription, 3);
    ASSERT_EQ(batches.size(), 3U);
    ASSERT_TRUE(subscription->commit(batches[0].offset));
    last = batches[2].offset;
  }
  send(*broker, "[4]");
  const auto again = subscribe(*broker, "c1", last);
  const auto batches = read_all(*again, 3);
  EXPECT_THAT(texts(batches), ElementsAre("[2]", "[3]", "[4]"));
  EXPECT_THAT(offsets(batches), ElementsAre(last + 1, last + 2, last + 3));
}

TEST_P(BrokerEvents, TwoSubscribersReadEachForItself) {
  const auto broker = open();
  const auto one = subscribe(*broker, "one");
  const auto two = subscribe(*broker, "two");
  send(*broker, "[1]");
  send(*broker, "[2]");
  const auto read_by_one = read_all(*one, 2);
  ASSERT_EQ(read_by_one.size(), 2U);
  ASSERT_TRUE(one->commit(read_by_one[1].offset));
  EXPECT_EQ(one->figures()->committed, read_by_one[1].offset);
  EXPECT_TRUE(eventually([&] {
    const auto figures = two->figures();
    return figures && figures->last == figures->committed + 2;
  }));
  EXPECT_THAT(texts(read_all(*two, 2)), ElementsAre("[1]", "[2]"));
}

TEST_P(BrokerEvents, CommittingWhatWasNotReadIsRefused) {
  const auto broker = open();
  const auto subscription = subscribe(*broker, "c1");
  send(*broker, "[1]");
  send(*broker, "[2]");
  const auto first = read_all(*subscription, 1);
  ASSERT_EQ(first.size(), 1U);
  const auto refused = subscription->commit(first[0].offset + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_TRUE(subscription->commit(first[0].offset));
  EXPECT_EQ(read_all(*subscription, 1).size(), 1U);
  EXPECT_TRUE(subscription->commit(first[0].offset + 1));
}

TEST_P(BrokerEvents, OffsetsRiseOverRestartsAlsoWhenAllIsDoneWith) {
  EventOffset last = 0;
  for (int round = 0; round < 3; ++round) {
    auto with = setup();
    with.lease = std::chrono::milliseconds{100};  // housekeeping comes by soon
    const auto broker = open(with);
    const auto after = traits().numbered_stream || round == 0 ? std::nullopt : std::optional{last};
    const auto subscription = subscribe(*broker, "c1", after);
    send(*broker, "[]");
    const auto batches = read_all(*subscription, 1);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_EQ(batches[0].offset, last + 1);
    last = batches[0].offset;
    ASSERT_TRUE(subscription->commit(last));
    EXPECT_EQ(subscription->figures()->last, last);
  }
}

TEST_P(BrokerEvents, TheBoundCutsTheOldestAndLeavesAVisibleHole) {
  if (!traits().numbered_stream) GTEST_SKIP() << "what its server cuts off leaves no hole";
  auto with = setup();
  with.max_event_bytes = 10'000;
  const auto broker = open(with);
  const auto subscription = subscribe(*broker, "slow");
  const std::string body = "[" + std::string(998, ' ') + "]";
  send(*broker, body);
  const auto first = read(*subscription);
  ASSERT_EQ(first.size(), 1U);
  for (int i = 0; i < 20; ++i) send(*broker, body);
  const auto rest = read(*subscription);
  ASSERT_EQ(rest.size(), 10U);
  EXPECT_EQ(rest.front().offset, first[0].offset + 11);
  EXPECT_EQ(rest.back().offset, first[0].offset + 20);
  EXPECT_EQ(subscription->figures()->last, rest.back().offset);

  const auto too_large = broker->publish_events(std::string(10'001, ' '), {});
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Errc::Invalid);
}

TEST_P(BrokerEvents, WakeAWaitingSubscriberOfAnotherProcess) {
  const auto here = open();
  const auto there = open();
  const auto subscription = subscribe(*here, "c1");
  std::vector<EventBatch> batches;
  std::jthread waiting{[&] { batches = read(*subscription, 9, kLong); }};
  send(*there, "[1]");
  waiting.join();
  EXPECT_THAT(texts(batches), ElementsAre("[1]"));
}

TEST_P(BrokerEvents, AStopTokenEndsAWait) {
  const auto broker = open();
  const auto subscription = subscribe(*broker, "c1");
  const auto begin = Steady::now();
  std::jthread waiting{[&](const std::stop_token& stop) {
    const auto batches = subscription->next(1, std::chrono::hours{1}, stop);
    EXPECT_TRUE(batches && batches->empty());
  }};
  waiting.request_stop();
  waiting.join();
  EXPECT_LT(Steady::now() - begin, kLong);
}

TEST_P(BrokerEvents, ManyPublishersMakeOneStream) {
  constexpr std::size_t kBatches = 50;
  const auto reader = open();
  const auto subscription = subscribe(*reader, "c1");
  std::vector<EventOffset> seen;
  {
    std::vector<std::jthread> publishers;
    for (int i = 0; i < 3; ++i) {
      publishers.emplace_back([this] {
        const auto broker = open();
        for (std::size_t n = 0; n < kBatches; ++n) send(*broker, "[]");
      });
    }
    while (seen.size() < 3 * kBatches) {
      const auto batches = read(*subscription, 7, kLong);
      ASSERT_FALSE(batches.empty());
      for (const auto offset : offsets(batches)) {
        if (!seen.empty()) {
          ASSERT_EQ(offset, seen.back() + 1);
        }
        seen.push_back(offset);
      }
      ASSERT_TRUE(subscription->commit(seen.back()));
    }
  }
  EXPECT_EQ(seen.size(), 3 * kBatches);
}

TEST_P(BrokerEvents, OfWorkersCanBeHeardAlone) {
  const auto broker = open();
  const auto listening = broker->worker_events();
  if (!traits().has_exchanges) {
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().code, Errc::Invalid);
    return;
  }
  ASSERT_TRUE(listening) << listening.error().what;
  const auto other = open();
  const auto tell = [&](const char* body, const char* key) {
    ASSERT_TRUE(other->publish_events(body, {.key = key, .node = "w1@here"}));
  };
  tell("[1]", "task.multi");
  tell("{\"n\": 2}", "worker.heartbeat");
  tell("{\"n\": 3}", "worker.offline");
  std::vector<std::string> heard;
  while (heard.size() < 2) {
    const auto some = (*listening)->next(10, kLong, {});
    ASSERT_TRUE(some) << some.error().what;
    ASSERT_FALSE(some->empty());
    heard.insert(heard.end(), some->begin(), some->end());
  }
  EXPECT_EQ(heard, (std::vector<std::string>{"{\"n\": 2}", "{\"n\": 3}"}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE((*listening)->next(10, kLong, stop.get_token())->empty());
}

TEST_P(BrokerEvents, ASubscriberNeedsAName) {
  const auto broker = open();
  const auto refused = broker->subscribe({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
}

}  // namespace
}  // namespace umbel::testing
