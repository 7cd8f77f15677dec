// What changes while a consumer is at work: its queues, its prefetch, and messages that go unrun.
#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

#include "broker_under_test.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class BrokerConsumer : public BrokerConformance {
 protected:
  [[nodiscard]] static bool consumers_are(Broker& broker, const std::string& queue,
                                          std::uint64_t count) {
    return eventually([&] { return figures(broker, queue).consumers == count; });
  }
};
UMBEL_INSTANTIATE_BROKER_SUITE(BrokerConsumer);

TEST_P(BrokerConsumer, TakesFromAQueueThatIsAddedToo) {
  const auto broker = open();
  publish(*broker, {a_message("a1", 0, "a"), a_message("b1", 0, "b")});
  const auto consumer = consume(*broker, 10, {"a"});
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("a1"));
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
  ASSERT_TRUE(consumer->add_queue(QueueName{"b"}));
  const auto taken = take_all(*consumer, 1);
  ASSERT_THAT(bodies(taken), ElementsAre("b1"));
  EXPECT_EQ(taken[0].queue, QueueName{"b"});
  EXPECT_TRUE(consumers_are(*broker, "b", 1));
  EXPECT_THAT(ack(*consumer, taken), IsEmpty());
}

TEST_P(BrokerConsumer, AddingAQueueDeclaresItAndTwiceIsOnce) {
  const auto broker = open();
  const auto consumer = consume(*broker, 10, {"a"});
  ASSERT_TRUE(consumer->add_queue(QueueName{"new"}));
  ASSERT_TRUE(consumer->add_queue(QueueName{"new"}));
  ASSERT_TRUE(consumer->add_queue(QueueName{"a"}));
  EXPECT_TRUE(consumers_are(*broker, "new", 1));
  EXPECT_TRUE(consumers_are(*broker, "a", 1));
  publish(*broker, {a_message("1", 0, "new")});
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("1"));
  const auto nameless = consumer->add_queue(QueueName{""});
  ASSERT_FALSE(nameless);
  EXPECT_EQ(nameless.error().code, Errc::Invalid);
}

TEST_P(BrokerConsumer, AWaitingConsumerHearsOfTheNewQueue) {
  const auto broker = open();
  publish(*broker, {a_message("b1", 0, "b")});
  const auto consumer = consume(*broker, 10, {"a"});
  std::vector<Delivery> taken;
  std::jthread waiting{[&] { taken = take(*consumer, 1, kLong); }};
  ASSERT_TRUE(consumer->add_queue(QueueName{"b"}));
  waiting.join();
  EXPECT_THAT(bodies(taken), ElementsAre("b1"));
}

TEST_P(BrokerConsumer, OfACancelledQueueNothingNewComesAndWhatIsHeldStaysHeld) {
  const auto broker = open();
  publish(*broker, {a_message("a1", 0, "a")});
  const auto consumer = consume(*broker, 10, {"a", "b"});
  const auto held = take_all(*consumer, 1);
  ASSERT_TRUE(consumer->cancel_queue(QueueName{"a"}));
  ASSERT_TRUE(consumer->cancel_queue(QueueName{"a"}));
  ASSERT_TRUE(consumer->cancel_queue(QueueName{"never"}));
  EXPECT_TRUE(consumers_are(*broker, "a", 0));
  publish(*broker, {a_message("a2", 0, "a"), a_message("b1", 0, "b")});
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("b1"));
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
  EXPECT_THAT(ack(*consumer, held), IsEmpty());

  const auto other = consume(*broker, 10, {"a"});
  EXPECT_THAT(bodies(take_all(*other, 1)), ElementsAre("a2"));
}

TEST_P(BrokerConsumer, WhatWasOnItsWayFromACancelledQueueIsNotLost) {
  constexpr std::size_t kMessages = 40;
  const auto broker = open();
  std::vector<OutgoingMessage> batch;
  for (std::size_t i = 0; i < kMessages; ++i) batch.push_back(a_message(std::to_string(i), 0, "a"));
  publish(*broker, batch);
  auto consumer = consume(*broker, 20, {"a"});
  std::vector<std::string> seen = bodies(take_all(*consumer, 3));
  ASSERT_EQ(seen.size(), 3U);
  ASSERT_TRUE(consumer->cancel_queue(QueueName{"a"}));
  const auto other = consume(*broker, 100, {"a"});
  // Each of the others comes to the one or to the other, and none to both while both live.
  std::vector<std::string> came;
  EXPECT_TRUE(eventually([&] {
    for (auto* each : {consumer.get(), other.get()}) {
      for (auto& body : bodies(take(*each, 100))) came.push_back(std::move(body));
    }
    return came.size() == kMessages - seen.size();
  }));
  seen.insert(seen.end(), came.begin(), came.end());
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::unique(seen).size(), 0U);
}

TEST_P(BrokerConsumer, ACancelledQueueCanBeAddedAgain) {
  const auto broker = open();
  const auto consumer = consume(*broker, 10, {"a"});
  ASSERT_TRUE(consumer->cancel_queue(QueueName{"a"}));
  publish(*broker, {a_message("a1", 0, "a")});
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
  ASSERT_TRUE(consumer->add_queue(QueueName{"a"}));
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("a1"));
}

TEST_P(BrokerConsumer, AQueueFromItsOwnExchangeIsAQueueLikeAnyOther) {
  const auto broker = open();
  const auto consumer = consume(*broker, 10, {"a"});
  ASSERT_TRUE(consumer->add_queue_from(QueueName{"b"}, {"b", "direct", "b"}));
  publish(*broker, {a_message("b1", 0, "b")});
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("b1"));
}

TEST_P(BrokerConsumer, AQueueFromAnExchangeGetsWhatIsSentThere) {
  const auto broker = open();
  const auto consumer = consume(*broker, 10, {"a"});
  const QueueBinding shapes{"shapes", "topic", "area.*"};
  const auto added = consumer->add_queue_from(QueueName{"b"}, shapes);
  if (!traits().has_exchanges) {
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Errc::Invalid);
    EXPECT_THAT(added.error().what, ::testing::HasSubstr("`b`"));
    EXPECT_THAT(added.error().what, ::testing::HasSubstr("no exchanges"));
    return;
  }
  ASSERT_TRUE(added) << added.error().what;
  ASSERT_TRUE(consumer->add_queue_from(QueueName{"b"}, shapes)) << "twice is once";
  EXPECT_TRUE(consumers_are(*broker, "b", 1));
  ASSERT_TRUE(broker->reply({"shapes", "area.large"}, a_message("b1").message));
  ASSERT_TRUE(broker->reply({"shapes", "volume.large"}, a_message("nobody's").message));
  publish(*broker, {a_message("b2", 0, "b")});
  const auto taken = take_all(*consumer, 2);
  EXPECT_THAT(bodies(taken), ElementsAre("b1", "b2"));
  EXPECT_THAT(ack(*consumer, taken), IsEmpty());

  for (const auto& wrong : {QueueBinding{"shapes", "fanout", "x"}, QueueBinding{"", "direct", "x"},
                            QueueBinding{"other", "circular", "x"}}) {
    const auto refused = consumer->add_queue_from(QueueName{"c"}, wrong);
    ASSERT_FALSE(refused) << wrong.exchange << " " << wrong.type;
    EXPECT_EQ(refused.error().code, Errc::Invalid) << refused.error().what;
  }
  publish(*broker, {a_message("b3", 0, "b")});
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("b3")) << "nothing else was changed";
}

TEST_P(BrokerConsumer, ALargerPrefetchLetsOneWhoWaitsGoOn) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2"), a_message("3")});
  const auto consumer = consume(*broker, 1);
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("1"));
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
  std::vector<Delivery> taken;
  std::jthread waiting{[&] { taken = take_all(*consumer, 2); }};
  consumer->set_prefetch(3);
  waiting.join();
  EXPECT_THAT(bodies(taken), ElementsAre("2", "3"));
}

TEST_P(BrokerConsumer, ASmallerPrefetchHoldsBackUntilThereIsRoom) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2"), a_message("3"), a_message("4")});
  const auto consumer = consume(*broker, 3);
  const auto taken = take_all(*consumer, 3);
  ASSERT_EQ(taken.size(), 3U);
  consumer->set_prefetch(1);
  EXPECT_EQ(consumer->unacked(), 3U);
  ack(*consumer, {taken[0], taken[1]});
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
  ack(*consumer, {taken[2]});
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("4"));
}

TEST_P(BrokerConsumer, APrefetchOfNothingIsOne) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2")});
  const auto consumer = consume(*broker, 1);
  consumer->set_prefetch(0);
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("1"));
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
}

TEST_P(BrokerConsumer, ARejectedMessageIsGoneAndMakesRoom) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2"), a_message("3")});
  {
    const auto consumer = consume(*broker, 2);
    const auto taken = take_all(*consumer, 2);
    ASSERT_EQ(taken.size(), 2U);
    const auto first = std::vector{taken[0].tag};
    ASSERT_TRUE(consumer->reject(first));
    EXPECT_EQ(consumer->unacked(), 1U);
    EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("3"));
    EXPECT_THAT(ack(*consumer, {taken[0]}), ElementsAre(taken[0].tag)) << "it holds it no more";
    ASSERT_TRUE(consumer->reject(first)) << "again: nothing";
  }
  const auto again = consume(*broker);
  EXPECT_THAT(bodies(take_all(*again, 2)), UnorderedElementsAre("2", "3"));
  EXPECT_THAT(take(*again, 9, quiet()), IsEmpty());
}

TEST_P(BrokerConsumer, APurgeRemovesWhatWaitsAndNothingElse) {
  const auto broker = open();
  const auto holder = consume(*broker, 1);
  auto later = a_message("later");
  later.not_before = clock.wall() + std::chrono::milliseconds{1500};
  publish(*broker, {a_message("held"), a_message("1"), a_message("2", 3), later,
                    a_message("of another", 0, "other")});
  const auto held = take_all(*holder, 1);
  ASSERT_EQ(held.size(), 1U);
  ASSERT_TRUE(eventually([&] { return figures(*broker).ready == 2U; }));
  const auto gone = broker->purge(QueueName{"q"});
  ASSERT_TRUE(gone) << gone.error().what;
  EXPECT_EQ(*gone, 2U);
  EXPECT_TRUE(eventually([&] { return figures(*broker).ready == 0U; }));
  EXPECT_EQ(figures(*broker, "other").ready, 1U);
  EXPECT_THAT(ack(*holder, held), IsEmpty());
  EXPECT_THAT(bodies(take_all(*holder, 1)), ElementsAre("later"));
  EXPECT_EQ(*broker->purge(QueueName{"q"}), 0U);
}

TEST_P(BrokerConsumer, APurgeOfALongQueueRemovesAllOfIt) {
  constexpr std::size_t kMessages = 5000;
  const auto broker = open();
  std::vector<OutgoingMessage> batch;
  for (std::size_t i = 0; i < kMessages; ++i) batch.push_back(a_message(std::to_string(i)));
  publish(*broker, batch);
  ASSERT_TRUE(eventually([&] { return figures(*broker).ready == kMessages; }));
  EXPECT_EQ(*broker->purge(QueueName{"q"}), kMessages);
  const auto consumer = consume(*broker);
  EXPECT_THAT(take(*consumer, 9, quiet()), IsEmpty());
}

TEST_P(BrokerConsumer, APurgeOfNoQueueIsNotFound) {
  const auto broker = open();
  const auto gone = broker->purge(QueueName{"never"});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::NotFound);
  EXPECT_TRUE(broker->ping()) << "and the broker goes on";
}

}  // namespace
}  // namespace umbel::testing
