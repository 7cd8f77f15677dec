#include <gmock/gmock.h>
#include <boost/json.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "broker_under_test.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Headers cross as values: an engine whose wire has typed tables may write their text otherwise.
void expect_same(Message is, Message expected) {
  const auto value = [](const std::string& text) {
    return boost::json::parse(text.empty() ? "{}" : text);
  };
  EXPECT_EQ(value(is.headers), value(expected.headers));
  is.headers = expected.headers;
  EXPECT_EQ(is, expected);
}

using BrokerQueue = BrokerConformance;
UMBEL_INSTANTIATE_BROKER_SUITE(BrokerQueue);

TEST_P(BrokerQueue, DeliversOldestFirst) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2")});
  publish(*broker, {a_message("3")});
  const auto consumer = consume(*broker);
  EXPECT_THAT(bodies(take_all(*consumer, 2)), ElementsAre("1", "2"));
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("3"));
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
}

TEST_P(BrokerQueue, DeliversLargerPriorityFirst) {
  const auto broker = open();
  const int top = traits().top_priority;
  publish(*broker, {a_message("low"), a_message("high", 5), a_message("top", top),
                    a_message("high too", 5), a_message("low too")});
  const auto consumer = consume(*broker);
  const auto taken = take_all(*consumer, 5);
  EXPECT_THAT(bodies(taken), ElementsAre("top", "high", "high too", "low", "low too"));
  EXPECT_EQ(taken.front().message.priority, top);
}

TEST_P(BrokerQueue, AConsumerOfTwoQueuesTakesFromBothByPriority) {
  const auto broker = open();
  publish(*broker, {a_message("a1", 1, "a"), a_message("b2", 2, "b"), a_message("a3", 3, "a")});
  const auto consumer = consume(*broker, 10, {"a", "b"});
  const auto taken = take_all(*consumer, 3);
  if (traits().pushes) {
    EXPECT_THAT(bodies(taken), UnorderedElementsAre("a3", "b2", "a1"));
  } else {
    EXPECT_THAT(bodies(taken), ElementsAre("a3", "b2", "a1"));
  }
  for (const auto& delivery : taken) {
    EXPECT_EQ(delivery.queue, QueueName{delivery.message.body.substr(0, 1)});
  }
}

TEST_P(BrokerQueue, CarriesEveryFieldByteForByte) {
  const auto broker = open();
  auto sent = a_message("");
  sent.message.body = std::string{"\0\xff\xfe body \0 with any bytes\n", 27};
  sent.message.headers = R"({"grüße": "日本語 🌼", "nested": {"a": [1, null]}})";
  sent.message.reply_to = "reply-queue";
  sent.message.priority = 7;
  sent.message.expires = on_wire(from_micros(1'795'350'738'123'456));
  auto bare = a_message("");
  bare.message = {};
  const auto before = on_wire(clock.wall());
  publish(*broker, {sent});
  publish(*broker, {bare});
  const auto consumer = consume(*broker, 1);
  std::vector<Delivery> taken;
  for (int i = 0; i < 2; ++i) {
    const auto one = take_all(*consumer, 1);
    ASSERT_EQ(one.size(), 1U);
    ack(*consumer, one);
    taken.push_back(one.front());
  }
  if (taken[0].message.body != sent.message.body)
    std::swap(taken[0], taken[1]);  // the priority's doing
  expect_same(taken[0].message, sent.message);
  expect_same(taken[1].message, bare.message);
  EXPECT_FALSE(taken[0].redelivered);
  EXPECT_GE(taken[0].published, before);
  EXPECT_LE(taken[0].published, clock.wall());
}

TEST_P(BrokerQueue, CarriesALargeBody) {
  const auto broker = open();
  std::string body(5'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>(i & 0x7fU);
  auto large = a_message("large");
  large.message.body = body;
  publish(*broker, {large});
  const auto consumer = consume(*broker);
  const auto taken = take_all(*consumer, 1);
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_TRUE(taken[0].message.body == body);
}

TEST_P(BrokerQueue, HoldsBackWhatPrefetchDoesNotAllow) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2"), a_message("3")});
  const auto consumer = consume(*broker, 2);
  const auto taken = take_all(*consumer, 2);
  EXPECT_THAT(bodies(taken), ElementsAre("1", "2"));
  EXPECT_EQ(consumer->unacked(), 2U);
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
  EXPECT_THAT(ack(*consumer, {taken[1]}), IsEmpty());
  EXPECT_EQ(consumer->unacked(), 1U);
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("3"));
}

TEST_P(BrokerQueue, AnAckMakesRoomForOneWhoWaits) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2")});
  const auto consumer = consume(*broker, 1);
  const auto first = take_all(*consumer, 1);
  std::vector<Delivery> second;
  std::jthread waiting{[&] { second = take(*consumer, 1, kLong); }};
  ack(*consumer, first);
  waiting.join();
  EXPECT_THAT(bodies(second), ElementsAre("2"));
}

TEST_P(BrokerQueue, AnAcknowledgedMessageIsGoneForGood) {
  {
    const auto broker = open();
    publish(*broker, {a_message("1"), a_message("2")});
    const auto consumer = consume(*broker);
    EXPECT_THAT(ack(*consumer, take_all(*consumer, 1)), IsEmpty());
  }
  const auto again = open();
  const auto consumer = consume(*again);
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("2"));
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
}

TEST_P(BrokerQueue, AckingTwiceOrWhatWasNeverGivenOutAnswersTheTags) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2")});
  const auto consumer = consume(*broker);
  const auto taken = take_all(*consumer, 2);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_THAT(ack(*consumer, {taken[0]}), IsEmpty());
  EXPECT_THAT(ack(*consumer, taken), ElementsAre(taken[0].tag));
  const DeliveryTag unknown = 999'999;
  const auto lost = consumer->ack({&unknown, 1});
  ASSERT_TRUE(lost);
  EXPECT_THAT(*lost, ElementsAre(unknown));
  if (traits().knows_totals) {
    EXPECT_EQ(figures(*broker).acked_total, 2U);
  }
}

TEST_P(BrokerQueue, TagsAreUniqueWithinAConsumerAlsoForTheSameMessage) {
  const auto broker = open();
  publish(*broker, {a_message("1")});
  const auto consumer = consume(*broker);
  const auto first = take_all(*consumer, 1);
  ASSERT_TRUE(consumer->requeue(tags(first)));
  const auto second = take_all(*consumer, 1);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_NE(first[0].tag, second[0].tag);
  EXPECT_THAT(ack(*consumer, first), ElementsAre(first[0].tag));
  EXPECT_EQ(consumer->unacked(), 1U);
  if (traits().knows_unacked) {
    EXPECT_TRUE(eventually([&] { return figures(*broker).unacked == 1U; }));
  }
  EXPECT_THAT(ack(*consumer, second), IsEmpty());
}

TEST_P(BrokerQueue, ARequeuedMessageIsFirstInLineAndMarked) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2"), a_message("3")});
  const auto consumer = consume(*broker, 2);
  const auto taken = take_all(*consumer, 2);
  ASSERT_TRUE(consumer->requeue(tags(taken)));
  EXPECT_EQ(consumer->unacked(), 0U);
  const auto again = take_all(*consumer, 2);
  EXPECT_THAT(bodies(again), ElementsAre("1", "2"));
  ASSERT_EQ(again.size(), 2U);
  EXPECT_TRUE(again[0].redelivered);
  EXPECT_TRUE(again[1].redelivered);
  ack(*consumer, again);
  const auto third = take_all(*consumer, 1);
  EXPECT_THAT(bodies(third), ElementsAre("3"));
  ASSERT_EQ(third.size(), 1U);
  EXPECT_FALSE(third[0].redelivered);
}

TEST_P(BrokerQueue, ADestroyedConsumerGivesBackWhatItHeld) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2"), a_message("3")});
  auto first = consume(*broker);
  const auto held = take_all(*first, 2);
  ASSERT_EQ(held.size(), 2U);
  ack(*first, {held[0]});
  const auto second = consume(*broker);
  first.reset();
  const auto taken = take_all(*second, 2);
  EXPECT_THAT(bodies(taken), ElementsAre("2", "3"));
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_TRUE(taken[0].redelivered);
  if (!traits().pushes) {
    EXPECT_FALSE(taken[1].redelivered);
  }
}

TEST_P(BrokerQueue, WakesAWaitingConsumerOfAnotherProcess) {
  const auto here = open();
  const auto there = open();
  const auto consumer = consume(*here);
  std::vector<Delivery> taken;
  std::jthread waiting{[&] { taken = take(*consumer, 1, kLong); }};
  publish(*there, {a_message("1")});
  waiting.join();
  EXPECT_THAT(bodies(taken), ElementsAre("1"));
}

TEST_P(BrokerQueue, AWaitEndsAtItsLimit) {
  const auto broker = open();
  const auto consumer = consume(*broker);
  const auto begin = Steady::now();
  EXPECT_THAT(take(*consumer, 1, std::chrono::milliseconds{120}), IsEmpty());
  EXPECT_GE(Steady::now() - begin, std::chrono::milliseconds{120});
}

TEST_P(BrokerQueue, AStopTokenEndsAWait) {
  const auto broker = open();
  const auto consumer = consume(*broker);
  const auto begin = Steady::now();
  std::jthread waiting{[&](const std::stop_token& stop) {
    const auto taken = consumer->next(1, std::chrono::hours{1}, stop);
    EXPECT_TRUE(taken && taken->empty());
  }};
  waiting.request_stop();
  waiting.join();
  EXPECT_LT(Steady::now() - begin, kLong);
}

TEST_P(BrokerQueue, AStoppedConsumerHandsOutNothingNewButTakesAcks) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2")});
  const auto consumer = consume(*broker);
  const auto taken = take_all(*consumer, 1);
  std::stop_source stop;
  stop.request_stop();
  const auto none = consumer->next(1, kLong, stop.get_token());
  ASSERT_TRUE(none);
  EXPECT_THAT(*none, IsEmpty());
  EXPECT_THAT(ack(*consumer, taken), IsEmpty());
}

TEST_P(BrokerQueue, DeliversADelayedMessageNotEarlyAndSoonAfter) {
  const auto broker = open();
  auto later = a_message("later", std::min(200, traits().top_priority));
  later.not_before = clock.wall() + std::chrono::milliseconds{700};
  auto past = a_message("past");
  past.not_before = clock.wall() - std::chrono::hours{1};
  publish(*broker, {later, past});
  const auto consumer = consume(*broker);
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("past"));
  const auto taken = take(*consumer, 1, kLong);
  const auto at = clock.wall();
  ASSERT_THAT(bodies(taken), ElementsAre("later"));
  EXPECT_GE(at, *later.not_before);
  EXPECT_LT(at, *later.not_before + std::chrono::seconds{5});
  EXPECT_FALSE(taken[0].redelivered);
}

TEST_P(BrokerQueue, PublishesAllOrNothing) {
  const auto broker = open();
  const std::vector<QueueName> queue{QueueName{"q"}};
  ASSERT_TRUE(broker->declare(queue));
  const std::vector<OutgoingMessage> batch{a_message("fine"), a_message("wrong", 256)};
  const auto refused = broker->publish(batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_THAT(refused.error().what, ::testing::HasSubstr("256"));
  EXPECT_EQ(figures(*broker).ready, 0U);
  const auto consumer = consume(*broker);
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
}

TEST_P(BrokerQueue, RefusesAConsumerThatCouldNeverTakeAnything) {
  const auto broker = open();
  const auto nothing = broker->consume({.queues = {}, .prefetch = 1, .consumer = "c"});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, Errc::Invalid);
  const auto no_room = broker->consume({.queues = {QueueName{"q"}}, .prefetch = 0, .consumer = ""});
  ASSERT_FALSE(no_room);
  EXPECT_EQ(no_room.error().code, Errc::Invalid);
  const auto nameless = broker->consume({.queues = {QueueName{""}}, .prefetch = 1, .consumer = ""});
  ASSERT_FALSE(nameless);
  EXPECT_EQ(nameless.error().code, Errc::Invalid);
}

TEST_P(BrokerQueue, SeveralConsumersShareWithoutDuplicates) {
  constexpr std::size_t kMessages = 600;
  const auto broker = open();
  std::mutex mutex;
  std::multiset<std::string> seen;
  std::size_t done = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const auto mine = open();
        const auto consumer = consume(*mine, 10);
        for (;;) {
          const auto taken = take(*consumer, 7, std::chrono::milliseconds{100});
          EXPECT_THAT(ack(*consumer, taken), IsEmpty());
          const std::lock_guard lock{mutex};
          for (const auto& delivery : taken) {
            EXPECT_FALSE(delivery.redelivered);
            seen.insert(delivery.message.body);
          }
          done += taken.size();
          if (done >= kMessages) return;
        }
      });
    }
    for (std::size_t i = 0; i < kMessages; i += 20) {
      std::vector<OutgoingMessage> batch;
      for (std::size_t j = i; j < i + 20; ++j) batch.push_back(a_message(std::to_string(j)));
      publish(*broker, batch);
    }
  }
  EXPECT_EQ(done, kMessages);
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), kMessages);
  if (traits().knows_totals) {
    EXPECT_EQ(figures(*broker).acked_total, kMessages);
  }
  EXPECT_EQ(figures(*broker).ready, 0U);
}

TEST_P(BrokerQueue, SeveralThreadsShareOneConsumer) {
  constexpr std::size_t kMessages = 300;
  const auto broker = open();
  const auto consumer = consume(*broker, 8);
  std::atomic<std::size_t> done = 0;
  std::stop_source stop;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        while (done < kMessages) {
          const auto taken = consumer->next(3, kLong, stop.get_token());
          ASSERT_TRUE(taken);
          for (std::size_t at = 0; at < taken->size(); ++at) {
            EXPECT_THAT(ack(*consumer, {(*taken)[at]}), IsEmpty());
            ++done;
          }
          if (done >= kMessages) stop.request_stop();
        }
      });
    }
    for (std::size_t i = 0; i < kMessages; ++i) publish(*broker, {a_message(std::to_string(i))});
  }
  EXPECT_EQ(done, kMessages);
  EXPECT_EQ(consumer->unacked(), 0U);
}

TEST_P(BrokerQueue, TellsItsFiguresAndOnlyThoseItKnows) {
  const auto broker = open();
  const std::vector<QueueName> names{QueueName{"q"}, QueueName{"empty"}};
  ASSERT_TRUE(broker->declare(names));
  ASSERT_TRUE(broker->declare(names));

  const auto before = clock.wall();
  auto later = a_message("later");
  later.not_before = clock.wall() + std::chrono::hours{1};
  publish(*broker, {a_message("1"), a_message("2"), a_message("3"), later});
  auto consumer = consume(*broker, 2);
  const auto taken = take_all(*consumer, 2);

  EXPECT_TRUE(eventually([&] { return figures(*broker).ready == 1U; }));
  EXPECT_TRUE(eventually([&] { return figures(*broker).consumers == 1U; }));
  const auto known = [](bool knows, std::uint64_t value) {
    return knows ? std::optional{value} : std::nullopt;
  };
  const bool totals = traits().knows_totals;
  EXPECT_TRUE(
      eventually([&] { return figures(*broker).unacked == known(traits().knows_unacked, 2); }));
  auto now = figures(*broker);
  EXPECT_EQ(now.delayed, known(traits().knows_delayed, 1));
  EXPECT_EQ(now.published_total, known(totals, 4));
  EXPECT_EQ(now.acked_total, known(totals, 0));
  EXPECT_EQ(now.oldest_ready.has_value(), traits().knows_oldest);
  if (now.oldest_ready) {
    EXPECT_GE(*now.oldest_ready, before);
    EXPECT_LE(*now.oldest_ready, clock.wall());
  }

  ack(*consumer, taken);
  consumer.reset();
  EXPECT_TRUE(eventually([&] { return figures(*broker).ready == 1U; }));
  EXPECT_TRUE(eventually([&] { return figures(*broker).consumers == 0U; }));
  EXPECT_TRUE(
      eventually([&] { return figures(*broker).unacked == known(traits().knows_unacked, 0); }));
  EXPECT_EQ(figures(*broker).acked_total, known(totals, 2));
  const auto empty = figures(*broker, "empty");
  EXPECT_EQ(empty.ready, 0U);
  EXPECT_FALSE(empty.oldest_ready);
}

TEST_P(BrokerQueue, AConsumerMayOutliveTheBrokerThatMadeIt) {
  auto broker = open();
  publish(*broker, {a_message("1")});
  const auto consumer = consume(*broker);
  broker.reset();
  EXPECT_THAT(ack(*consumer, take_all(*consumer, 1)), IsEmpty());
}

TEST_P(BrokerQueue, AnswersAPing) {
  const auto broker = open();
  EXPECT_TRUE(broker->ping());
}

}  // namespace
}  // namespace umbel::testing
